"""Data in blocks of rows: in memory, in a mapped file, in an iterable, or on Dask's workers.

A fit needs two things of its data. Sums over the rows (moments, an objective with its gradient) are
sums over blocks: :meth:`Blocks.total`. Epochs of small updates go from block to block:
:meth:`Blocks.walk`. Each kind of data says how it does these two, and nothing else.
"""

from skgd.blocks._base import Blocks, named
from skgd.blocks._data import Data, Frame
from skgd.blocks._iterable import IterableBlocks, Source
from skgd.blocks._kinds import blocks_of, check_features, is_blocked, predict_blocks
from skgd.blocks._mapped import MappedBlocks
from skgd.blocks._objective import BlockedObjective

__all__ = [
    "BlockedObjective",
    "Blocks",
    "Data",
    "Frame",
    "IterableBlocks",
    "MappedBlocks",
    "Source",
    "blocks_of",
    "check_features",
    "is_blocked",
    "named",
    "predict_blocks",
]
