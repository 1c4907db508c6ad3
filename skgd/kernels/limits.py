"""Numbers that all executors keep to."""

#: Slopes are clipped to this magnitude, as in scikit-learn: a diverging descent grows no faster.
LARGEST_SLOPE = 1e12
