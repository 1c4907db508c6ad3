r"""Streams: Newton's method on the rows of a call and the second moments of all rows before.

The losses of earlier rows are replaced by quadratic models, each made at the parameters at the end
of its call: with the gradient :math:`g_i` and the curvature :math:`q_i` at the prediction
:math:`p_i`, the model of row i is

.. math:: \tfrac{q_i}{2} (\tilde x_i^\top \theta - z_i)^2, \qquad z_i = p_i - g_i / q_i

up to a constant. Their sum is determined by the second moments of the rows :math:`(x_i, z_i)` with
the weights :math:`q_i`, which are merged over the calls (Chan, Golub and LeVeque, 1983). For
squared error it is exact: all rows have the same influence, as if they had been given at once, in
any order. The models of other losses are made at parameters that later rows improve, so that a
model made after s of t rows counts :math:`(s / t)^{1/4}`.

References
----------
O. Shamir, T. Zhang, "Stochastic Gradient Descent for Non-smooth Optimization", 2013: polynomial
decay of the weights.
"""

from dataclasses import dataclass, replace
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from skgd.data.second_moments import SecondMoments
from skgd.objectives import Objective, Point, QuadraticModel
from skgd.objectives.penalized import Penalized
from skgd.solvers.base import EpochInfo, Solver
from skgd.solvers.proximal_newton import newton_step, take_step

#: Steps of a call, and the decrease, relative to that of the first step, that ends them.
MAX_STEPS, STEP_TOL = 10, 1e-4

#: Exponent of the decay of the weights of earlier rows.
DECAY = 0.25

#: Width of the Moreau envelope of a loss with kinks, relative to the mean absolute residual.
ENVELOPE_WIDTH = 0.1


class StreamMoments(NamedTuple):
    """Second moments of the earlier rows of an output.

    Parameters
    ----------
    second_moments : SecondMoments
        Moments of the rows and their working targets, weighted by curvatures.
    n_rows : float
        Number of rows that they count as.
    residual : float
        Mean absolute residual of the rows before they were learned.
    """

    second_moments: SecondMoments
    n_rows: float
    residual: float


@dataclass(frozen=True)
class StreamObjective(Penalized):
    """The loss of the rows of a call and the quadratic models of all rows before, for one output.

    Parameters
    ----------
    rows : Objective
        The loss of the rows of the call, without the penalty.
    earlier : QuadraticModel or None
        The mean of the quadratic models of the earlier rows, without the penalty.
    share : float
        Share of the rows of the call in all rows.
    l1, l2 : arrays of shape (d + 1,)
        Penalty strengths.
    lower, upper : arrays of shape (d + 1,)
        Bounds.
    """

    rows: Objective
    earlier: QuadraticModel | None
    share: float
    l1: np.ndarray
    l2: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    quadratic = property(attrgetter("rows.quadratic"), doc="Whether the loss is quadratic.")
    design = property(attrgetter("rows.design"), doc="Design matrix of the rows of the call.")

    def evaluate(self, theta):
        """Return the :class:`~skgd.objectives.Point` at `theta`."""
        point = self.rows.evaluate(theta)
        value, gradient = self.share * point.value, self.share * point.gradient
        if self.earlier is not None:
            before = self.earlier.evaluate(theta)
            value = value + (1 - self.share) * before.value
            gradient = gradient + (1 - self.share) * before.gradient
        return Point(theta, value + self.penalty(theta), gradient + self.l2 * theta)

    def value(self, theta):
        """Return the value at `theta`."""
        return self.evaluate(theta).value

    def hessians(self, point, previous=None):
        """Return the Hessian without the l2 penalty, and None."""
        hessian, _ = self.rows.hessians(point._replace(predictions=None))
        if self.earlier is None:
            return hessian, None
        return self.share * hessian + (1 - self.share) * self.earlier.hessian, None

    def hessian_root(self, point, output):
        """Return None: the earlier rows are known by their second moments only."""


