r"""The objective of a linear model, in inner parameters: value, gradient and curvature.

.. math:: F(\theta) = \frac1n \sum_i s_i\, \ell(\tilde x_i^\top \theta, y_i)
          + \sum_j l_{1j} |\theta_j| + \tfrac12 l_{2j} \theta_j^2

With several outputs F is the sum over them. Only the first sum and the l2 term are smooth; what is
called the gradient here is theirs.
"""

from dataclasses import dataclass, replace

import numpy as np

from skgd import penalties
from skgd.data.design import Design
from skgd.losses import Loss
from skgd.objectives.incremental_hessian import IncrementalHessian
from skgd.objectives.line_restriction import LineRestriction
from skgd.objectives.point import Point

#: Rows of a sample at least.
LEAST_SAMPLE = 1000


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

    is_chunked = (
        False  # whether its rows are in blocks; see skgd.objectives.chunked.ChunkedObjective
    )

    @property
    def quadratic(self):
        """Whether the smooth part is quadratic, so that line searches are exact."""
        return self.loss.quadratic

    @property
    def sample(self):
        """The objective on rows that stand for all: on all of them, as they are in memory."""
        return self

    def with_loss(self, loss):
        """Return the same under another loss."""
        return replace(self, loss=loss)

    def updates(self, batch_size):
        """Return the updates in an epoch."""
        return -(-self.design.n_rows // batch_size)

    def select_rows(self, index):
        """Return the objective on some of the rows alone, with their factors as they are."""
        weights = None if self.weights is None else self.weights[index]
        design = replace(self.design, X=self.design.X[index])
        return replace(self, design=design, y=self.y[index], weights=weights)

    def subsample(self, factor):
        """Return the objective on a sample, or None where so many rows a parameter are not few."""
        n_rows = self.design.n_rows
        size = max(factor * len(self.l2), LEAST_SAMPLE)
        if n_rows < 8 * size:
            return None
        rows = np.random.default_rng(0).choice(n_rows, size, replace=False)
        return self.select_rows(np.sort(rows))

    def split_outputs(self):
        """Return the objectives of the single outputs."""
        if self.y.ndim == 1:
            return [self]
        return [replace(self, y=np.ascontiguousarray(y)) for y in self.y.T]

    def pointwise_hessian(self, predictions):
        """Return the weighted curvature of the loss at each prediction, or a bound on it."""
        curvatures = self.loss.gradient_lipschitz
        if self.loss.has_hessian():
            curvatures = self.loss.hessian(predictions, self.y)
        if self.weights is not None:
            curvatures = (self.weights * np.transpose(curvatures)).T
        return np.broadcast_to(curvatures, predictions.shape).astype(self.y.dtype, copy=False)

    def weighted(self, rows):
        """Return `rows`, of shape (n,) or (n, k), times the factors of the rows over n."""
        factors = 1.0 if self.weights is None else self.weights
        return (rows.T * (factors / self.design.n_rows)).T.astype(self.y.dtype, copy=False)

    def intercept_only(self):
        """Return the parameters of the best constant model."""
        constant = np.zeros((*self.y.shape[1:], len(self.l2)), dtype=self.y.dtype)
        if self.design.fit_intercept:
            constant[..., -1] = self.loss.intercept_only(self.y, self.weights)
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
        broken |= np.isnan(self.loss.gradient(predictions, self.y))
        if broken.any() and np.isfinite(predictions).all():
            at = tuple(np.argwhere(broken)[0])
            raise ValueError(
                f"{self.loss!r} is not a number in row {at[0]} of the rows trained on: prediction "
                f"{float(predictions[at])!r}, target {float(self.y[at])!r}. Its value and slope "
                "must be defined for every prediction."
            )

    def evaluate(self, theta, predictions=None, value=None):
        """Return the :class:`Point` at `theta`, whose predictions and value may be known."""
        if predictions is None:
            predictions = self.design.predict(theta)
        slopes = self.weighted(self.loss.gradient(predictions, self.y))
        gradient = self.design.gradient(slopes) + self.l2 * theta
        value = self.value_of(predictions, theta) if value is None else value
        return Point(theta, value, gradient, predictions)

    def min_subgradient_norm(self, point):
        """Return the norm of the smallest subgradient at `point`: zero at the minimum."""
        return penalties.min_subgradient_norm(point.theta, point.gradient, self.l1)

    def directional_curvature(self, direction):
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

    def restrict_to_line(self, point, step):
        """Return the :class:`LineRestriction` from `point` along `step`."""
        return LineRestriction(self, self.with_predictions(point), step, self.design.predict(step))

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
        factors = self.weighted(self.loss.hessian(predictions, self.y))
        columns = factors.reshape(len(factors), -1).T
        if known is None:
            found = [IncrementalHessian.of(self.design, column) for column in columns]
        else:
            found = [
                bent.update(self.design, column)
                for bent, column in zip(known, columns, strict=True)
            ]
        hessians = np.stack([bent.squares for bent in found])
        return hessians.reshape(*self.y.shape[1:], *hessians.shape[1:]), found
