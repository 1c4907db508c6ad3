"""Data in blocks of rows: in memory, in a mapped file, in an iterable, or on Dask's workers.

A fit needs two things of its data. Sums over the rows (moments, an objective with its gradient) are
sums over blocks: :meth:`ChunkedData.map_reduce`. Epochs of small updates go from block to block:
:meth:`ChunkedData.fold`. Each kind of data says how it does these two, and nothing else.
"""

from skgd.data.chunked import ChunkedData, named
from skgd.data.dispatch import check_features, chunk, is_chunked_input, predict_chunked
from skgd.data.in_memory import InMemoryData
from skgd.data.iterable import IterableData, Source
from skgd.data.memmap import MemmapData

__all__ = [
    "ChunkedData",
    "InMemoryData",
    "IterableData",
    "MemmapData",
    "Source",
    "check_features",
    "chunk",
    "is_chunked_input",
    "named",
    "predict_chunked",
]
