"""Blocks that come one after the other out of an iterable, as often as it can be read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from skgd.data.chunked import SAMPLE_ROWS, ChunkedData, joined, named

#: Rows of a block that a sample takes at most.
HEAD = 1024


class Source:
    """What a user gives as batches, read any number of times.

    Parameters
    ----------
    batches : iterable, or function that returns one
        Of (X, y) or (X, y, sample_weight).
    """

    def __init__(self, batches):
        if not callable(batches) and not hasattr(batches, "__iter__"):
            raise TypeError(
                f"batches={batches!r} must be an iterable of (X, y) or (X, y, sample_weight), or a "
                "function that returns a new one."
            )
        self.batches, self.passes = batches, 0
        self.begun = None

    @property
    def once(self):
        """Whether there is only one pass: a generator, or another iterator."""
        return not callable(self.batches) and iter(self.batches) is self.batches

    @property
    def numbered(self):
        """Whether any block can be had by its number."""
        return isinstance(self.batches, Sequence)

    def first(self, made):
        """Return the first that is not None of what `made` makes of numbers and blocks.

        The pass that this begins goes on, from its beginning, at the next iteration.
        """
        iterator, seen = self.started(), []
        for item in iterator:
            seen.append(item)
            found = made(len(seen) - 1, item)
            if found is not None:
                self.begun = chain(seen, iterator)
                return found
        if seen:
            raise ValueError("sample_weight is zero for every row; fit needs a row with weight.")
        raise ValueError("batches gave no block. Give an iterable of (X, y).")

    def started(self):
        """Return a new pass."""
        if self.once and self.passes:
            raise ValueError(
                "batches can be read only once, and this fit has to read them again. Give a list, "
                "an object whose __iter__ begins anew, or a function that returns a new iterator."
            )
        self.passes += 1
        return iter(self.batches() if callable(self.batches) else self.batches)

    def __iter__(self):
        begun, self.begun = self.begun, None
        return self.started() if begun is None else begun

    def visits(self, order, skipped):
        """Yield the numbers and blocks of a pass, but for those skipped at its beginning.

        Parameters
        ----------
        order : list of int or None
            For numbered blocks, their order.
        skipped : int
            How many visits have been made before.
        """
        if order is not None:
            yield from ((number, self.batches[number]) for number in order[skipped:])
            return
        for number, item in enumerate(self):
            if number >= skipped:
                yield number, item


@dataclass
class Progress:
    """How far a sum over blocks has come; it pickles.

    Parameters
    ----------
    of : str
        What is summed.
    sum : object
        Over the blocks so far.
    lengths : list of int
        Rows with weight in each of them.
    weight : float
        Their total weight.
    """

    of: str = ""
    sum: object = None
    lengths: list = field(default_factory=list)
    weight: float = 0.0


class IterableData(ChunkedData):
    """Blocks out of an iterable.

    Parameters
    ----------
    source : Source
        Where they come from.
    checked : callable
        Makes :class:`InMemoryData`, or None without a row of weight, of what the source gives.
    progress : Progress or None
        Of a first pass that was broken off.
    told : callable or None
        Called with the :class:`Progress` after every block of the first pass.
    """

    def __init__(self, source, checked, progress=None, told=None):
        first = source.first(lambda number, item: named(checked, number, item))
        super().__init__(first.n_features, first.outputs, first.dtype, first.sparse)
        self.source, self.checked = source, checked
        self.progress, self.told = progress or Progress(), told
        self.heads, self.loss = [], None

    def check_targets(self, loss):
        """Refuse targets for which a loss makes no sense, whenever a block is read."""
        self.loss = loss

    def read(self):
        """Yield the numbers and the checked blocks of a pass."""
        number = -1
        for number, item in enumerate(self.source):
            block = named(self.checked, number, item)
            if block is not None and self.loss is not None:
                named(self.loss.check_targets, number, block.y)
            yield number, block
        if self.lengths is not None and number + 1 != len(self.lengths):
            raise ValueError(
                f"batches gave {len(self.lengths)} blocks at first and {number + 1} later. Give an "
                "object whose __iter__ begins anew each time."
            )

    def map_reduce(self, function, *args):
        """Return the sum over the blocks; the first pass counts them, too."""
        counting = self.lengths is None
        of = f"{function.__name__}{args}" if counting else ""
        progress = self.progress if counting and self.progress.of == of else Progress(of)
        skipped = len(progress.lengths)
        for number, block in self.read():
            if counting and block is not None:
                self.take_in(block)
            if number < skipped:
                continue
            part = None if block is None else named(function, number, block, *args)
            if part is not None:
                progress.sum = part if progress.sum is None else progress.sum + part
            if counting:
                progress.lengths.append(0 if block is None else len(block))
                progress.weight += 0.0 if block is None else block.total_weight
                if self.told is not None:
                    self.told(progress)
        if counting:
            self.lengths, self.total_weight = progress.lengths, progress.weight
        return progress.sum

    def take_in(self, block):
        """Take the first rows of a block into the sample, if there is room."""
        if HEAD * len(self.heads) < SAMPLE_ROWS:
            self.heads.append(block.slice_rows(slice(0, HEAD)))

    def count(self):
        """Find `lengths` and `total_weight` out."""
        if self.lengths is None:
            self.map_reduce(nothing)

    def drawn(self):
        """Return the first rows of the first blocks."""
        self.count()
        return joined(self.heads)

    def fold(self, function, state, steps):
        """Refuse: updates on single blocks are those of ``partial_fit``."""
        raise NotImplementedError

    def subset(self, numbers):
        """Refuse: a pass reads all blocks."""
        raise ValueError(
            "early_stopping cannot hold out blocks of an iterable. Set early_stopping=False, and "
            "score the model yourself."
        )


def nothing(block):
    """Return nothing to add up; the pass itself is what is wanted."""
    return 0
