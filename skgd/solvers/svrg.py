r"""SVRG with a subspace step: variance-reduced epochs, safeguarded by the exact objective.

At the snapshot, the last accepted parameters, the objective has a quadratic model with its exact
gradient and the curvature of every row. An epoch of variance-reduced updates on that model
(:mod:`skgd.solvers.svrg_epoch`; Johnson and Zhang, 2013) gives a direction. The model is then
minimised exactly over the subspace spanned by this direction, the negative gradient and the last
few steps (Narkiss and Zibulevsky, 2005), whose predictions are known, and the step is shortened
until the objective decreases. So the objective never increases, whatever the learning rate. Where
stochastic updates contribute little, as on nearly collinear columns, the subspace steps are nearly
those of conjugate gradients.
"""

from typing import NamedTuple

import numpy as np

from skgd._utils import numba_support
from skgd.objectives import Objective, Point
from skgd.solvers import svrg_epoch
from skgd.solvers.base import EpochInfo, Solver
from skgd.solvers.row_order import draw_row_orders

#: Number of earlier steps in the subspace.
MEMORY = 6

#: Multiple of the mean curvature times squared norm that the rows of an epoch are clipped to.
MAX_RELATIVE_CURVATURE = 2.0

#: Eigenvalues below this share of the largest are taken for zero.
EIGENVALUE_TOL = 1e-11

#: Rows that the largest eigenvalue is estimated from, and power iterations: in the first epoch, and
#: in each later one, which continues from the last eigenvector.
SAMPLE_ROWS, FIRST_ITERATIONS, ITERATIONS = 2048, 10, 2

#: Rate of the stochastic updates, relative to the largest rate that is certainly stable.
RATE_FACTOR = 0.5

#: Largest number of halvings of a step.
MAX_HALVINGS = 30


class SubspaceMemory:
    """Buffers of the last steps and of their predictions, with room for two new directions."""

    def __init__(self, n_parameters, n_rows, dtype):
        self.steps = np.empty((MEMORY + 2, n_parameters), dtype)
        self.predictions = np.empty((MEMORY + 2, n_rows), dtype)
        self.n_steps = 0

    def extend(self, directions, predict):
        """Return the steps and the new directions, and the predictions of all of them."""
        known = min(self.n_steps, MEMORY)
        stop = known + len(directions)
        self.steps[known:stop] = directions
        self.predictions[known:stop] = predict(self.steps[known:stop]).T
        return self.steps[:stop], self.predictions[:stop]

    def add(self, step, predictions):
        """Add a step, in the place of the oldest."""
        self.steps[self.n_steps % MEMORY] = step
        self.predictions[self.n_steps % MEMORY] = predictions
        self.n_steps += 1


class OutputWorkspace(NamedTuple):
    """The descent of one output between two epochs.

    Parameters
    ----------
    point : Point
        The snapshot.
    predictions : array of shape (n,)
        Its predictions.
    memory : SubspaceMemory
        The last steps; its buffers are reused.
    eigenvector : array of shape (d,) or None
        Of the largest eigenvalue of the rows of the sample, as far as it has been estimated.
    """

    point: Point
    predictions: np.ndarray
    memory: SubspaceMemory
    eigenvector: np.ndarray | None = None


class SVRGSolver(Solver):
    """SVRG with a subspace step; the workspace is a list with one item for each output."""

    reports_output_objectives = True

    def __init__(self, problem):
        super().__init__(problem)
        design = problem.objective.design
        norms = design.squared_norms()
        batch_size = max(problem.batch_size, min_batch_size(design))
        run_epoch = choose_epoch()
        self.outputs = [
            OutputDescent(objective, norms, batch_size, run_epoch)
            for objective in problem.objective.split_outputs()
        ]

    def init(self, state):
        """Return the workspace with the start as the snapshot."""
        thetas = state.theta.reshape(-1, state.theta.shape[-1])
        return [output.init(theta) for output, theta in zip(self.outputs, thetas, strict=True)]

    def describe(self, state, workspace):
        """Return the objective at the start."""
        return EpochInfo(float(sum(output.point.value for output in workspace)), np.nan)

    def draw_order(self, rng):
        """Return a random order of the rows, if they are shuffled."""
        n_rows = self.problem.objective.design.n_rows
        return draw_row_orders(rng, n_rows)[0] if self.problem.shuffle else None

    def run_epoch(self, state, workspace, learning_rates, order=None):
        """Run one epoch on each output."""
        workspace = [
            output.run_epoch(part, order, learning_rates[0])
            for output, part in zip(self.outputs, workspace, strict=True)
        ]
        values = np.array([part.point.value for part in workspace])
        theta = np.stack([part.point.theta for part in workspace]).reshape(state.theta.shape)
        t = state.t + self.problem.updates_per_epoch
        state = state.replace(theta=theta, averaged_theta=theta, t=t)
        return state, workspace, EpochInfo(float(values.sum()), output_objectives=values)


