r"""The objective of a linear model, in inner parameters: value, gradient and curvature.

.. math:: F(\theta) = \frac1n \sum_i s_i\, \ell(\tilde x_i^\top \theta, y_i)
          + \sum_j l_{1j} |\theta_j| + \tfrac12 l_{2j} \theta_j^2

With several outputs F is the sum over them. Only the first sum and the l2 term are smooth; what is
called the gradient here is theirs.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from skgd import penalties
from skgd.designs import Design
from skgd.losses import Loss

#: Change of a row's factor that changes sums, relative to it or to the mean factor.
NOTICEABLE = 0.02

#: Rows of a sample at least.
LEAST_SAMPLE = 1000


class Point(NamedTuple):
    """A point with all that is known there.

    Parameters
    ----------
    theta : array
        The inner parameters.
    value : float
        The objective.
    gradient : array
        Gradient of its smooth part.
    predictions : array or None
        Predictions of all rows, where they are at hand.
    """

    theta: np.ndarray
    value: float
    gradient: np.ndarray
    predictions: np.ndarray | None = None


@dataclass(frozen=True)
class Objective:
    """Data, loss and penalty together.

    Parameters
    ----------
    design : Design
        The rows.
    y : array of shape (n,) or (n, k)
        Targets, of the design's dtype.
    weights : array of shape (n,) or None
        Factors :math:`s_i` of the rows; None means 1.
    loss : Loss
        The pointwise loss.
    l1, l2 : arrays of shape (d + 1,)
        Strengths for each inner parameter, zero for the intercept.
    """

    design: Design
    y: np.ndarray
    weights: np.ndarray | None
    loss: Loss
    l1: np.ndarray
    l2: np.ndarray

    blocked = False  # whether its rows are in blocks; see skgd.blocks.BlockedObjective

    @property
    def quadratic(self):
        """Whether the smooth part is quadratic, so that line searches are exact."""
        return self.loss.quadratic

    @property
    def sample(self):
        """The objective on rows that stand for all: on all of them, as they are in memory."""
        return self

    def under(self, loss):
        """Return the same under another loss."""
        return replace(self, loss=loss)

    def updates(self, batch_size):
        """Return the updates in an epoch."""
        return -(-self.design.n_rows // batch_size)

    def rows(self, index):
        """Return the objective on some of the rows alone, with their factors as they are."""
        weights = None if self.weights is None else self.weights[index]
        design = replace(self.design, X=self.design.X[index])
        return replace(self, design=design, y=self.y[index], weights=weights)

    def few(self, factor):
        """Return the objective on a sample, or None where so many rows a parameter are not few."""
        n_rows = self.design.n_rows
        size = max(factor * len(self.l2), LEAST_SAMPLE)
        if n_rows < 8 * size:
            return None
        rows = np.random.default_rng(0).choice(n_rows, size, replace=False)
        return self.rows(np.sort(rows))

    def outputs(self):
        """Return the objectives of the single outputs."""
        if self.y.ndim == 1:
            return [self]
        return [replace(self, y=np.ascontiguousarray(y)) for y in self.y.T]

    def curvatures(self, predictions):
        """Return the weighted curvature of the loss at each prediction, or a bound on it."""
        curvatures = self.loss.curvature
        if self.loss.has_weight():
            curvatures = self.loss.weight(predictions, self.y)
        if self.weights is not None:
            curvatures = (self.weights * np.transpose(curvatures)).T
        return np.broadcast_to(curvatures, predictions.shape).astype(self.y.dtype, copy=False)

    def weighted(self, rows):
        """Return `rows`, of shape (n,) or (n, k), times the factors of the rows over n."""
        factors = 1.0 if self.weights is None else self.weights
        return (rows.T * (factors / self.design.n_rows)).T.astype(self.y.dtype, copy=False)

    def constant(self):
        """Return the parameters of the best constant model."""
        constant = np.zeros((*self.y.shape[1:], len(self.l2)), dtype=self.y.dtype)
        if self.design.fit_intercept:
            constant[..., -1] = self.loss.constant(self.y, self.weights)
        return constant

    def penalty(self, theta):
        """Return the penalty of `theta`."""
        return penalties.value(theta, self.l1, self.l2)

    def l1_value(self, theta):
        """Return the part of the penalty that is not smooth."""
        return penalties.value(theta, self.l1, 0.0)

    def value(self, theta):
        """Return the objective at `theta`."""
        return self.value_of(self.design.predict(theta), theta)

    def value_of(self, predictions, theta):
        """Return the objective at `theta`, whose predictions are known."""
        losses = self.loss.value(predictions, self.y)
        return float(np.sum(self.weighted(losses), dtype=float)) + self.penalty(theta)

    def check_defined(self, theta):
        """Refuse a loss that is not a number at `theta`, naming the row; see user's own losses."""
        predictions = self.design.predict(theta)
        broken = np.isnan(self.loss.value(predictions, self.y))
        broken |= np.isnan(self.loss.slope(predictions, self.y))
        if broken.any() and np.isfinite(predictions).all():
            at = tuple(np.argwhere(broken)[0])
            raise ValueError(
                f"{self.loss!r} is not a number in row {at[0]} of the rows trained on: prediction "
                f"{float(predictions[at])!r}, target {float(self.y[at])!r}. Its value and slope "
                "must be defined for every prediction."
            )

    def at(self, theta, predictions=None):
        """Return the :class:`Point` at `theta`, whose predictions may be at hand."""
        if predictions is None:
            predictions = self.design.predict(theta)
        slopes = self.weighted(self.loss.slope(predictions, self.y))
        gradient = self.design.gradient(slopes) + self.l2 * theta
        return Point(theta, self.value_of(predictions, theta), gradient, predictions)

    def distance(self, point):
        """Return the norm of the smallest subgradient at `point`: zero at the minimum."""
        return penalties.distance(point.theta, point.gradient, self.l1)

    def curvature(self, direction):
        """Return the second derivative of a squared error along `direction`, of each output."""
        along = self.weighted(self.design.predict(direction) ** 2).sum(axis=0)
        return (along + np.sum(self.l2 * direction**2, axis=-1))[..., None]

    def hessian_product(self, vector, bound):
        """Return the Hessian times `vector`, for one output and losses of curvature `bound`."""
        along = self.design.predict(vector)
        if self.weights is not None:
            along = along * self.weights
        along = (along / self.design.n_rows).astype(self.y.dtype, copy=False)
        return bound * self.design.gradient(along) + self.l2 * vector

    def along(self, point, step):
        """Return the :class:`Ray` from `point` along `step`."""
        return Ray(self, self.with_predictions(point), step, self.design.predict(step))

    def with_predictions(self, point):
        """Return a point, which an expansion may have made, with its predictions."""
        if point.predictions is not None:
            return point
        return point._replace(predictions=self.design.predict(point.theta))

    def hessians(self, point, known=None):
        """Return the Hessian of the loss at `point`, of shape (d + 1, d + 1), of each output.

        Parameters
        ----------
        point : Point
            Where.
        known : list of Bent, default=None
            What an earlier call returned; rows that bend as they did then are not looked at.

        Returns
        -------
        array of shape (d + 1, d + 1) or (k, d + 1, d + 1)
        list of Bent
        """
        predictions = self.with_predictions(point).predictions
        factors = self.weighted(self.loss.weight(predictions, self.y))
        columns = factors.reshape(len(factors), -1).T
        if known is None:
            found = [Bent.of(self.design, column) for column in columns]
        else:
            found = [
                bent.moved(self.design, column) for bent, column in zip(known, columns, strict=True)
            ]
        hessians = np.stack([bent.squares for bent in found])
        return hessians.reshape(*self.y.shape[1:], *hessians.shape[1:]), found


