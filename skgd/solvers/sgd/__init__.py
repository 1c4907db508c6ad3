"""Per-sample and mini-batch updates in NumPy."""
