r"""Regularised empirical risk of a linear model, in scaled parameters.

.. math:: F(\theta) = \frac1n \sum_i s_i\, \ell(\tilde x_i^\top \theta + o_i, y_i)
          + \sum_j l_{1j} |\theta_j| + \tfrac12 l_{2j} \theta_j^2, \qquad
          lower_j \le \theta_j \le upper_j

With several outputs F is the sum over them. The empirical risk and the l2 term form the smooth part
of F; gradients and Hessians are those of the smooth part.
"""

from dataclasses import dataclass, replace
from operator import attrgetter

import numpy as np

from skgd.data.design import Design
from skgd.data.scaling import FeatureScaling
from skgd.losses import Loss, intercept_with_offset
from skgd.objectives.incremental_hessian import IncrementalHessian
from skgd.objectives.line_restriction import LineRestriction
from skgd.objectives.penalized import Penalized
from skgd.objectives.point import Point

#: Minimal number of rows of a random subsample.
MIN_SUBSAMPLE_ROWS = 1000

#: Ratio of all rows to those of a subsample below which a subsample does not save enough.
MIN_SUBSAMPLE_RATIO = 8


@dataclass(frozen=True)
class Objective(Penalized):
    r"""Regularised empirical risk on data in memory.

    Parameters
    ----------
    design : Design
        The rows and their scaling.
    y : array of shape (n,) or (n, k)
        Targets, of the dtype of the design.
    weights : array of shape (n,) or None
        Weights :math:`s_i` of the rows; None means 1.
    loss : Loss
        Pointwise loss :math:`\ell`.
    l1, l2 : arrays of shape (d + 1,)
        Penalty strengths of the scaled parameters, zero for the intercept.
    lower, upper : arrays of shape (d + 1,) or None, default=None
        Bounds of the scaled parameters, infinite for the intercept; None means no bounds.
    offset : array of the shape of y, or None
        Terms :math:`o_i` that are added to the linear predictors; None means zeros.
    """

    design: Design
    y: np.ndarray
    weights: np.ndarray | None
    loss: Loss
    l1: np.ndarray
    l2: np.ndarray
    lower: np.ndarray | None = None
    upper: np.ndarray | None = None
    offset: np.ndarray | None = None

    is_chunked = False
    quadratic = property(attrgetter("loss.quadratic"), doc="Whether the smooth part is quadratic.")

    @classmethod
    def from_data(cls, data, spec, mean_weight=None):
        """Return the objective of an :class:`~skgd.objectives.ObjectiveSpec` on data in memory.

        Weights are divided by `mean_weight`, unless it is None. A quadratic loss depends on the
        difference of prediction and target only: the offset is subtracted from the targets.
        """
        weights = data.weights
        if weights is not None and mean_weight is not None:
            weights = weights / mean_weight
        design = Design(data.X, spec.scaling, spec.fit_intercept)
        penalty = spec.l1, spec.l2, spec.lower, spec.upper
        if spec.loss.quadratic:
            return cls(design, data.shifted_y, weights, spec.loss, *penalty)
        return cls(design, data.y, weights, spec.loss, *penalty, data.offset)

    @property
    def on_sample(self):
        """The objective on rows that represent all rows: `self`, since they are in memory."""
        return self

    def with_loss(self, loss):
        """Return the objective with another loss."""
        return replace(self, loss=loss)

    def n_updates(self, batch_size):
        """Return the number of updates per epoch."""
        return -(-self.design.n_rows // batch_size)

    def select_rows(self, index):
        """Return the objective on the rows at `index` alone; their weights are unchanged."""
        weights = None if self.weights is None else self.weights[index]
        offset = None if self.offset is None else self.offset[index]
        design = replace(self.design, X=self.design.X[index])
        return replace(self, design=design, y=self.y[index], weights=weights, offset=offset)

    def select_parameters(self, index):
        """Return the objective as a function of the parameters at `index`, the others being fixed.

        The intercept has to be among them, at the end. The points at which Hessians are computed
        need the predictions of all parameters.
        """
        columns = index[:-1]
        scaling = FeatureScaling(*(array[columns] for array in vars(self.design.scaling).values()))
        design = replace(self.design, X=self.design.X[:, columns], scaling=scaling)
        names = "l1", "l2", "lower", "upper"
        penalty = {name: getattr(self, name)[index] for name in names}
        return replace(self, design=design, **penalty)

    def random_subsample(self, rows_per_parameter):
        """Return the objective on a random subsample of the rows.

        It has at least 1000 rows. Return None if all rows are less than eight times as many.
        """
        n_rows = self.design.n_rows
        size = max(rows_per_parameter * len(self.l2), MIN_SUBSAMPLE_ROWS)
        if n_rows < MIN_SUBSAMPLE_RATIO * size:
            return None
        rows = np.random.default_rng(0).choice(n_rows, size, replace=False)
        return self.select_rows(np.sort(rows))

    def split_outputs(self):
        """Return a list of the objectives of the single outputs."""
        if self.y.ndim == 1:
            return [self]
        offsets = [None] * self.y.shape[1] if self.offset is None else self.offset.T
        return [
            replace(self, y=np.ascontiguousarray(y), offset=offset, loss=self.loss.select_output(k))
            for k, (y, offset) in enumerate(zip(self.y.T, offsets, strict=True))
        ]

    def predict(self, theta):
        """Return the linear predictors of the rows, with the offset."""
        predictions = self.design.predict(theta)
        return predictions if self.offset is None else predictions + self.offset

    def pointwise_hessian(self, predictions):
        """Return the weighted second derivative of the loss at each prediction, or its bound."""
        curvatures = self.loss.hessian(predictions, self.y)
        if self.weights is not None:
            curvatures = (self.weights * np.transpose(curvatures)).T
        return np.broadcast_to(curvatures, predictions.shape).astype(self.y.dtype, copy=False)

    def weight_rows(self, values):
        """Return `values`, of shape (n,) or (n, k), times the weights of the rows over n."""
        weights = 1.0 if self.weights is None else self.weights
        return (values.T * (weights / self.design.n_rows)).T.astype(self.y.dtype, copy=False)

    def intercept_only(self):
        """Return the parameters of the best constant model."""
        theta = np.zeros((*self.y.shape[1:], len(self.l2)), dtype=self.y.dtype)
        if self.design.fit_intercept:
            theta[..., -1] = self.best_constant()
        return theta

    def best_constant(self):
        """Return the intercept of the best constant model, for each output."""
        return intercept_with_offset(self.loss, self.y, self.weights, self.offset)

    def constant_predictions(self):
        """Return the linear predictors of the best constant model, of the shape of y."""
        offset = np.zeros_like(self.y) if self.offset is None else self.offset
        return self.best_constant() + offset

    def value(self, theta, predictions=None):
        """Return the value of the objective at `theta`; predictions are computed if None."""
        if predictions is None:
            predictions = self.predict(theta)
        losses = self.loss.value(predictions, self.y)
        return float(np.sum(self.weight_rows(losses), dtype=float)) + self.penalty(theta)

    def check_loss_defined(self, theta):
        """Raise ValueError if the value or gradient of the loss is NaN at finite predictions.

        This detects errors in losses defined by the user; the message names the first such row.
        """
        predictions = self.predict(theta)
        undefined = np.isnan(self.loss.value(predictions, self.y))
        undefined |= np.isnan(self.loss.gradient(predictions, self.y))
        if undefined.any() and np.isfinite(predictions).all():
            first = tuple(np.argwhere(undefined)[0])
            raise ValueError(
                f"{self.loss!r} is not a number in row {first[0]} of the rows trained on: "
                f"prediction {float(predictions[first])!r}, target {float(self.y[first])!r}. Its "
                "value and gradient must be defined for every prediction."
            )

    def evaluate(self, theta, predictions=None, value=None):
        """Return the :class:`Point` at `theta`; predictions and value are computed if None."""
        if predictions is None:
            predictions = self.predict(theta)
        derivatives = self.weight_rows(self.loss.gradient(predictions, self.y))
        gradient = self.design.gradient(derivatives) + self.l2 * theta
        if value is None:
            value = self.value(theta, predictions)
        return Point(theta, value, gradient, predictions)

    def directional_curvature(self, direction):
        """Return the second derivative of a squared error along `direction`.

        The shape is (1,), or (k, 1) for k outputs.
        """
        curvature = self.weight_rows(self.design.predict(direction) ** 2).sum(axis=0)
        return (curvature + np.sum(self.l2 * direction**2, axis=-1))[..., None]

    def hessian_product(self, vector, curvatures):
        """Return the Hessian times `vector` for one output and losses of these curvatures.

        They are a number or an array of shape (n,), without the weights of the rows.
        """
        row_weights = self.weight_rows(np.broadcast_to(curvatures, self.design.n_rows))
        return self._weighted_product(vector, row_weights)

    def _weighted_product(self, vector, row_weights):
        """Return the product with the Hessian, given the weighted curvatures of the rows over n."""
        products = row_weights * self.design.predict(vector)
        return self.design.gradient(products) + self.l2 * vector

    def restrict_to_line(self, point, target):
        """Return the :class:`LineRestriction` from `point` to the parameters `target`."""
        point = self._with_predictions(point)
        return LineRestriction(self, point, target, self.design.predict(target - point.theta))

    def _with_predictions(self, point):
        """Return `point` with its predictions, which points of a quadratic model lack."""
        if point.predictions is not None:
            return point
        return point._replace(predictions=self.predict(point.theta))

    def hessians(self, point, previous=None):
        """Return the Hessian of the empirical risk at `point`, for each output.

        Parameters
        ----------
        point : Point
            The parameters.
        previous : list of IncrementalHessian, default=None
            Second result of an earlier call. Rows whose curvature has hardly changed since are not
            summed again.

        Returns
        -------
        array of shape (d + 1, d + 1) or (k, d + 1, d + 1)
        list of IncrementalHessian
            One for each output.
        """
        columns = self._row_curvatures(point)
        if previous is None:
            sums = [IncrementalHessian.from_design(self.design, column) for column in columns]
        else:
            pairs = zip(previous, columns, strict=True)
            sums = [old.update(self.design, column) for old, column in pairs]
        hessians = np.stack([one.hessian for one in sums])
        return hessians.reshape(*self.y.shape[1:], *hessians.shape[1:]), sums

    def hessian_operator(self, point, output):
        """Return the product with the Hessian of the objective for an output, and its diagonal."""
        weights = self._row_curvatures(point)[output]

        def product(vector):
            return self._weighted_product(vector.astype(self.l2.dtype, copy=False), weights)

        return product, self.design.weighted_square_sums(weights) + self.l2

    def hessian_root(self, point, output):
        r"""Return R with :math:`R^\top R` equal to the Hessian of the objective for an output.

        For a sparse design, which R would need dense, return None.
        """
        if self.design.sparse:
            return None
        root = self.design.weighted_root(self._row_curvatures(point)[output])
        return np.linalg.qr(np.vstack([root, np.diag(np.sqrt(self.l2))]), mode="r")

    def _row_curvatures(self, point):
        """Return the second derivatives of the weighted losses over n, of shape (k, n)."""
        predictions = self._with_predictions(point).predictions
        curvatures = self.pointwise_hessian(predictions) / self.design.n_rows
        return curvatures.reshape(len(self.y), -1).T