@dataclass(frozen=True)
class Ray:
    """An objective along a step: one product with the rows serves all lengths of it.

    Parameters
    ----------
    objective : Objective
        What is looked at.
    point : Point
        Where the step starts, with its predictions.
    step : array
        A difference of parameters.
    ahead : array
        What it changes in the predictions.
    """

    objective: Objective
    point: Point
    step: np.ndarray
    ahead: np.ndarray

    def there(self, share):
        """Return parameters and predictions after a share of the step."""
        share = self.step.dtype.type(share)
        return self.point.theta + share * self.step, self.point.predictions + share * self.ahead

    def value(self, share):
        """Return the objective after a share of the step."""
        theta, predictions = self.there(share)
        return self.objective.value_of(predictions, theta)

    def at(self, share):
        """Return the :class:`Point` after a share of the step."""
        return self.objective.at(*self.there(share))


@dataclass(frozen=True)
class Bent:
    """A sum of the outer squares of rows, with the factors that they had in it.

    Parameters
    ----------
    factors : array of shape (n,)
        Not negative.
    squares : array of shape (d + 1, d + 1)
        The sum.
    """

    factors: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, design, factors):
        """Return the sum over all rows."""
        return cls(factors, design.outer_squares(factors))

    def moved(self, design, factors):
        """Return the sum for other factors, in which those that have hardly changed are the old.

        Where losses bend little or much and nothing in between, few rows change near the minimum.
        """
        change = factors - self.factors
        unit = np.maximum(np.maximum(factors, self.factors), factors.mean())
        noticed = np.abs(change) > NOTICEABLE * unit
        much = noticed.mean() > 0.25 or factors.sum() < 0.1 * self.factors.sum()
        if much:
            return Bent.of(design, factors)
        squares = self.squares.copy()
        for sign in (1, -1):
            rows = np.flatnonzero(noticed & (sign * change > 0))
            if len(rows):
                some = replace(design, X=design.X[rows])
                squares += sign * some.outer_squares(np.abs(change[rows]))
        return Bent(np.where(noticed, factors, self.factors), squares)