class StreamingNewtonSolver(Solver):
    """Newton's method on the rows of a call and the second moments of the rows before."""

    def run_epoch(self, state, workspace, learning_rates, order=None):
        """Learn the rows; the reported objective is that on these rows before."""
        objective = self.problem.objective
        parts = objective.split_outputs()
        thetas = state.theta.reshape(len(parts), -1)
        saved = state.solver_state.get("stream_moments", [None] * len(parts))
        results = [
            self.learn(part, theta, before)
            for part, theta, before in zip(parts, thetas, saved, strict=True)
        ]
        theta = np.stack([theta for theta, _ in results]).reshape(state.theta.shape)
        after = state.replace(
            theta=theta,
            averaged_theta=theta,
            solver_state={"stream_moments": [moments for _, moments in results]},
            t=state.t + self.problem.updates_per_epoch,
        )
        return after, workspace, EpochInfo(objective.value(state.theta))

    def learn(self, objective, theta, before):
        """Return the parameters and the :class:`StreamMoments` of an output after the rows."""
        size = objective.design.n_rows
        residual = float(np.mean(np.abs(objective.predict(theta) - objective.y)))
        before = before or self.moments_of_model(objective, theta)
        if before is not None:
            before = self.discount(before)
            residual = (before.n_rows * before.residual + size * residual) / (before.n_rows + size)
        if objective.loss.has_moreau_envelope():
            width = ENVELOPE_WIDTH * residual or 1.0
            objective = objective.with_loss(objective.loss.moreau_envelope(width))
        theta = self.minimize(objective, theta, before)
        moments = self.expand(objective, theta)
        if before is not None:
            moments, size = before.second_moments + moments, before.n_rows + size
        return theta, StreamMoments(moments, size, residual)

    def discount(self, before):
        """Return the moments of earlier rows at the weight that they still have."""
        if self.problem.objective.quadratic:
            return before
        statistics, size = self.problem.stream_statistics, self.problem.objective.design.n_rows
        n_rows = statistics.earlier_weight / statistics.mean_weight
        factor, moments = (n_rows / (n_rows + size)) ** DECAY, before.second_moments
        moments = replace(moments, total_weight=factor * moments.total_weight)
        return before._replace(second_moments=moments, n_rows=factor * before.n_rows)

    def minimize(self, objective, theta, before):
        """Return the minimiser for the rows of the call and the moments of the rows before."""
        zero, size, earlier, share = np.zeros_like(objective.l1), objective.design.n_rows, None, 1.0
        rows = replace(objective, l1=zero, l2=zero)
        if before is not None:
            moments = replace(before.second_moments)  # a copy, which keeps cached properties
            # The mean of the models is the weighted mean of the squares times the mean curvature.
            curvature = moments.total_weight / (self.unit * before.n_rows)
            earlier = QuadraticModel.from_second_moments(rows, moments).scale(curvature)
            share = size / (size + before.n_rows)
        penalty = objective.l1, objective.l2, objective.lower, objective.upper
        stream = StreamObjective(rows, earlier, share, *penalty)
        point = stream.evaluate(theta)
        step = newton_step(stream, point)
        enough = STEP_TOL * max(step.decrease, 0.0)
        for _ in range(MAX_STEPS):
            if step.decrease <= enough:
                break
            point, _ = take_step(stream, point, step.target)
            if objective.quadratic:  # the step is exact
                break
            step = newton_step(stream, point)
        return point.theta

    def expand(self, objective, theta):
        """Return the second moments of the quadratic models of the rows at `theta`."""
        weights = objective.weights
        weights = None if weights is None else weights * self.unit
        if objective.quadratic:
            return SecondMoments.from_rows(objective.design.X, objective.y, weights)
        predictions = objective.predict(theta)
        curvatures = objective.loss.hessian(predictions, objective.y)
        steps = objective.loss.gradient(predictions, objective.y) / curvatures
        targets = objective.design.predict(theta) - steps  # without the offset
        weights = curvatures if weights is None else weights * curvatures
        return SecondMoments.from_rows(objective.design.X, targets, weights)

    @property
    def unit(self):
        """What the weights of the objective were divided by."""
        return self.problem.stream_statistics.unit

    def moments_of_model(self, objective, theta):
        """Return moments of rows that a model fits exactly, in place of rows that are not known.

        Where a stream continues an earlier fit, nothing is known of its rows but the model. Their
        columns are taken for independent, with the means and variances of these rows, and their
        curvatures for those of these rows. Return None if there was no earlier fit.
        """
        statistics = self.problem.stream_statistics
        if statistics.earlier_weight <= 0:
            return None
        like = self.expand(objective, theta)
        coef, intercept = objective.design.scaling.to_original(theta.astype(float))
        covariance = np.diag(np.diag(like.covariance))
        cross = covariance @ coef
        n_rows = statistics.earlier_weight / statistics.mean_weight
        moments = replace(
            like,
            total_weight=like.total_weight * n_rows / objective.design.n_rows,
            covariance=covariance,
            y_mean=coef @ like.mean + intercept,
            cross=cross,
            y_variance=coef @ cross,
        )
        return StreamMoments(moments, n_rows, 0.0)
