"""History of a fit: one row of numbers for each epoch."""

import numpy as np

from skgd._utils.validation import suggest_closest


class History:
    """Rows of numbers, one for each epoch, stored as columns of equal length.

    Row 0 describes the start, each later row the model after its epoch.

    Attributes
    ----------
    columns : dict of lists
        The columns by name.
    path : Trajectory or None
        The recorded coefficients, which have rows of their own.
    """

    def __init__(self):
        self.columns = {}
        self.path = None

    def __len__(self):
        return len(self.columns.get("epoch", ()))

    def append(self, **row):
        """Append a row; missing values, and the earlier rows of a new column, are NaN."""
        self.extend({name: [number] for name, number in row.items()})

    def extend(self, rows):
        """Append rows, given as columns; missing columns are filled with NaN."""
        length, n_new = len(self), len(rows["epoch"])
        for name in rows:
            self.columns.setdefault(name, [np.nan] * length)
        for name, column in self.columns.items():
            column.extend(rows.get(name, [np.nan] * n_new))

    def truncate(self, length):
        """Remove the rows from `length` on."""
        for column in self.columns.values():
            del column[length:]

    @property
    def last_epoch(self):
        """Number of the last epoch in the history, -1 if it is empty."""
        return self.columns["epoch"][-1] if len(self) else -1

    @property
    def last_time(self):
        """Time of the last row, in seconds since the descent began; 0 if the history is empty."""
        return self.columns["time"][-1] if len(self) else 0.0

    def copy(self):
        """Return a copy; rows appended to it do not change this history."""
        copied = History()
        copied.columns = {name: list(column) for name, column in self.columns.items()}
        copied.path = self.path and self.path.copy()
        return copied

    def arrays(self):
        """Return the columns as a dict of 1-D arrays."""
        return {name: np.array(column) for name, column in self.columns.items()}


#: How to record a column, by its name; appended to the error message if it is missing.
REMEDIES = {
    "objective": "Fit with record='objective'.",
    "gradient_norm": "Fit with record='objective'.",
    "validation_score": "Give fit validation rows, as X_val and y_val, or set early_stopping=True.",
}


def column(history, name):
    """Return a column of a history.

    Parameters
    ----------
    history : dict of arrays
        A fitted model's ``history_``.
    name : str
        The column.

    Returns
    -------
    array of shape (n_rows,)

    Raises
    ------
    ValueError
        If the history has no such column; the message says how to record it.
    """
    if len(history) == 0:
        raise ValueError(
            "The history is empty: with record=None a fit remembers nothing. Fit with "
            "record='running'."
        )
    if name not in history:
        listing = ", ".join(map(repr, history))
        remedy = REMEDIES.get(name, suggest_closest(name, list(history)))
        raise ValueError(f"The history has no column {name!r}; it has: {listing}. {remedy}")
    return np.asarray(history[name], dtype=float)


def format_row(row):
    """Return a row of the history as one line of text, for ``verbose=1``."""
    parts = [f"epoch {row['epoch']:>5d}"]
    for name, label in [
        ("objective", "objective"),
        ("running_objective", "running objective"),
        ("gradient_norm", "gradient"),
        ("validation_score", "validation"),
        ("learning_rate", "rate"),
    ]:
        if name in row:
            parts.append(f"{label} {row[name]:<11.6g}")
    return "  ".join(parts) + f"  time {row['time']:.2f} s"
