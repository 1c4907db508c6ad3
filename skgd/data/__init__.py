"""Data sets: in memory, or in chunks of rows of a memory map, an iterable or a Dask collection.

A fit accesses chunked data in two ways. Sums over the rows, such as moments or an objective with
its gradient, are sums over the chunks: :meth:`ChunkedData.map_reduce`. Epochs of small updates
process one chunk after the other: :meth:`ChunkedData.fold`. Each kind of data implements these two.
"""

from skgd.data.chunked import ChunkedData
from skgd.data.dispatch import check_features, is_chunked_input, predict_chunked, to_chunked_data
from skgd.data.in_memory import InMemoryData, expand_offset
from skgd.data.iterable import BatchSource, IterableData
from skgd.data.map_reduce import call_for_chunk
from skgd.data.memmap import MemmapData

__all__ = [
    "BatchSource",
    "ChunkedData",
    "InMemoryData",
    "IterableData",
    "MemmapData",
    "call_for_chunk",
    "check_features",
    "expand_offset",
    "is_chunked_input",
    "predict_chunked",
    "to_chunked_data",
]
