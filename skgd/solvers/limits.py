"""Numbers that all executors keep to."""

#: Under scikit-learn's schedules slopes are clipped to this magnitude, as there: a descent that
#: diverges goes on, and grows no faster. Others are free, or targets of 1e15 would not be learned.
LARGEST_SLOPE = 1e12
