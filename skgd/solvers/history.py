"""What a fit remembers of its course."""

import numpy as np

from skgd._utils.validation import suggest_closest


class History:
    """Rows of numbers, one an epoch, kept as columns of equal length.

    Row 0 describes the starting point, every later row the model after its epoch. The path, if one
    is kept, stands beside them: it has rows of its own.
    """

    def __init__(self):
        self.columns = {}
        self.path = None

    def __len__(self):
        return len(self.columns.get("epoch", ()))

    def append(self, **row):
        """Add a row; a column that it lacks, or that is new, is filled with NaN."""
        self.extend({name: [number] for name, number in row.items()})

    def extend(self, rows):
        """Add rows, given as columns; a column that they lack is filled with NaN."""
        length, number = len(self), len(rows["epoch"])
        for name in rows:
            self.columns.setdefault(name, [np.nan] * length)
        for name, column in self.columns.items():
            column.extend(rows.get(name, [np.nan] * number))

    def truncate(self, length):
        """Forget the rows from `length` on."""
        for column in self.columns.values():
            del column[length:]

    @property
    def last_epoch(self):
        """Number of the last epoch remembered, -1 if there is none."""
        return self.columns["epoch"][-1] if len(self) else -1

    @property
    def last_time(self):
        """Seconds of descent up to the last row."""
        return self.columns["time"][-1] if len(self) else 0.0

    def copy(self):
        """Return a history that can be appended to without changing this one."""
        twin = History()
        twin.columns = {name: list(column) for name, column in self.columns.items()}
        twin.path = self.path and self.path.copy()
        return twin

    def arrays(self):
        """Return the columns as a dict of 1-D arrays."""
        return {name: np.array(column) for name, column in self.columns.items()}


#: What to do about a column that a history lacks.
REMEDIES = {
    "objective": "Fit with record='objective'.",
    "gradient_norm": "Fit with record='objective'.",
    "validation_score": "Give fit validation rows, as X_val and y_val, or set early_stopping=True.",
}


def column(history, name):
    """Return a column of a history, or say what would have recorded it.

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
        If the history has no such column.
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


def line(row):
    """Return one readable line about a row of the history, for ``verbose=1``."""
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
