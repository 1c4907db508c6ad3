"""Regularised empirical risk on chunked data.

The counterpart of :class:`skgd.objectives.Objective`.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from operator import add

import numpy as np

from skgd.data import ChunkedData
from skgd.data.scaling import FeatureScaling
from skgd.objectives.empirical_risk import Objective
from skgd.objectives.penalized import Penalized
from skgd.objectives.point import Point
from skgd.objectives.spec import ObjectiveSpec


@dataclass(frozen=True)
class ChunkedDesign:
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

    @cached_property
    def design(self):
        """The :class:`ChunkedDesign`."""
        spec = self.spec
        return ChunkedDesign(len(self.data), spec.scaling, spec.fit_intercept, self.data.sparse)

    @property
    def loss(self):
        """The pointwise loss."""
        return self.spec.loss

    @property
    def l1(self):
        """Strengths of the l1 norm."""
        return self.spec.l1

    @property
    def l2(self):
        """Strengths of half the squared l2 norm."""
        return self.spec.l2

    @property
    def quadratic(self):
        """Whether the smooth part is quadratic."""
        return self.loss.quadratic

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
        """Return the sum over the chunks of ``function(chunk, risk, *args)``."""
        risk = ChunkRisk(self.spec.without_penalty, self.mean_weight, self.design.n_rows)
        return self.data.map_reduce(function, risk, *args)

    def value(self, theta):
        """Return the value of the objective at `theta`."""
        return float(self._map_reduce(chunk_value, theta)) + self.penalty(theta)

    def evaluate(self, theta):
        """Return the :class:`~skgd.objectives.Point` at `theta`."""
        value, gradient = self._map_reduce(chunk_value_and_gradient, theta).terms
        gradient = (gradient + self.l2 * theta).astype(theta.dtype)
        return Point(theta, float(value) + self.penalty(theta), gradient)

    def directional_curvature(self, direction):
        """Return the second derivative of a squared error along `direction`.

        The shape is (1,), or (k, 1) for k outputs.
        """
        curvature = self._map_reduce(chunk_directional_curvature, direction)
        return (curvature + np.sum(self.l2 * direction**2, axis=-1))[..., None]

    def hessian_product(self, vector, bound):
        """Return the Hessian times `vector` for one output and a loss of curvature `bound`."""
        product = self._map_reduce(chunk_hessian_product, vector, bound)
        return product.astype(vector.dtype) + self.l2 * vector

    def restrict_to_line(self, point, step):
        """Return the :class:`ChunkedLineRestriction` from `point` along `step`."""
        return ChunkedLineRestriction(self, point, step)

    def hessians(self, point, previous=None):
        """Return the Hessian of the empirical risk at `point`, for each output, and None.

        The arguments and results are those of :meth:`skgd.objectives.Objective.hessians`; there are
        no incremental Hessians.
        """
        return self._map_reduce(chunk_hessians, point.theta), None

    def check_loss_defined(self, theta):
        """Raise ValueError if the value or gradient of the loss is NaN at finite predictions."""
        self._map_reduce(check_chunk_loss_defined, theta)


@dataclass(frozen=True)
class ChunkedLineRestriction:
    r"""The objective as a function of the step length, :math:`F(\theta + t\, p)`.

    Parameters
    ----------
    objective : ChunkedObjective
        The objective F.
    point : Point
        Start of the step.
    step : array
        The step p, shaped like theta.
    """

    objective: ChunkedObjective
    point: Point
    step: np.ndarray

    def value(self, length):
        """Return the value of the objective at a step length."""
        return self.objective.value(self.point.theta + length * self.step)

    def evaluate(self, length):
        """Return the :class:`~skgd.objectives.Point` at a step length."""
        return self.objective.evaluate(self.point.theta + length * self.step)


@dataclass(frozen=True)
class ElementwiseSum:
    """Several numbers or arrays; adding two of these adds corresponding terms.

    Parameters
    ----------
    terms : tuple
        The numbers or arrays.
    """

    terms: tuple

    def __add__(self, other):
        return ElementwiseSum(tuple(map(add, self.terms, other.terms)))


@dataclass(frozen=True)
class ChunkRisk:
    """What the empirical risk of a chunk depends on, besides its rows; sent to Dask's workers.

    Parameters
    ----------
    spec : ObjectiveSpec
        Scaling and loss, without penalty.
    mean_weight : float or None
        Divisor of the weights; None leaves them unchanged.
    n_rows : int
        Number of rows of all chunks.
    """

    spec: ObjectiveSpec
    mean_weight: float | None
    n_rows: int

    def on(self, chunk):
        """Return the objective on a chunk, and the fraction of all rows that are in the chunk."""
        objective = Objective.from_data(chunk, self.spec, self.mean_weight)
        return objective, len(chunk) / self.n_rows


def chunk_value(chunk, risk, theta):
    """Return the contribution of a chunk to the empirical risk."""
    objective, fraction = risk.on(chunk)
    return fraction * objective.value(theta)


def chunk_value_and_gradient(chunk, risk, theta):
    """Return the contribution of a chunk to the empirical risk and to its gradient, at float64."""
    objective, fraction = risk.on(chunk)
    point = objective.evaluate(theta)
    return ElementwiseSum((fraction * point.value, fraction * point.gradient.astype(float)))


def chunk_directional_curvature(chunk, risk, direction):
    """Return the contribution of a chunk to the second derivative along a direction."""
    objective, fraction = risk.on(chunk)
    return fraction * objective.directional_curvature(direction)[..., 0].astype(float)


def chunk_hessian_product(chunk, risk, vector, bound):
    """Return the contribution of a chunk to the Hessian times a vector."""
    objective, fraction = risk.on(chunk)
    return fraction * objective.hessian_product(vector, bound).astype(float)


def chunk_hessians(chunk, risk, theta):
    """Return the contribution of a chunk to the Hessians, of shape ([k,] d + 1, d + 1)."""
    objective, fraction = risk.on(chunk)
    return fraction * objective.hessians(objective.evaluate(theta))[0]


def check_chunk_loss_defined(chunk, risk, theta):
    """Raise ValueError if the loss of a chunk is NaN at finite predictions; return 0."""
    risk.on(chunk)[0].check_loss_defined(theta)
    return 0
