"""The objective on blocked data: the counterpart of :class:`skgd.objectives.Objective`."""

from dataclasses import dataclass, replace
from functools import cached_property
from operator import add

import numpy as np

from skgd import penalties
from skgd.data.design import Design
from skgd.objectives.empirical_risk import Objective, Point
from skgd.objectives.spec import ObjectiveSpec


@dataclass(frozen=True)
class Totals:
    """Numbers and arrays that are summed over blocks."""

    parts: tuple

    def __add__(self, other):
        return Totals(tuple(map(add, self.parts, other.parts)))


@dataclass(frozen=True)
class ChunkedDesign:
    """What is asked of the rows of a blocked objective besides sums over them.

    Parameters
    ----------
    n_rows : int
        Rows with weight.
    scaling : FeatureScaling
        Centre and scale.
    fit_intercept : bool
        Whether there is an intercept.
    sparse : bool
        Whether the blocks are sparse.
    """

    n_rows: int
    scaling: object
    fit_intercept: bool
    sparse: bool


@dataclass(frozen=True)
class ChunkedObjective:
    """Blocked data, loss and penalty together.

    Every method that looks at rows is one pass over the blocks.

    Parameters
    ----------
    blocks : Blocks
        The data; its rows have been counted.
    frame : Frame
        Everything else.
    mean_weight : float or None
        What the weights are divided by; None means that they stand as they are.
    """

    blocks: object
    frame: ObjectiveSpec
    mean_weight: float | None = None

    is_chunked = True

    def __post_init__(self):
        blocks, frame = self.blocks, self.frame
        design = ChunkedDesign(len(blocks), frame.scaling, frame.fit_intercept, blocks.sparse)
        object.__setattr__(self, "design", design)

    @property
    def loss(self):
        """The pointwise loss."""
        return self.frame.loss

    @property
    def l1(self):
        """Strengths of the l1 norm."""
        return self.frame.l1

    @property
    def l2(self):
        """Strengths of half the squared l2 norm."""
        return self.frame.l2

    @property
    def quadratic(self):
        """Whether the smooth part is quadratic."""
        return self.loss.quadratic

    @property
    def part(self):
        """How a block makes its part of the sum: frame, mean weight, and rows of all blocks."""
        return self.frame.bare, self.mean_weight, self.design.n_rows

    def with_loss(self, loss):
        """Return the same under another loss."""
        return replace(self, frame=replace(self.frame, loss=loss))

    @cached_property
    def sample(self):
        """The objective on some rows that stand for all."""
        return build(self.blocks.sample(), self.frame, self.mean_weight)

    def intercept_only(self):
        """Return the parameters of the best constant model."""
        constant = np.zeros((*self.blocks.outputs, len(self.l2)), dtype=self.blocks.dtype)
        if self.design.fit_intercept:
            constant[..., -1] = self.blocks.intercept_only(self.loss)
        return constant

    def penalty(self, theta):
        """Return the penalty of `theta`."""
        return penalties.value(theta, self.l1, self.l2)

    def l1_value(self, theta):
        """Return the part of the penalty that is not smooth."""
        return penalties.value(theta, self.l1, 0.0)

    def value(self, theta):
        """Return the objective at `theta`."""
        return float(self.blocks.map_reduce(block_value, self.part, theta)) + self.penalty(theta)

    def evaluate(self, theta):
        """Return the :class:`~skgd.objectives.Point` at `theta`."""
        value, gradient = self.blocks.map_reduce(block_point, self.part, theta).parts
        gradient = (gradient + self.l2 * theta).astype(theta.dtype)
        return Point(theta, float(value) + self.penalty(theta), gradient)

    def min_subgradient_norm(self, point):
        """Return the norm of the smallest subgradient at `point`: zero at the minimum."""
        return penalties.min_subgradient_norm(point.theta, point.gradient, self.l1)

    def directional_curvature(self, direction):
        """Return the second derivative of a squared error along `direction`, of each output."""
        along = self.blocks.map_reduce(block_curvature, self.part, direction)
        return (along + np.sum(self.l2 * direction**2, axis=-1))[..., None]

    def hessian_product(self, vector, bound):
        """Return the Hessian times `vector`, for losses of curvature `bound`."""
        product = self.blocks.map_reduce(block_hessian_product, self.part, vector, bound)
        return product.astype(vector.dtype) + self.l2 * vector

    def order(self, rng):
        """Return the blocks in a random order, each with a seed for the order of its rows."""
        number = len(self.blocks.lengths)
        seeds = rng.integers(np.iinfo(np.int64).max, size=number)
        return list(zip(rng.permutation(number).tolist(), seeds.tolist(), strict=True))

    def updates_of(self, block, batch_size):
        """Return the updates on a block: no batch reaches into the next one."""
        return -(-self.blocks.lengths[block] // batch_size)

    def updates(self, batch_size):
        """Return the updates in an epoch."""
        return sum(self.updates_of(i, batch_size) for i in range(len(self.blocks.lengths)))

    def subsample(self, factor):
        """Return None: single rows are not at hand."""

    def restrict_to_line(self, point, step):
        """Return the :class:`ChunkedLineRestriction` from `point` along `step`."""
        return ChunkedLineRestriction(self, point, step)

    def hessians(self, point, known=None):
        """Return the Hessian of the loss at `point`, of each output; nothing of it is kept."""
        return self.blocks.map_reduce(block_hessians, self.part, point.theta), None

    def check_defined(self, theta):
        """Refuse a loss that is not a number at `theta`."""
        self.blocks.map_reduce(block_check, self.part, theta)


@dataclass(frozen=True)
class ChunkedLineRestriction:
    """An objective along a step.

    Parameters
    ----------
    objective : ChunkedObjective
        What is looked at.
    point : Point
        Where the step starts.
    step : array
        A difference of parameters.
    """

    objective: ChunkedObjective
    point: Point
    step: object

    def value(self, share):
        """Return the objective after a share of the step."""
        return self.objective.value(self.point.theta + share * self.step)

    def evaluate(self, share):
        """Return the :class:`~skgd.objectives.Point` after a share of the step."""
        return self.objective.evaluate(self.point.theta + share * self.step)


def on_block(block, part):
    """Return the objective on a block, and the share of its rows."""
    frame, mean_weight, n_rows = part
    return build(block, frame, mean_weight), len(block) / n_rows


def block_value(block, part, theta):
    """Return a block's part of the objective."""
    objective, share = on_block(block, part)
    return share * objective.value(theta)


def block_point(block, part, theta):
    """Return a block's part of the objective and of its gradient, at float64."""
    objective, share = on_block(block, part)
    point = objective.evaluate(theta)
    return Totals((share * point.value, share * point.gradient.astype(float)))


def block_curvature(block, part, direction):
    """Return a block's part of the second derivative along a direction."""
    objective, share = on_block(block, part)
    return share * objective.directional_curvature(direction)[..., 0].astype(float)


def block_hessian_product(block, part, vector, bound):
    """Return a block's part of the Hessian times a vector."""
    objective, share = on_block(block, part)
    return share * objective.hessian_product(vector, bound).astype(float)


def block_hessians(block, part, theta):
    """Return a block's part of the Hessians, of shape (k, d + 1, d + 1) or (d + 1, d + 1)."""
    objective, share = on_block(block, part)
    return share * objective.hessians(objective.evaluate(theta))[0]


def block_check(block, part, theta):
    """Refuse a loss that is not a number on a block."""
    on_block(block, part)[0].check_defined(theta)
    return 0


def build(dataset, spec, mean_weight=None):
    """Return the objective of a specification on data in memory or in blocks.

    Parameters
    ----------
    dataset : Data or Blocks
        The rows.
    spec : Frame
        All that an objective is besides data.
    mean_weight : float or None, default=None
        What the weights are divided by; None leaves them as they are.

    Returns
    -------
    Objective or ChunkedObjective
    """
    if dataset.is_chunked:
        return ChunkedObjective(dataset, spec, mean_weight)
    weights = dataset.weights
    if weights is not None and mean_weight is not None:
        weights = weights / mean_weight
    design = Design(dataset.X, spec.scaling, spec.fit_intercept)
    return Objective(design, dataset.y, weights, spec.loss, spec.l1, spec.l2)
