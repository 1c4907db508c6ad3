"""Data in blocks of rows: in memory, in a mapped file, in an iterable, or on Dask's workers.

A fit needs two things of its data. Sums over the rows (moments, an objective with its gradient) are
sums over blocks: :meth:`Blocks.total`. Epochs of small updates go from block to block:
:meth:`Blocks.walk`. Each kind of data says how it does these two, and nothing else.
"""

from skgd.data.chunked import Blocks, named
from skgd.data.dispatch import blocks_of, check_features, is_blocked, predict_blocks
from skgd.data.in_memory import Data
from skgd.data.iterable import IterableBlocks, Source
from skgd.data.memmap import MappedBlocks

__all__ = [
    "Blocks",
    "Data",
    "IterableBlocks",
    "MappedBlocks",
    "Source",
    "blocks_of",
    "check_features",
    "is_blocked",
    "named",
    "predict_blocks",
]
