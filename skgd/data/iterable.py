"""Chunks from an iterable of batches, which is read once per pass."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from skgd.data.chunked import ChunkedData
from skgd.data.map_reduce import call_for_chunk
from skgd.data.sampling import SAMPLE_ROWS, concatenate_chunks

#: Maximal number of rows that a sample takes from a chunk.
SAMPLE_ROWS_PER_CHUNK = 1024


class BatchSource:
    """An iterable of batches, or a function that returns one, read any number of times.

    Parameters
    ----------
    batches : iterable, or function that returns one
        Batches ``(X, y)``, ``(X, y, sample_weight)`` or ``(X, y, sample_weight, offset)``.
    """

    def __init__(self, batches):
        if not callable(batches) and not hasattr(batches, "__iter__"):
            raise TypeError(
                f"batches={batches!r} must be an iterable of (X, y) or (X, y, sample_weight), or a "
                "function that returns a new one."
            )
        self.batches, self.n_passes = batches, 0
        self._restarted_pass = None

    @property
    def is_single_pass(self):
        """Whether the batches can be read only once: from a generator or another iterator."""
        return not callable(self.batches) and iter(self.batches) is self.batches

    @property
    def is_indexable(self):
        """Whether batches can be accessed by number."""
        return isinstance(self.batches, Sequence)

    def read_first(self, convert):
        """Start a pass; return the first ``convert(number, batch)`` that is not None.

        The next iteration over the source continues this pass, from its first batch.
        """
        iterator, seen = self.start_pass(), []
        for batch in iterator:
            seen.append(batch)
            converted = convert(len(seen) - 1, batch)
            if converted is not None:
                self._restarted_pass = chain(seen, iterator)
                return converted
        if seen:
            raise ValueError("sample_weight is zero for every row; fit needs a row with weight.")
        raise ValueError("batches is empty. Give an iterable of (X, y).")

    def start_pass(self):
        """Return an iterator over a new pass; raise ValueError if there is none."""
        if self.is_single_pass and self.n_passes:
            raise ValueError(
                "batches can be read only once, and this fit has to read them again. Give a list, "
                "an object whose __iter__ returns a new iterator, or a function that does."
            )
        self.n_passes += 1
        return iter(self.batches() if callable(self.batches) else self.batches)

    def __iter__(self):
        restarted, self._restarted_pass = self._restarted_pass, None
        return self.start_pass() if restarted is None else restarted

    def iterate(self, order, n_skipped):
        """Yield the numbers and batches of a pass, without the first `n_skipped`.

        Parameters
        ----------
        order : list of int or None
            Batch numbers in the order of reading, for an indexable source; None reads the batches
            as they come.
        n_skipped : int
            Number of batches already processed in an interrupted pass.
        """
        if order is not None:
            yield from ((number, self.batches[number]) for number in order[n_skipped:])
            return
        for number, batch in enumerate(self):
            if number >= n_skipped:
                yield number, batch


@dataclass
class PartialSum:
    """Sum over the chunks read so far in the first pass; can be pickled to resume the pass.

    Parameters
    ----------
    key : str
        Name and arguments of the summed function.
    value : object
        The sum; None before the first chunk with positive weight.
    chunk_lengths : list of int
        Number of rows with positive weight in each chunk read so far.
    total_weight : float
        Total weight of these rows.
    """

    key: str = ""
    value: object = None
    chunk_lengths: list = field(default_factory=list)
    total_weight: float = 0.0

    def add(self, result, chunk):
        """Add the result for a chunk, or count a chunk without weight; both are None then."""
        if result is not None:
            self.value = result if self.value is None else self.value + result
        self.chunk_lengths.append(0 if chunk is None else len(chunk))
        self.total_weight += 0.0 if chunk is None else chunk.total_weight


class IterableData(ChunkedData):
    """Chunks from a :class:`BatchSource`.

    Parameters
    ----------
    source : BatchSource
        The batches.
    to_chunk : callable
        Converts a batch to :class:`InMemoryData`, or to None if no row has a positive
        weight.
    partial_sum : PartialSum or None
        State of an interrupted first pass.
    on_partial_sum : callable or None
        Called with the :class:`PartialSum` after every chunk of the first pass.
    """

    def __init__(self, source, to_chunk, partial_sum=None, on_partial_sum=None):
        first = source.read_first(lambda number, batch: call_for_chunk(to_chunk, number, batch))
        super().__init__(first.n_features, first.output_shape, first.dtype, first.sparse)
        self.source, self.to_chunk = source, to_chunk
        self.partial_sum, self.on_partial_sum = partial_sum or PartialSum(), on_partial_sum
        self.sample_chunks, self.loss = [], None

    def check_targets(self, loss):
        """Check targets for the loss whenever a chunk is read."""
        self.loss = loss

    def read_chunks(self):
        """Yield the numbers and the checked chunks of a pass; a chunk without weight is None."""
        number = -1
        for number, batch in enumerate(self.source):
            chunk = call_for_chunk(self.to_chunk, number, batch)
            if chunk is not None and self.loss is not None:
                call_for_chunk(self.loss.check_targets, number, chunk.y)
            yield number, chunk
        if self.chunk_lengths is not None and number + 1 != len(self.chunk_lengths):
            raise ValueError(
                f"The first pass over batches gave {len(self.chunk_lengths)} of them, and a later "
                f"one {number + 1}. Give an object whose __iter__ returns a new iterator over the "
                "same batches."
            )

    def map_reduce(self, function, *args):
        """Return the sum over the chunks; the first pass also counts rows and takes the sample."""
        is_first_pass = self.chunk_lengths is None
        key = f"{function.__qualname__}{args}"
        total = PartialSum(key)
        if is_first_pass and self.partial_sum.key == key:
            total = self.partial_sum
        n_summed = len(total.chunk_lengths)
        for number, chunk in self.read_chunks():
            if is_first_pass and chunk is not None:
                self._add_to_sample(chunk)
            if number >= n_summed:
                result = None if chunk is None else call_for_chunk(function, number, chunk, *args)
                total.add(result, chunk)
                if is_first_pass and self.on_partial_sum is not None:
                    self.on_partial_sum(total)
        self.chunk_lengths, self.total_weight = total.chunk_lengths, total.total_weight
        return total.value

    def _add_to_sample(self, chunk):
        """Add the first rows of a chunk to the sample, unless it is full."""
        if SAMPLE_ROWS_PER_CHUNK * len(self.sample_chunks) < SAMPLE_ROWS:
            self.sample_chunks.append(chunk.slice_rows(slice(0, SAMPLE_ROWS_PER_CHUNK)))

    def count_rows(self):
        """Set `chunk_lengths` and `total_weight`, if they are unknown, in a pass of its own."""
        if self.chunk_lengths is None:
            self.map_reduce(return_zero)

    def read_sample(self):
        """Return the first rows of the first chunks."""
        self.count_rows()
        return concatenate_chunks(self.sample_chunks)

    def fold(self, function, state, steps):
        """Raise NotImplementedError: ``fit_batches`` updates by calls of ``partial_fit``."""
        raise NotImplementedError

    def subset(self, numbers):
        """Raise ValueError: every pass reads all chunks."""
        raise ValueError(
            "early_stopping cannot hold out chunks of an iterable. Set early_stopping=False, and "
            "score the model yourself."
        )


def return_zero(chunk):
    """Return 0 for any chunk: the function of a pass that only counts rows."""
    return 0
