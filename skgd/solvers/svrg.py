r"""Epochs around a snapshot: stochastic descent proposes, the objective itself disposes.

Around the last good point, the snapshot, the objective has a quadratic model: its gradient is
exact, and every row contributes its curvature. An epoch of stochastic updates on that model
(:mod:`skgd.solvers.svrg_epoch`) leads to a proposal. The model is then minimised exactly over the
directions of the proposal, of the gradient and of the last few steps, whose predictions are known,
and the step is shortened until the objective falls. So the objective never rises, whatever the
rate, and where single rows say little, as on nearly dependent columns, what is left are conjugate
gradients.
"""

from dataclasses import replace

import numpy as np

from skgd import penalties
from skgd.objectives import Objective, Point
from skgd.solvers import svrg_epoch

#: Steps that are remembered.
MEMORY = 6

#: Rows whose curvature exceeds so many times the mean count as this, in proposals.
HEAVIEST = 2.0

#: Eigenvalues below this share of the largest are taken for zero.
RANK = 1e-11

#: Rows, and iterations, that the largest curvature is estimated from; the first time, and then.
SAMPLE, FIRST_ITERATIONS, ITERATIONS = 2048, 10, 2

#: The rate of proposals, in units of the largest that is stable for certain.
CAUTION = 0.5

#: Halvings of a step at most.
HALVINGS = 30


class SVRGSolver:
    """The epochs of a task; see :func:`skgd.solvers.choice.executor`.

    Parameters
    ----------
    task : Task
        What to descend on, and how.
    propose : callable
        :func:`skgd.solvers.svrg_epoch.svrg_epoch`, or what does the same faster.
    """

    def __init__(self, problem, svrg_epoch):
        objective = problem.objective
        self.theta = None
        self.updates = problem.updates_per_epoch
        norms = objective.design.squared_norms()
        batch_size = max(problem.batch_size, smallest_batch(objective.design))
        self.courses = [
            Course(part, norms, batch_size, svrg_epoch) for part in objective.split_outputs()
        ]

    def __call__(self, state, order, rates):
        """Run one epoch; return the state after it, and its objective."""
        thetas = state.theta.reshape(-1, state.theta.shape[-1])
        if state.theta is not self.theta:
            for course, theta in zip(self.courses, thetas, strict=True):
                course.begin(theta)
        for course in self.courses:
            course.advance(order, rates[0])
        points = [course.point for course in self.courses]
        self.values = np.array([point.value for point in points])
        self.theta = np.stack([point.theta for point in points]).reshape(state.theta.shape)
        state = replace(state, theta=self.theta, mean=self.theta, t=state.t + self.updates)
        return state, float(self.values.sum())


