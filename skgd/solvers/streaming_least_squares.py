"""Streams of squared error: descent on the second moments of all rows so far.

The second moments of the rows of a call are merged into those of the rows before (Chan, Golub and
LeVeque, 1983), and conjugate gradients continue on them from where the last call ended. All rows
have the same influence, as if they had been given at once, in any order, and whatever the scales
and offsets of the columns in each call.
"""

from dataclasses import replace

import numpy as np

from skgd.data.second_moments import SecondMoments
from skgd.objectives import QuadraticModel
from skgd.solvers.base import EpochInfo, Solver
from skgd.solvers.newton_cg import minimize_quadratic

#: What the gradient norm decreases to in a call, relative to its start.
FORCING = 1e-6

#: Gradient norm, relative to that of the best constant model, that is rounding error.
GRADIENT_ROUNDING = 1e-12


class StreamingLeastSquares(Solver):
    """Descent on the second moments of a stream of rows, for squared error."""

    def run_epoch(self, state, workspace, learning_rates, order=None):
        """Learn the rows; the reported objective is that on these rows before."""
        objective, statistics = self.problem.objective, self.problem.stream_statistics
        moments = self.merge_moments(state)
        # The moments are those of weights whose mean is 1.
        factor = statistics.unit / statistics.mean_weight
        whole = replace(objective, l1=objective.l1 * factor, l2=objective.l2 * factor)
        model = QuadraticModel.from_second_moments(whole, moments)
        theta = descend_on_model(model, state.theta).astype(state.theta.dtype, copy=False)
        t, solver_state = state.t + self.problem.updates_per_epoch, {"second_moments": moments}
        after = state.replace(theta=theta, averaged_theta=theta, solver_state=solver_state, t=t)
        return after, workspace, EpochInfo(objective.value(state.theta))

    def merge_moments(self, state):
        """Return the second moments of the rows of this call and of all calls before."""
        objective, statistics = self.problem.objective, self.problem.stream_statistics
        weights = None if objective.weights is None else objective.weights * statistics.unit
        new = SecondMoments.from_rows(objective.design.X, objective.y, weights)
        earlier = state.solver_state.get("second_moments")
        if earlier is None and statistics.earlier_weight > 0:
            earlier = moments_of_model(
                state.theta, objective.design, new, statistics.earlier_weight
            )
        return new if earlier is None else earlier + new


def descend_on_model(model, theta):
    """Return the parameters at the end of a descent on a model, or `theta` if nothing improves."""
    point = model.evaluate(theta)
    norm = model.min_subgradient_norm(point)
    scale = model.min_subgradient_norm(model.anchor)
    if norm <= GRADIENT_ROUNDING * scale:
        return theta
    forcing = max(FORCING, GRADIENT_ROUNDING * scale / norm)
    minimizer, decrease = minimize_quadratic(model.recentre(point), forcing)
    return minimizer if decrease > 0 else theta


def moments_of_model(theta, design, like, total_weight):
    """Return second moments of rows that a model fits exactly, in place of rows that are not known.

    Where a stream continues an earlier fit, nothing is known of its rows but the model. Their
    columns are taken for independent, with the means and variances of other rows.

    Parameters
    ----------
    theta : array
        Scaled parameters of the model.
    design : Design
        Rows, whose scaling the parameters refer to.
    like : SecondMoments
        Of the rows whose means and variances are used.
    total_weight : float
        Total weight of the earlier rows.
    """
    coef, intercept = design.scaling.to_original(theta.astype(float))
    covariance = np.diag(np.diag(like.covariance))
    cross = (coef @ covariance).T
    variance = np.sum(coef.T * cross, axis=0)
    y_mean = coef @ like.mean + intercept
    return SecondMoments(like.n_rows, total_weight, like.mean, covariance, y_mean, cross, variance)
