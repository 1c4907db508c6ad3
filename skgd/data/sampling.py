"""Samples of rows from chunks, for estimates that do not need all rows."""

import numpy as np
from scipy.sparse import issparse, vstack

from skgd.data.in_memory import InMemoryData

#: Maximal number of rows, and of bytes of X, of a sample.
SAMPLE_ROWS, SAMPLE_BYTES = 2**16, 2**25


def choose_evenly_spaced(count, max_chosen):
    """Return at most `max_chosen` evenly spaced integers from 0 to ``count - 1``."""
    return np.unique(np.linspace(0, count - 1, min(count, max_chosen)).astype(int))


def sample_rows_per_chunk(data, n_chunks):
    """Return how many rows a sample takes from each of `n_chunks` chunks."""
    row_bytes = max(1, data.n_features * data.dtype.itemsize)
    return max(1, min(SAMPLE_ROWS, SAMPLE_BYTES // row_bytes) // n_chunks)


def concatenate_chunks(chunks):
    """Return several :class:`InMemoryData` as one."""
    first = chunks[0]
    rows = [chunk.X for chunk in chunks]
    X = vstack(rows, format="csr") if issparse(first.X) else np.concatenate(rows)
    weights = None if first.weights is None else np.concatenate([chunk.weights for chunk in chunks])
    offset = None if first.offset is None else np.concatenate([chunk.offset for chunk in chunks])
    y = np.concatenate([chunk.y for chunk in chunks])
    return InMemoryData(X, y, weights, offset=offset)