def smallest_batch(design):
    """Return the rows that an update has at least.

    With sparse rows an update costs all features, and rows enough to make up for it.
    """
    if not design.sparse:
        return 1
    n, d = design.X.shape
    return max(2, -(-n * d // max(design.X.nnz, 1)))


class SubspaceMemory:
    """Steps taken, and what each does to the predictions; there is room for two fresh ones."""

    def __init__(self, n_parameters, n_rows, dtype):
        self.deltas = np.empty((MEMORY + 2, n_parameters), dtype)
        self.along = np.empty((MEMORY + 2, n_rows), dtype)
        self.taken = 0

    def extend(self, fresh, predict):
        """Return the steps and fresh ones, at most two, and what all do to the predictions."""
        known = min(self.taken, MEMORY)
        stop = known + len(fresh)
        self.deltas[known:stop] = fresh
        self.along[known:stop] = predict(self.deltas[known:stop]).T
        return self.deltas[:stop], self.along[:stop]

    def remember(self, delta, along):
        """Remember a step that was taken, in the place of the oldest."""
        self.deltas[self.taken % MEMORY] = delta
        self.along[self.taken % MEMORY] = along
        self.taken += 1


class Course:
    """The descent of one output.

    Parameters
    ----------
    objective : Objective
        What to descend on.
    norms : array of shape (n,)
        Squared norms of the inner rows.
    batch_size : int
        Rows in an update.
    propose : callable
        Makes the proposals.
    """

    def __init__(self, objective: Objective, norms, batch_size, svrg_epoch):
        self.objective, self.norms = objective, norms
        self.batch_size, self.svrg_epoch = batch_size, svrg_epoch
        self.directions = SubspaceMemory(len(objective.l2), len(norms), objective.l2.dtype)
        self.free = np.append(
            np.isfinite(objective.design.scaling.scale), objective.design.fit_intercept
        ).astype(objective.l2.dtype)
        self.sample, self.vector = None, None

    def begin(self, theta):
        """Make a point the snapshot, and forget the steps that led to others."""
        self.directions.taken = 0
        self.set_snapshot(theta, np.array(self.objective.design.predict(theta)))

    def set_snapshot(self, theta, predictions, value=None):
        """Make a point with known predictions the snapshot."""
        objective = self.objective
        slopes = objective.weighted(objective.loss.gradient(predictions, objective.y))
        gradient = objective.design.gradient(slopes) + objective.l2 * theta
        value = objective.value_of(predictions, theta) if value is None else value
        self.point, self.predictions = Point(theta, value, gradient), predictions

    def advance(self, order, rate):
        """Make one epoch."""
        model = self.model()
        if not model.gradient.any():
            return
        fresh = [-model.gradient]
        clip_row_curvature = self.clip_row_curvature(model)
        rate = CAUTION * rate / max(self.smoothness(clip_row_curvature), np.finfo(float).tiny)
        proposal = self.svrg_epoch(clip_row_curvature, order, self.batch_size, rate)
        if np.isfinite(proposal).all() and model.gradient @ proposal < 0:
            fresh.append(proposal)
        deltas, along = self.directions.extend(fresh, self.objective.design.predict)
        if not model.free.all():
            kept = ~deltas[:, model.free == 0].any(axis=1)
            deltas, along = deltas[kept], along[kept]
        self.take(*subspace_minimizer(model, deltas, along), model)

    def model(self):
        """Return the quadratic model around the snapshot; an l1 penalty is linear in it."""
        objective, theta, gradient = self.objective, self.point.theta, self.point.gradient
        free = self.free
        if objective.l1.any():
            held = penalties.soft_threshold(gradient, objective.l1)
            gradient = np.where(theta != 0, gradient + objective.l1 * np.sign(theta), held)
            free = free * ((theta != 0) | (held != 0))
        curvatures = objective.pointwise_hessian(self.predictions)
        return svrg_epoch.Model(objective.design, gradient * free, curvatures, objective.l2, free)

    def clip_row_curvature(self, model):
        """Return a model in which no row weighs much more than the others."""
        weights = model.curvatures * self.norms
        most = HEAVIEST * weights.mean()
        share = np.minimum(1, most / np.maximum(weights, np.finfo(weights.dtype).tiny))
        return model._replace(curvatures=(model.curvatures * share).astype(model.l2.dtype))

    def smoothness(self, model):
        """Return the expected smoothness of batches; see :mod:`skgd.objectives.smoothness`."""
        n, k = len(self.norms), min(self.batch_size, len(self.norms))
        heaviest = float((model.curvatures * self.norms).max())
        if k == 1 or n == 1:
            return heaviest
        share = (n - k) / (k * (n - 1))
        return share * heaviest + (1 - share) * self.largest_curvature(model)

    def largest_curvature(self, model):
        """Return the largest curvature of a model, nearly, from a sample of its rows."""
        if self.sample is None:
            stride = -(-len(self.norms) // SAMPLE)
            self.sample = (
                slice(None, None, stride),
                model.design.scaled_rows(slice(None, None, stride)),
            )
        (here, rows), iterations = self.sample, ITERATIONS
        if self.vector is None:
            self.vector = np.random.default_rng(0).standard_normal(len(model.l2) - 1)
            iterations = FIRST_ITERATIONS
        curvatures, largest = model.curvatures[here], 0.0
        for _ in range(iterations):  # where the last ones ended, as curvatures change slowly
            norm = np.linalg.norm(self.vector)
            if norm == 0:
                self.vector = None
                break
            vector = (self.vector / norm).astype(model.l2.dtype)
            self.vector = (curvatures * (rows @ vector)) @ rows / len(rows)
            largest = float(vector @ self.vector)
        return max(largest, float(curvatures.mean()))  # the intercept has a curvature, too

    def take(self, delta, along, model):
        """Take a step, or as much of it as makes the objective fall."""
        objective, here = self.objective, self.point
        rounding = 4 * np.finfo(here.theta.dtype).eps * abs(here.value)
        share = 1.0
        for _ in range(HALVINGS):
            theta = here.theta + share * delta
            predictions = self.predictions + share * along
            if objective.l1.any():
                theta, predictions = self.in_orthant(theta, predictions, model)
            value = objective.value_of(predictions, theta)
            if value <= here.value + rounding:
                break
            share /= 2
        else:
            return
        self.directions.remember(theta - here.theta, predictions - self.predictions)
        self.set_snapshot(theta, predictions, value)

    def in_orthant(self, theta, predictions, model):
        """Return a point, and its predictions, without the coefficients that changed their sign."""
        orthant = np.where(self.point.theta != 0, self.point.theta, -model.gradient)
        crossed = (theta * orthant < 0) & (self.objective.l1 > 0)
        if not crossed.any():
            return theta, predictions
        theta = np.where(crossed, 0, theta)
        return theta, np.array(self.objective.design.predict(theta))


def subspace_minimizer(model, deltas, along):
    """Return the step that minimises a model over the span of some, and its own `along`.

    Parameters
    ----------
    model : Model
        What to minimise.
    deltas : array of shape (k, d + 1)
        Steps.
    along : array of shape (k, n)
        What they do to the predictions.
    """
    deltas, along = deltas.astype(float, copy=False), along.astype(float, copy=False)
    hess = (along * model.curvatures) @ along.T / along.shape[1] + (deltas * model.l2) @ deltas.T
    shares = pseudo_solution(hess, -(deltas @ model.gradient))
    dtype = model.gradient.dtype
    return (shares @ deltas).astype(dtype, copy=False), (shares @ along).astype(dtype, copy=False)


def pseudo_solution(matrix, right):
    """Return the least solution of a positive semidefinite system, of units of its own."""
    diagonal = matrix.diagonal()
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, np.inf))
    values, vectors = np.linalg.eigh(scale[:, None] * matrix * scale)
    values = np.where(values > RANK * values[-1], values, np.inf)
    return scale * (vectors @ ((vectors.T @ (scale * right)) / values))
