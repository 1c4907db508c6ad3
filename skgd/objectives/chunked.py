"""Regularised empirical risk on chunked data.

The counterpart of :class:`skgd.objectives.Objective`.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from skgd.data.chunked import ChunkedData
from skgd.data.scaling import FeatureScaling
from skgd.objectives.empirical_risk import Objective
from skgd.objectives.penalized import Penalized
from skgd.objectives.point import Point
from skgd.objectives.spec import ObjectiveSpec


class ChunkedDesign(NamedTuple):
    """Properties of the design matrix of chunked data that need no access to the rows.

    Parameters
    ----------
    n_rows : int
        Number of rows with positive weight.
    scaling : FeatureScaling
        Centre and scale of the features.
    fit_intercept : bool
        Whether there is an intercept.
    sparse : bool
        Whether X is sparse in every chunk.
    """

    n_rows: int
    scaling: FeatureScaling
    fit_intercept: bool
    sparse: bool

    @property
    def relative_rounding(self):
        """Unit of rounding: there is no root of the Hessian to which it matters."""
        return np.finfo(float).eps


@dataclass(frozen=True)
class ChunkedObjective(Penalized):
    """Regularised empirical risk on chunked data.

    Every method that needs the rows makes one pass over the chunks.

    Parameters
    ----------
    data : ChunkedData
        The rows, which must have been counted.
    spec : ObjectiveSpec
        Scaling, loss and penalty.
    mean_weight : float or None
        Divisor of the weights; None leaves them unchanged.
    """

    data: ChunkedData
    spec: ObjectiveSpec
    mean_weight: float | None = None

    is_chunked = True
    loss = property(attrgetter("spec.loss"), doc="The pointwise loss.")
    l1 = property(attrgetter("spec.l1"), doc="Strengths of the l1 norm.")
    l2 = property(attrgetter("spec.l2"), doc="Strengths of half the squared l2 norm.")
    lower = property(attrgetter("spec.lower"), doc="Lower bounds.")
    upper = property(attrgetter("spec.upper"), doc="Upper bounds.")
    quadratic = property(attrgetter("loss.quadratic"), doc="Whether the smooth part is quadratic.")

    @cached_property
    def design(self):
        """The :class:`ChunkedDesign`."""
        spec = self.spec
        return ChunkedDesign(len(self.data), spec.scaling, spec.fit_intercept, self.data.sparse)

    @cached_property
    def on_sample(self):
        """The objective on the sample of the data."""
        return Objective.from_data(self.data.sample, self.spec, self.mean_weight)

    def with_loss(self, loss):
        """Return the objective with another loss."""
        return replace(self, spec=replace(self.spec, loss=loss))

    def n_updates(self, batch_size):
        """Return the number of updates per epoch."""
        return sum(self.n_chunk_updates(i, batch_size) for i in range(len(self.data.chunk_lengths)))

    def n_chunk_updates(self, number, batch_size):
        """Return the number of updates on a chunk; no batch has rows of two chunks."""
        return -(-self.data.chunk_lengths[number] // batch_size)

    def shuffle_chunks(self, rng):
        """Return the chunk numbers in a random order, each with a seed to shuffle its rows."""
        n_chunks = len(self.data.chunk_lengths)
        seeds = rng.integers(np.iinfo(np.int64).max, size=n_chunks)
        return list(zip(rng.permutation(n_chunks).tolist(), seeds.tolist(), strict=True))

    def random_subsample(self, rows_per_parameter):
        """Return None: rows of a chunked data set cannot be selected at random."""

    def intercept_only(self):
        """Return the parameters of the best constant model."""
        theta = np.zeros((*self.data.output_shape, len(self.l2)), dtype=self.data.dtype)
        if self.design.fit_intercept:
            theta[..., -1] = self.data.intercept_only(self.loss)
        return theta

    def _map_reduce(self, function, *args):
        """Return ``function(objective, *args)``, a mean over the rows, without the penalty."""
        spec = self.spec.without_penalty
        common = spec, self.mean_weight, self.design.n_rows
        return self.data.map_reduce(chunk_share, *common, function, *args)

    def value(self, theta):
        """Return the value of the objective at `theta`."""
        return float(self._map_reduce(Objective.value, theta)) + self.penalty(theta)

    def evaluate(self, theta):
        """Return the :class:`~skgd.objectives.Point` at `theta`."""
        sums = self._map_reduce(gradient_and_value, theta)
        gradient = (sums[:-1].reshape(theta.shape) + self.l2 * theta).astype(theta.dtype)
        return Point(theta, float(sums[-1]) + self.penalty(theta), gradient)

    def directional_curvature(self, direction):
        """Return the second derivative of a squared error along `direction`.

        The shape is (1,), or (k, 1) for k outputs.
        """
        curvature = self._map_reduce(Objective.directional_curvature, direction)
        return curvature + np.sum(self.l2 * direction**2, axis=-1, keepdims=True)

    def hessian_product(self, vector, bound):
        """Return the Hessian times `vector` for one output and a loss of curvature `bound`."""
        product = self._map_reduce(Objective.hessian_product, vector, bound)
        return product.astype(vector.dtype) + self.l2 * vector

    def hessians(self, point, previous=None):
        """Return the Hessian of the empirical risk at `point`, for each output, and None.

        The arguments and results are those of :meth:`skgd.objectives.Objective.hessians`; there are
        no incremental Hessians.
        """
        return self._map_reduce(hessians_at, point.theta), None

    def hessian_root(self, point, output):
        """Return None: chunks of rows are reduced to sums only."""

    def check_loss_defined(self, theta):
        """Raise ValueError if the value or gradient of the loss is NaN at finite predictions."""
        self._map_reduce(check_loss_defined, theta)


def chunk_share(chunk, spec, mean_weight, n_rows, function, *args):
    """Return the contribution of a chunk to ``function(objective, *args)``, at float64.

    Parameters
    ----------
    chunk : InMemoryData
        Some of the rows.
    spec : ObjectiveSpec
        Scaling and loss, without penalty.
    mean_weight : float or None
        Divisor of the weights; None leaves them unchanged.
    n_rows : int
        Number of rows of all chunks.
    function : callable
        Takes an :class:`~skgd.objectives.Objective` and `args`; returns a mean over its rows.
    *args
        Further arguments of the function.
    """
    objective = Objective.from_data(chunk, spec, mean_weight)
    return len(chunk) / n_rows * np.asarray(function(objective, *args), dtype=float)


def gradient_and_value(objective, theta):
    """Return an array of the entries of the gradient, followed by the value."""
    point = objective.evaluate(theta)
    return np.append(point.gradient.astype(float), point.value)


def hessians_at(objective, theta):
    """Return the Hessians, of shape ([k,] d + 1, d + 1)."""
    return objective.hessians(objective.evaluate(theta))[0]


def check_loss_defined(objective, theta):
    """Raise ValueError if the loss is NaN at finite predictions; return 0."""
    objective.check_loss_defined(theta)
    return 0
