"""How updates are executed: the same formulas on full batches, and on rows and small batches."""