def choose_epoch():
    """Return the function that runs the stochastic updates, compiled if it can be."""
    if not numba_support.has_numba():
        return svrg_epoch.svrg_epoch
    from skgd.solvers.compiled.svrg_epoch import svrg_epoch as compiled_epoch

    return compiled_epoch


def min_batch_size(design):
    """Return the smallest number of rows of an update.

    On sparse rows an update costs all features, which enough rows have to make up for.
    """
    if not design.sparse:
        return 1
    n, d = design.X.shape
    return max(2, -(-n * d // max(design.X.nnz, 1)))


class OutputDescent:
    """The epochs of one output.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    norms : array of shape (n,)
        Squared norms of the scaled rows.
    batch_size : int
        Rows in an update.
    run_stochastic_epoch : callable
        :func:`skgd.solvers.svrg_epoch.svrg_epoch`, or its compiled counterpart.
    """

    def __init__(self, objective: Objective, norms, batch_size, run_stochastic_epoch):
        self.objective, self.norms = objective, norms
        self.batch_size, self.run_stochastic_epoch = batch_size, run_stochastic_epoch
        design = objective.design
        is_free = np.append(np.isfinite(design.scaling.scale), design.fit_intercept)
        self.free = is_free.astype(objective.l2.dtype)
        self.sample = slice(None, None, -(-len(norms) // SAMPLE_ROWS))
        self.sample_rows = None if self.is_per_sample else design.scaled_rows(self.sample)

    @property
    def is_per_sample(self):
        """Whether an update uses a single row."""
        return min(self.batch_size, len(self.norms)) == 1

    def init(self, theta):
        """Return the workspace with `theta` as the snapshot."""
        predictions = np.array(self.objective.predict(theta))
        memory = SubspaceMemory(len(self.free), len(self.norms), self.free.dtype)
        return OutputWorkspace(self.objective.evaluate(theta, predictions), predictions, memory)

    def run_epoch(self, workspace, order, rate):
        """Return the workspace after one epoch."""
        model = self.quadratic_model(workspace)
        if not model.gradient.any():
            return workspace
        clipped = self.clip_row_curvature(model)
        lipschitz, eigenvector = self.expected_smoothness(clipped, workspace.eigenvector)
        workspace = workspace._replace(eigenvector=eigenvector)
        rate = RATE_FACTOR * rate / max(lipschitz, np.finfo(float).tiny)
        direction = self.run_stochastic_epoch(clipped, order, self.batch_size, rate)
        directions = [-model.gradient]
        if np.isfinite(direction).all() and model.gradient @ direction < 0:
            directions.append(direction)
        steps, predictions = workspace.memory.extend(directions, self.objective.design.predict)
        if not model.free.all():
            is_allowed = ~steps[:, model.free == 0].any(axis=1)
            steps, predictions = steps[is_allowed], predictions[is_allowed]
        return self.backtrack(workspace, model, *subspace_minimizer(model, steps, predictions))

    def quadratic_model(self, workspace):
        """Return the quadratic model at the snapshot, in the orthant of an l1 penalty.

        Coefficients at zero or at a bound that their subgradient does not move are fixed.
        """
        objective, (theta, _, gradient, _) = self.objective, workspace.point
        free = self.free
        if not objective.has_smooth_penalty:
            gradient = objective.min_subgradient(workspace.point)
            is_at_edge = (theta <= objective.lower) | (theta >= objective.upper)
            is_at_edge |= (theta == 0) & (objective.l1 > 0)
            free = free * ((gradient != 0) | ~is_at_edge)
        curvatures = objective.pointwise_hessian(workspace.predictions)
        arrays = gradient * free, curvatures, objective.l2, free
        return svrg_epoch.SVRGModel(objective.design, *arrays)

    def clip_row_curvature(self, model):
        """Return a model in which no row has much more weight than the mean of the rows."""
        weights = model.curvatures * self.norms
        largest = MAX_RELATIVE_CURVATURE * weights.mean()
        share = np.minimum(1, largest / np.maximum(weights, np.finfo(weights.dtype).tiny))
        return model._replace(curvatures=(model.curvatures * share).astype(model.l2.dtype))

    def expected_smoothness(self, model, eigenvector):
        """Return the smoothness that batches have to respect, and the eigenvector it is based on.

        See :func:`skgd.objectives.expected_smoothness`.
        """
        n, k = len(self.norms), min(self.batch_size, len(self.norms))
        largest_row = float((model.curvatures * self.norms).max())
        if k == 1 or n == 1:
            return largest_row, eigenvector
        largest, eigenvector = self.estimate_largest_eigenvalue(model, eigenvector)
        share = (n - k) / (k * (n - 1))
        return share * largest_row + (1 - share) * largest, eigenvector

    def estimate_largest_eigenvalue(self, model, eigenvector):
        """Return an estimate of the largest eigenvalue of a model's Hessian, and its eigenvector.

        The curvatures change slowly, so that few power iterations continue from the last epoch.
        """
        n_iterations = ITERATIONS
        if eigenvector is None:
            eigenvector = np.random.default_rng(0).standard_normal(len(model.l2) - 1)
            n_iterations = FIRST_ITERATIONS
        curvatures, rows, largest = model.curvatures[self.sample], self.sample_rows, 0.0
        for _ in range(n_iterations):
            norm = np.linalg.norm(eigenvector)
            if norm == 0:
                eigenvector = None
                break
            unit = (eigenvector / norm).astype(model.l2.dtype)
            eigenvector = (curvatures * (rows @ unit)) @ rows / len(rows)
            largest = float(unit @ eigenvector)
        # The intercept has a curvature, too.
        return max(largest, float(curvatures.mean())), eigenvector

    def backtrack(self, workspace, model, step, step_predictions):
        """Return the workspace after a step, halved until the objective does not increase."""
        objective, here = self.objective, workspace.point
        rounding = 4 * np.finfo(here.theta.dtype).eps * abs(here.value)
        share = 1.0
        for _ in range(MAX_HALVINGS):
            theta = here.theta + share * step
            predictions = workspace.predictions + share * step_predictions
            if not objective.has_smooth_penalty:
                theta, predictions = self.project(here, model, theta, predictions)
            value = objective.value(theta, predictions)
            if value <= here.value + rounding:
                break
            share /= 2
        else:
            return workspace
        workspace.memory.add(theta - here.theta, predictions - workspace.predictions)
        point = objective.evaluate(theta, predictions, value)
        return workspace._replace(point=point, predictions=predictions)

    def project(self, here, model, theta, predictions):
        """Project on the orthant and the bounds; return theta and predictions.

        With an l1 penalty, coefficients that have changed sign become zero.
        """
        orthant = np.where(here.theta != 0, here.theta, -model.gradient)
        has_crossed = (theta * orthant < 0) & (self.objective.l1 > 0)
        projected = self.objective.project(np.where(has_crossed, 0, theta))
        if np.array_equal(projected, theta):
            return theta, predictions
        return projected, np.array(self.objective.predict(projected))


def subspace_minimizer(model, steps, predictions):
    """Return the step that minimises a quadratic model over a subspace, and its predictions.

    Parameters
    ----------
    model : SVRGModel
        What is minimised.
    steps : array of shape (k, d + 1)
        Directions that span the subspace.
    predictions : array of shape (k, n)
        Their predictions.
    """
    size = np.abs(predictions).max(axis=1, keepdims=True).astype(float)
    size[size == 0] = 1  # directions of unit size, so that squares do not overflow
    steps, predictions = steps / size, predictions / size
    hessian = (predictions * model.curvatures) @ predictions.T / predictions.shape[1]
    hessian += (steps * model.l2) @ steps.T
    shares = solve_semidefinite(hessian, -(steps @ model.gradient))
    dtype = model.gradient.dtype
    step, predicted = shares @ steps, shares @ predictions
    return step.astype(dtype, copy=False), predicted.astype(dtype, copy=False)


def solve_semidefinite(matrix, right):
    """Return the minimum-norm solution of a semidefinite system scaled to a unit diagonal."""
    diagonal = matrix.diagonal()
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, np.inf))
    values, vectors = np.linalg.eigh(scale[:, None] * matrix * scale)
    values = np.where(values > EIGENVALUE_TOL * values[-1], values, np.inf)
    return scale * (vectors @ ((vectors.T @ (scale * right)) / values))
