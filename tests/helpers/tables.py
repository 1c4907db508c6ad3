"""Hypothesis strategies for data sets with columns that are hard to fit."""

import numpy as np
from hypothesis import strategies as st

KINDS = ["normal", "constant", "zero", "tied", "rare", "repeated", "offset"]


def column(kind, rng, rows, earlier):
    """Return a column of the given kind."""
    noise = rng.normal(size=rows)
    return {
        "normal": noise,
        "constant": np.full(rows, noise[0]),
        "zero": np.zeros(rows),
        "tied": rng.integers(-1, 2, rows) / 2,
        "rare": noise * (rng.random(rows) < 0.2),
        "repeated": earlier[-1] if earlier else noise,
        "offset": 3 + 0.1 * noise,
    }[kind]


@st.composite
def tables(draw, exponents=(-1, 0, 1), least_rows=1, most_rows=12):
    """Draw features, some rows of which are equal, positive targets and integer weights from 0."""
    rows = draw(st.integers(least_rows, most_rows))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    columns = []
    for kind in draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4)):
        unit = 10.0 ** draw(st.sampled_from(exponents))
        is_scaled = kind == "repeated" and bool(columns)  # it has the unit of the earlier column
        columns.append((1.0 if is_scaled else unit) * column(kind, rng, rows, columns))
    y = np.exp(rng.normal(size=rows))
    if draw(st.booleans()):
        y = np.round(y) + 1
    X, copies = np.column_stack(columns), draw(st.integers(0, rows // 2))
    X[:copies] = X[rows - copies :]
    weights = rng.integers(0, 4, rows)
    weights[rng.integers(rows)] = 1
    return X, y, weights.astype(float)
