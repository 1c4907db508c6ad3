"""Newton's method, whose quadratic models are minimised by conjugate gradients."""

import numpy as np

from skgd.objectives import QuadraticModel, largest_curvature
from skgd.optimizers import Accelerated, ConjugateGradient
from skgd.solvers.full_batch import FullBatchSolver
from skgd.solvers.line_search import exact_rate, proximal_step

#: A quadratic model is minimised until its gradient norm has decreased by this factor, or for so
#: many steps.
FORCING, MAX_INNER_STEPS = 1e-3, 300

#: Rows of a subsample for each parameter; the decrease of its gradient norm, and the number of
#: steps, that end the descent on it.
SUBSAMPLE_ROWS, SUBSAMPLE_TOL, MAX_SUBSAMPLE_STEPS = 20, 1e-2, 20

#: Share of the decrease on the subsample that makes the step on all rows worth taking.
MIN_SUBSAMPLE_GAIN = 0.5

#: Share of the decrease that the model predicts which is sufficient, and largest number of
#: halvings of a step.
SUFFICIENT_DECREASE, MAX_HALVINGS = 1e-4, 40


class NewtonCGSolver(FullBatchSolver):
    """Newton steps: each minimises quadratic models, one for each output, and backtracks."""

    def run_epoch(self, state, workspace, learning_rates, order=None):
        """Take one step; the reported rate is the share of the step that was taken."""
        objective, point = self.problem.objective, workspace.point
        result = subsample_step(objective, point)
        if result is None:
            point, rate, hessians = newton_step(objective, point, workspace.hessians)
            workspace = workspace._replace(hessians=hessians)
        else:
            point, rate = result
        workspace = workspace._replace(point=point)
        state = state.replace(theta=point.theta, t=state.t + 1)
        return state, workspace, self.info(workspace, rate)

    def step(self, state, workspace, rate):
        """Return the parameters after a step, for callers that evaluate the objective there."""
        point, rate, _ = newton_step(self.problem.objective, workspace.point, workspace.hessians)
        return point.theta, rate, {}


def subsample_step(objective, point):
    """Return the point that Newton's method finds on a subsample, if it is good for all rows.

    From a constant model, the first steps are long and far from what their quadratic models
    predict, so that they need no Hessians of all rows.

    Returns
    -------
    (Point, float) or None
        None where the descent has left the constant model, where the subsample would be most of the
        rows, or where the objective on all rows decreases much less than on the subsample.
    """
    sample = None if point.theta[..., :-1].any() else objective.random_subsample(SUBSAMPLE_ROWS)
    if sample is None:
        return None
    start = here = sample.evaluate(point.theta)
    enough, hessians = SUBSAMPLE_TOL * sample.min_subgradient_norm(start), None
    for _ in range(MAX_SUBSAMPLE_STEPS):
        here, _, hessians = newton_step(sample, here, hessians)
        if sample.min_subgradient_norm(here) <= enough:
            break
    there = objective.restrict_to_line(point, here.theta - point.theta).evaluate(1.0)
    gain = point.value - there.value
    is_good = gain >= MIN_SUBSAMPLE_GAIN * (start.value - here.value)
    return (there, 1.0) if is_good else None


def newton_step(objective, point, last_hessians=None):
    """Return the point after a Newton step, the share of it that was taken, and the Hessians.

    Parameters
    ----------
    objective : Objective or ChunkedObjective
        What is minimised.
    point : Point
        Where the step starts.
    last_hessians : list of IncrementalHessian or None, default=None
        Hessians of the last step, which are updated.
    """
    hessians, incremental = objective.hessians(point, last_hessians)
    if point.theta.ndim == 1:
        target, decrease = minimize_quadratic(newton_model(objective, point, hessians), FORCING)
    else:
        results = [
            minimize_quadratic(
                newton_model(objective, select_output(point, k), hessians[k]), FORCING
            )
            for k in range(len(point.theta))
        ]
        target = np.stack([theta for theta, _ in results])
        decrease = sum(decrease for _, decrease in results)
    point, share = take_step(objective, point, target - point.theta, decrease)
    return point, share, incremental


def select_output(point, k):
    """Return the point of output k alone; its value is not needed."""
    return point._replace(theta=point.theta[k], gradient=point.gradient[k], value=0.0)


def newton_model(objective, point, hessian):
    """Return the quadratic model of the objective at a point, given the Hessian of the loss."""
    hessian = hessian + np.diag(objective.l2)
    return QuadraticModel(objective, point, hessian.astype(point.theta.dtype))


def minimize_quadratic(model, forcing):
    """Return parameters at which the gradient norm of a model has decreased by a factor.

    Parameters
    ----------
    model : QuadraticModel
        What is minimised, from its anchor, by conjugate gradients, or by accelerated proximal steps
        where it has an l1 term.
    forcing : float
        The factor.

    Returns
    -------
    theta : array
    decrease : float
        How much lower the model is there.
    """
    start = point = model.evaluate(model.anchor.theta)
    enough = forcing * model.min_subgradient_norm(start)
    take_inner_step = accelerated_step if model.l1.any() else conjugate_gradient_step
    state = None
    for _ in range(MAX_INNER_STEPS):
        theta, state = take_inner_step(model, point, state)
        point = model.evaluate(theta)
        if model.min_subgradient_norm(point) <= enough:
            break
    return point.theta, start.value - point.value


def conjugate_gradient_step(model, point, state):
    """Return the parameters after a step of conjugate gradients, and the new state."""
    optimizer = ConjugateGradient()
    state = optimizer.init(point.theta) if state is None else state
    direction, state = optimizer.direction(point.theta, point.gradient, state)
    return point.theta + exact_rate(model, point, direction) * direction, state


def accelerated_step(model, point, state):
    """Return the parameters after an accelerated proximal step at 1 / L, and the new state."""
    optimizer = Accelerated()
    if state is None:
        rate = 1 / max(largest_curvature(model, 1.0), np.finfo(float).tiny)
        state = rate, optimizer.init(point.theta)
    rate, momentum = state
    proximal_point = proximal_step(model, point, rate)
    theta, momentum = optimizer.extrapolate(point.theta, proximal_point, momentum)
    return theta, (rate, momentum)


def take_step(objective, point, step, predicted_decrease):
    """Return a point along a step at which the objective decreases sufficiently, and its share."""
    rounding = 4 * np.finfo(step.dtype).eps * abs(point.value)
    share, line = 1.0, objective.restrict_to_line(point, step)
    for _ in range(MAX_HALVINGS):
        sufficient = SUFFICIENT_DECREASE * share * predicted_decrease
        if line.value(share) <= point.value - sufficient + rounding:
            return line.evaluate(share), share
        share /= 2
    return point, 0.0