@dataclass(frozen=True)
class Expansion:
    r"""A quadratic model of an objective around a point, which costs no pass over the rows.

    .. math::
        F(\theta_0 + \delta) = F(\theta_0) + g^\top \delta + \tfrac12 \delta^\top H \delta

    (and the l1 term as it is). For squared error it is the objective itself. The digits that
    squaring the data cost come back by expanding anew, around the point that was reached, with the
    gradient from the rows.

    Parameters
    ----------
    objective : Objective
        What is modelled.
    base : Point
        The point expanded around.
    hess : array of shape (d + 1, d + 1)
        Second derivatives of the smooth part, the same for every output.
    accurate : bool, default=False
        Whether no digits are to be brought back.
    """

    objective: Objective
    base: Point
    hess: np.ndarray
    accurate: bool = False

    quadratic = True

    @classmethod
    def of_gram(cls, objective, gram):
        """Return a squared error as its expansion around the best constant model."""
        design = objective.design
        theta = np.zeros((*gram.y_mean.shape, len(objective.l2)), objective.l2.dtype)
        theta[..., -1] = gram.y_mean * design.fit_intercept
        intercept = theta[..., -1].astype(float)
        gradient = gram.gradient(design.coordinates, intercept, design.fit_intercept)
        hess = gram.hessian(design.coordinates, design.fit_intercept) + np.diag(objective.l2)
        base = Point(theta, gram.value(intercept), gradient.astype(theta.dtype))
        return cls(objective, base, hess.astype(theta.dtype), gram.accurate(theta.dtype))

    @property
    def l1(self):
        """Strengths of the l1 norm."""
        return self.objective.l1

    @property
    def l2(self):
        """Strengths of half the squared l2 norm."""
        return self.objective.l2

    def l1_value(self, theta):
        """Return the part of the penalty that is not smooth."""
        return self.objective.l1_value(theta)

    def value(self, theta):
        """Return the objective at `theta`."""
        return self.at(theta).value

    def at(self, theta):
        """Return the :class:`Point` at `theta`."""
        moved = theta - self.base.theta
        bent = moved @ self.hess
        rise = np.sum((self.base.gradient + 0.5 * bent) * moved, dtype=float)
        value = (
            self.base.value + float(rise) + self.l1_value(theta) - self.l1_value(self.base.theta)
        )
        return Point(theta, value, self.base.gradient + bent)

    def distance(self, point):
        """Return the norm of the smallest subgradient at `point`: zero at the minimum."""
        return self.objective.distance(point)

    def curvature(self, direction):
        """Return the second derivative along `direction`, of each output."""
        return np.sum(direction * (direction @ self.hess), axis=-1, keepdims=True)

    def hessian_product(self, vector, bound=1.0):
        """Return the Hessian times `vector`."""
        return self.hess @ vector

    def around(self, point):
        """Return the expansion around another point, whose gradient came from the rows."""
        return replace(self, base=point)
