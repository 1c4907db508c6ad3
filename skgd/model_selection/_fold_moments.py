"""Second moments of training and test rows of all folds, from one pass over the rows."""

from itertools import accumulate, compress
from threading import Lock

import numpy as np

from skgd.data.map_reduce import add_results
from skgd.model_selection._rows import sum_second_moments

#: Smallest mean number of rows of a part: merging the moments of smaller ones saves nothing.
MIN_PART_ROWS = 8


class FoldMoments:
    """Second moments of the training and the test rows of the folds.

    The rows are divided into parts: the rows of a part are training rows of the same folds. The
    moments of a fold are the sum of those of its parts; none is subtracted, which would cancel
    digits. So are those of its test rows, if they consist of parts.

    Parameters
    ----------
    trains : sequence of arrays
        Numbers of the training rows of each fold.
    tests : sequence of arrays, default=()
        Numbers of its test rows.
    """

    def __init__(self, trains, tests=()):
        self.trains, self.tests, self.moments, self.lock = trains, tests, None, Lock()
        self.unweighted = {}

    def of_fold(self, train, data, sample_weight, weights):
        """Return the moments of the training rows of a fold, or None if they are not merged.

        Parameters
        ----------
        train : array
            The training rows, one of `trains`.
        data : InMemoryData
            All rows.
        sample_weight : array-like or None
            Weights of all rows.
        weights : array or None
            Positive weights of the training rows.
        """
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight, dtype=data.dtype)
            if sample_weight.shape != data.y.shape[:1]:
                return None
            expected = sample_weight[train]
            if not np.array_equal(weights, expected[expected > 0]):
                return None
        elif weights is not None:
            return None
        with self.lock:
            if self.moments is None:
                self.moments = self.compute(data, sample_weight)
                if sample_weight is None:
                    all_rows = [*self.trains, *self.tests]
                    self.unweighted = dict(zip(map(id, all_rows), self.moments, strict=True))
        number = next(i for i, rows in enumerate(self.trains) if rows is train)
        return self.moments[number]

    def of_rows(self, rows):
        """Return the unweighted moments of the training or test rows of a fold, if they are known.

        Parameters
        ----------
        rows : array
            One of `trains` or `tests`.
        """
        return self.unweighted.get(id(rows))

    def compute(self, data, sample_weight):
        """Return the moments of the training rows of each fold, and then of the test rows.

        They are None where they are no sums of those of parts, or if there are too many parts.
        """

        def from_part(rows):
            weights = None
            if sample_weight is not None:
                rows = rows[sample_weight[rows] > 0]
                weights = sample_weight[rows]
            return sum_second_moments(data.X, data.y[rows], weights, rows) if len(rows) else None

        return self.merge(len(data), from_part, MIN_PART_ROWS)

    def merge(self, n_rows, from_part, min_part_rows=1):
        """Return the moments of the training rows of each fold, and then of the test rows.

        Parameters
        ----------
        n_rows : int
            Number of rows.
        from_part : callable
            Returns the moments of an array of row numbers, or None.
        min_part_rows : int, default=1
            Smallest mean number of rows of a part.

        Returns
        -------
        list of SecondMoments or None
            None where they are no sums of those of parts, or if there are too many parts.
        """
        parts, is_member = self.divide(n_rows, min_part_rows)
        if parts is None:
            return [None] * (len(self.trains) + len(self.tests))
        moments = [from_part(rows) for rows in parts]
        sums = sum_subsets(moments, is_member)
        for test in self.tests:
            is_in = np.zeros(n_rows, dtype=bool)
            is_in[test] = True
            used = np.array([is_in[part[0]] for part in parts])
            n_used = sum(map(len, compress(parts, used)))
            is_sum = n_used == len(test) and all(
                is_in[part].all() for part in compress(parts, used)
            )
            sums += sum_subsets(moments, [used]) if is_sum else [None]
        return sums

    def divide(self, n_rows, min_part_rows):
        """Return the rows of each part, and which of them are in each fold.

        Returns
        -------
        parts : list of arrays, or None
            None if there are too many parts, or a fold has a row more than once.
        is_member : array of shape (n_folds, n_parts)
        """
        part_of_row, is_training = np.zeros(n_rows, dtype=int), []
        for train in self.trains:
            is_in = np.zeros(n_rows, dtype=int)
            is_in[train] = 1
            sizes = np.bincount(2 * part_of_row + is_in)
            number_of_part = np.cumsum(sizes > 0) - 1
            part_of_row = number_of_part[2 * part_of_row + is_in]
            has_duplicates = np.count_nonzero(is_in) < len(train)
            if has_duplicates or n_rows < min_part_rows * (part_of_row.max() + 1):
                return None, None
            is_training.append(is_in > 0)
        order = np.argsort(part_of_row, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(part_of_row[order])) + 1)
        return parts, np.array([[is_in[part[0]] for part in parts] for is_in in is_training])


def sum_subsets(terms, is_member):
    """Return the sum of each subset of the terms; terms that are None count as nothing.

    Subsets that lack only consecutive terms are sums of a prefix and a suffix of all terms.

    Parameters
    ----------
    terms : list
        Objects that can be added, or None.
    is_member : boolean array of shape (n_subsets, n_terms)
        Which terms are in each subset.
    """
    before = [None, *accumulate(terms, add_two)]
    after = [None, *accumulate(reversed(terms), lambda total, term: add_two(term, total))][::-1]
    sums = []
    for members in is_member:
        missing = np.flatnonzero(~members)
        first, stop = (missing[0], missing[-1] + 1) if len(missing) else (len(terms),) * 2
        if len(missing) == stop - first:
            sums.append(add_two(before[first], after[stop]))
        else:
            sums.append(add_results(t for t, used in zip(terms, members, strict=True) if used))
    return sums


def add_two(left, right):
    """Return the sum of two terms, of which each may be None."""
    if left is None or right is None:
        return right if left is None else left
    return left + right
