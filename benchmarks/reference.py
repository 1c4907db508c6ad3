"""Reference optima of penalised linear models, in extended precision and with a certificate.

The solver shares nothing with skgd. It minimises

    sum_i c_i loss(x_i w + b, y_i) + sum_j (l1_j |w_j| + l2_j w_j² / 2),    sum_i c_i = 1,

optionally over w >= 0, by Newton's method on smooth approximations whose smoothing mu decreases: a
logarithmic barrier for the derivatives of kinked losses and of the l1 norm, and for w >= 0
(S. Boyd, L. Vandenberghe, "Convex Optimization", 2004, chapter 11). It starts in float64 and ends
in ``np.longdouble``, which has 64 bits of mantissa on x86.

The certificate is a duality gap (chapter 5). For any derivatives u_i in the domain of the conjugate
loss, ``loss(p, y_i) >= u_i p - conjugate(u_i, y_i)``. The minimum of the right-hand side plus the
penalty is known in closed form for each coefficient in a box, ten times as large as the solution.
It is a lower bound on the objective in this box, up to the rounding of extended precision.
"""

from dataclasses import dataclass, replace

import numpy as np

#: Smoothing in units of the loss of the best constant; in float64 above COARSE.
SMOOTHING, COARSE = np.logspace(0, -13, 14), 1e-7

#: Gap, in units of the loss of the best constant, at which the solver stops.
ENOUGH = 1e-12

#: Newton steps for each smoothing at most, halvings of a step, refinements of the dual variables.
STEPS, HALVINGS, REFINEMENTS = 60, 60, 2

#: Coefficients at which a fit over w >= 0 starts, in units of the spread of predictions.
INSIDE = 0.01

#: Size of the box in which the certificate holds, relative to the solution.
BOX = 10

#: Part of a column of unit size that counts as zero where columns depend on each other.
SMALLEST_COLUMN = 1e-11

#: Relative size of pivots of a Cholesky decomposition that count as zero.
SMALLEST_PIVOT = 100


def plus(x, mu):
    """Return a smooth approximation of max(x, 0) and its derivative.

    The product ``plus(x) * plus(-x)`` is mu.
    """
    root = np.sqrt(x * x + 4 * mu)
    larger = (np.abs(x) + root) / 2
    value = np.where(x > 0, larger, mu / larger if mu else 0 * x)
    return value, value / np.where(root > 0, root, 1)


def sign(x, mu):
    """Return ``argmax_u u x + mu log(1 - u²)`` and its derivative; the sign of x for mu = 0."""
    root = np.hypot(x, mu)
    root = np.where(root > 0, root, np.finfo(root.dtype).tiny)
    return x / (mu + root), mu / (root * (mu + root))


EPS, LOG_2 = np.finfo(np.longdouble).eps, np.log(np.longdouble(2))


def xlogx(x):
    """Return x log x, which is 0 at 0."""
    return x * np.log(np.where(x > 0, x, 1))


class Loss:
    """A convex loss of the linear predictor p.

    ``derivatives`` returns the first and second derivatives of a smooth approximation, in the
    domain of the conjugate: ``conjugate(u, y) = max_p u p - value(p, y)``.
    """

    log_link = False

    def domain(self, y):
        """Return the bounds of the derivatives."""
        return -np.inf, np.inf


@dataclass(frozen=True)
class Squared(Loss):
    """Half the squared error."""

    def value(self, p, y):
        return (p - y) ** 2 / 2

    def derivatives(self, p, y, mu):
        return p - y, np.ones_like(p)

    def conjugate(self, u, y):
        return u * u / 2 + u * y


@dataclass(frozen=True)
class LogCosh(Loss):
    """Logarithm of the hyperbolic cosine; smoothed by mu log cosh(r / mu), mu > 1."""

    def value(self, p, y):
        distance = np.abs(p - y)
        small = np.log1p(2 * np.sinh(np.minimum(distance, 1) / 2) ** 2)
        return np.where(distance < 1, small, distance + np.log1p(np.exp(-2 * distance)) - LOG_2)

    def derivatives(self, p, y, mu):
        width = max(1, mu)
        slope = np.tanh((p - y) / width)
        return slope, (1 - slope) * (1 + slope) / width

    def conjugate(self, u, y):
        inside = np.clip(u, -1 + EPS, 1 - EPS)
        entropy = inside * np.arctanh(inside) + np.log1p(-inside * inside) / 2
        return np.where(np.abs(u) < 1, entropy, LOG_2) + u * y

    def domain(self, y):
        return -1, 1


@dataclass(frozen=True)
class Poisson(Loss):
    """Half the Poisson deviance, log link."""

    log_link = True

    def value(self, p, y):
        u = p - np.log(np.where(y > 0, y, 1))
        return np.where(y > 0, y * (np.expm1(u) - u), np.exp(p))

    def derivatives(self, p, y, mu):
        mean = np.exp(p)
        return mean - y, mean

    def conjugate(self, u, y):
        return xlogx(u + y) - xlogx(y) - u

    def domain(self, y):
        return -y, np.inf


@dataclass(frozen=True)
class Gamma(Loss):
    """Half the gamma deviance, log link."""

    log_link = True

    def value(self, p, y):
        u = p - np.log(y)
        return np.expm1(-u) + u

    def derivatives(self, p, y, mu):
        ratio = y * np.exp(-p)
        return 1 - ratio, ratio

    def conjugate(self, u, y):
        return xlogx(1 - u) + u + u * np.log(y)

    def domain(self, y):
        return -np.inf, 1


@dataclass(frozen=True)
class Hinges(Loss):
    """``upper max(r - epsilon, 0) - lower max(-r - epsilon, 0)``, r = p - y."""

    lower: float
    upper: float
    epsilon: float = 0.0

    def value(self, p, y):
        r = p - y
        above, below = np.maximum(r - self.epsilon, 0), np.maximum(-r - self.epsilon, 0)
        return self.upper * above - self.lower * below

    def derivatives(self, p, y, mu):
        r = p - y
        a, b = -self.lower / 2, self.upper / 2
        above, above_curvature = sign(b * (r - self.epsilon), mu)
        below, below_curvature = sign(a * (r + self.epsilon), mu)
        slope = b * (1 + above) - a * (1 - below)
        return slope, b * b * above_curvature + a * a * below_curvature

    def conjugate(self, u, y):
        return self.epsilon * np.abs(u) + u * y

    def domain(self, y):
        return self.lower, self.upper


@dataclass(frozen=True)
class Huber(Loss):
    """Quadratic up to epsilon, linear beyond."""

    epsilon: float

    def value(self, p, y):
        distance = np.abs(p - y)
        clipped = np.minimum(distance, self.epsilon)
        return clipped * (distance - clipped / 2)

    def derivatives(self, p, y, mu):
        r = p - y
        above, below = r + self.epsilon, r - self.epsilon
        roots = np.sqrt(above**2 + 4 * mu), np.sqrt(below**2 + 4 * mu)
        slope = 2 * r * self.epsilon / (roots[0] + roots[1])
        return slope, np.maximum(above / roots[0] - below / roots[1], 0) / 2

    def conjugate(self, u, y):
        return u * u / 2 + u * y

    def domain(self, y):
        return -self.epsilon, self.epsilon


@dataclass(frozen=True)
class SquaredEpsilonInsensitive(Loss):
    """``max(|r| - epsilon, 0)²``."""

    epsilon: float

    def value(self, p, y):
        return np.maximum(np.abs(p - y) - self.epsilon, 0) ** 2

    def derivatives(self, p, y, mu):
        r = p - y
        above, above_slope = plus(r - self.epsilon, mu)
        below, below_slope = plus(-r - self.epsilon, mu)
        return 2 * (above - below), 2 * (above_slope + below_slope)

    def conjugate(self, u, y):
        return self.epsilon * np.abs(u) + u * u / 4 + u * y


@dataclass(frozen=True)
class Problem:
    """Rows in coordinates of unit scale; an intercept is a column of ones without a penalty.

    Parameters
    ----------
    loss : object
        A loss of this module.
    X : array of shape (n, d)
        Rows, centred and scaled.
    y, weights : arrays of shape (n,)
        Targets and weights; the weights sum to 1.
    l1, l2 : arrays of shape (d,)
        Strengths of the penalties in these coordinates.
    positive : array of bool of shape (d,)
        Whether a coefficient has to be positive.
    unit : float
        Loss of a constant: the unit of mu.
    spread : float
        Spread of predictions: the unit of the coefficients.
    """

    loss: object
    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    l1: np.ndarray
    l2: np.ndarray
    positive: np.ndarray
    unit: float
    spread: float

    def astype(self, dtype):
        """Return the problem in another precision."""
        names = ("X", "y", "weights", "l1", "l2")
        return replace(self, **{name: getattr(self, name).astype(dtype) for name in names})

    def objective(self, w):
        """Return the objective."""
        penalty = np.sum(self.l1 * np.abs(w) + self.l2 * w * w / 2)
        return np.sum(self.weights * self.loss.value(self.X @ w, self.y)) + penalty

    def penalty_derivatives(self, w, mu):
        """Return first and second derivatives of the smoothed penalty and the barrier of w >= 0."""
        mu = mu / len(w)
        slope, curvature = sign(self.l1 * w, mu)
        barrier = np.where(self.positive, mu / np.where(self.positive, w, 1), 0)
        first = self.l1 * slope + self.l2 * w - barrier
        return first, self.l1**2 * curvature + self.l2 + barrier**2 / mu

    def lower_bound(self, w, u):
        """Return a lower bound on the objective in the box around w, from derivatives u."""
        u = np.clip(u, *self.loss.domain(self.y))
        v = -(self.weights * u) @ self.X
        box = BOX * (np.abs(w) + self.spread)
        beyond = np.sign(v) * np.maximum(np.abs(v) - self.l1, 0)
        best = np.where(beyond == 0, 0, beyond / self.l2)
        best = np.clip(best, np.where(self.positive, 0, -box), box)
        conjugate = v * best - self.l1 * np.abs(best) - self.l2 * best**2 / 2
        return -np.sum(self.weights * self.loss.conjugate(u, self.y)) - np.sum(conjugate)


def factorize(H):
    """Return a function that solves H x = g by Cholesky's method, for semidefinite H.

    Coordinates without a pivot are zero.
    """
    root = np.sqrt(np.diag(H))
    root = np.where(root > 0, root, 1)
    A = H / root[:, None] / root
    L, kept = np.zeros_like(A), np.zeros(len(A), dtype=bool)
    for j in range(len(A)):
        column = A[j:, j] - L[j:, :j] @ L[j, :j]
        if column[0] > SMALLEST_PIVOT * np.finfo(A.dtype).eps:
            L[j:, j], kept[j] = column / np.sqrt(column[0]), True
    L = L[np.ix_(kept, kept)]

    def solve(g):
        x, z = np.zeros_like(g), (g / root)[kept]
        for j in range(len(z)):  # L z = g
            z[j] = (z[j] - L[j, :j] @ z[:j]) / L[j, j]
        for j in reversed(range(len(z))):  # L' x = z
            z[j] = (z[j] - L[j + 1 :, j] @ z[j + 1 :]) / L[j, j]
        x[kept] = z
        return x / root

    return solve


def newton_step(problem, w, mu):
    """Return the point after a step, its decrement, and a lower bound on the objective."""
    p = problem.X @ w
    slope, curvature = problem.loss.derivatives(p, problem.y, mu)
    first, second = problem.penalty_derivatives(w, mu)
    H = (problem.X.T * (problem.weights * curvature)) @ problem.X
    H[np.diag_indices(len(w))] += second
    solve = factorize(H)
    gradient = (problem.weights * slope) @ problem.X + first
    step = -solve(gradient)
    decrement = -(gradient @ step)
    moved = w + step_length(problem, w, mu, step, decrement) * step
    for _ in range(REFINEMENTS):  # the derivatives after a full step, linearised
        dual_step = -solve((problem.weights * slope) @ problem.X + first)
        slope, first = slope + curvature * (problem.X @ dual_step), first + second * dual_step
    return moved, decrement, problem.lower_bound(w, slope)


def step_length(problem, w, mu, step, decrement):
    """Return a step length at which the derivative along the step is at most half as large.

    It is negative or below half of the decrement, which needs no values of the smoothed objective.
    """
    p, along = problem.X @ w, problem.X @ step
    shrinks = problem.positive & (step < 0)
    length = min(1, 0.99 * np.min(-w[shrinks] / step[shrinks], initial=np.inf))
    for _ in range(HALVINGS):
        slope = problem.loss.derivatives(p + length * along, problem.y, mu)[0]
        first = problem.penalty_derivatives(w + length * step, mu)[0]
        if np.sum(problem.weights * slope * along) + first @ step <= decrement / 2:
            return length  # not reached if a value is not finite
        length /= 2
    return 0.0


def extrapolate(problem, w, before):
    """Return the point to start from after mu has become ten times smaller: w is linear in mu."""
    ahead = w + (w - before) / 10
    return np.where(problem.positive, np.maximum(ahead, w / 100), ahead)


def minimize(problem, w):
    """Return a lower bound, the objective and the point of the least objective that was found."""
    bound, best = -np.inf, (np.inf, w)
    before = w
    for mu in SMOOTHING:
        current = problem if mu <= COARSE else problem.astype(float)
        w, before = w.astype(current.X.dtype), before.astype(current.X.dtype)
        w, before = extrapolate(problem, w, before), w
        for _ in range(STEPS):
            moved, decrement, lower = newton_step(current, w, mu * problem.unit)
            if current is problem:
                bound = max(bound, lower)
                best = min(best, (problem.objective(w), w), key=lambda found: found[0])
                if best[0] - bound <= ENOUGH * problem.unit:
                    return bound, *best
            w = moved
            if decrement <= mu * problem.unit / (10 * len(problem.y)) and mu > SMOOTHING[-1]:
                break
    return bound, *best


@dataclass(frozen=True)
class Reference:
    """A certified optimum in the units of the data.

    Parameters
    ----------
    coef, intercept : array, float
        The minimiser.
    objective : float
        Its objective.
    gap : float
        Upper bound on the excess of this objective over the minimum.
    best_constant : float
        Mean loss of the best constant model; without an intercept, it predicts zero.
    """

    coef: np.ndarray
    intercept: float
    objective: float
    gap: float
    best_constant: float


def start_of(loss, y, weights):
    """Return a constant prediction to start from, and the spread of predictions."""
    if loss.log_link:
        return np.log(weights @ y), 1.0
    order = np.argsort(y)
    median = y[order[np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)]]
    return median, np.sqrt(weights @ (y - median) ** 2)


def in_extended_precision(y, weights):
    """Return targets and weights in extended precision; the weights sum to 1."""
    weights = np.ones(len(y), np.longdouble) if weights is None else np.longdouble(weights)
    return np.longdouble(y), weights / weights.sum()


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def fit_constant(loss, y, weights):
    """Return the loss of the best constant, and the spread of predictions."""
    y, weights = in_extended_precision(y, weights)
    constant, spread = start_of(loss, y, weights)
    none = np.zeros(1, np.longdouble)
    unit = weights @ loss.value(constant, y)
    ones = np.ones((len(y), 1), np.longdouble)
    problem = Problem(loss, ones, y, weights, none, none, none > 0, unit, spread)
    return minimize(problem, none + constant)[1], spread


def scaled_columns(X, weights, fit_intercept):
    """Return centred columns of unit scale, with their centres and scales."""
    centre = weights @ X if fit_intercept else np.zeros(X.shape[1], X.dtype)
    centred = X - centre
    scale = np.sqrt(weights @ centred**2)
    scale = np.where(scale > 0, scale, 1)
    return centred / scale, centre, scale


def orthonormalize(X, weights):
    """Return an orthonormal basis of the columns, and T such that it is X T, by Gram-Schmidt."""
    Q, T = np.zeros((len(X), 0), X.dtype), np.zeros((X.shape[1], 0), X.dtype)
    for column, unit in zip(X.T, np.eye(X.shape[1], dtype=X.dtype), strict=True):
        for _ in range(2):  # the second time for the rounding of the first
            along = (weights * column) @ Q
            column, unit = column - Q @ along, unit - T @ along
        size = np.sqrt(weights @ column**2)
        if size > SMALLEST_COLUMN:
            Q, T = np.column_stack([Q, column / size]), np.column_stack([T, unit / size])
    return Q, T


def with_fewer_rows(problem):
    """Return a problem of squared error with the same objective, but a row for each direction."""
    y = problem.y / np.sqrt(problem.weights @ problem.y**2)
    Q = orthonormalize(np.column_stack([problem.X, y]), problem.weights)[0]
    project = (Q.T * problem.weights) @ np.column_stack([problem.X, problem.y])
    return replace(
        problem, X=project[:, :-1], y=project[:, -1], weights=np.ones(len(project), Q.dtype)
    )


def minimize_unpenalized(problem, w):
    """Return what `minimize` does, computed with orthonormal columns."""
    T = orthonormalize(problem.X, problem.weights)[1]
    X, none = problem.X @ T, np.zeros(T.shape[1], T.dtype)
    turned = replace(problem, X=X, l1=none, l2=none, positive=none > 0)
    bound, objective, w = minimize(turned, (problem.weights * (problem.X @ w)) @ X)
    return bound, objective, T @ w


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def fit(loss, X, y, weights=None, *, l1=0.0, l2=0.0, fit_intercept=True, positive=False):
    """Return the certified optimum of a linear model.

    Parameters
    ----------
    loss : Loss
        A loss of this module.
    X : array of shape (n, d)
        Rows.
    y : array of shape (n,)
        Targets.
    weights : array of shape (n,), default=None
        Weights of the rows; their sum does not matter.
    l1, l2 : float, default=0.0
        Strengths of the l1 norm and of half the squared l2 norm of the coefficients.
    fit_intercept, positive : bool
        Whether there is an intercept, and whether the coefficients have to be positive.

    Returns
    -------
    Reference
    """
    best_constant, spread = fit_constant(loss, y, weights)
    y, weights = in_extended_precision(y, weights)
    if not fit_intercept:
        best_constant = weights @ loss.value(np.zeros_like(y), y)
    columns, centre, scale = scaled_columns(np.longdouble(X), weights, fit_intercept)
    d, free = len(scale), np.zeros(int(fit_intercept), np.longdouble)
    problem = Problem(
        loss,
        np.hstack([columns, np.ones((len(y), len(free)), np.longdouble)]),
        y,
        weights,
        np.append(l1 / scale, free),
        np.append(l2 / scale**2, free),
        np.append(np.full(d, positive), free > 0),
        best_constant,
        spread,
    )
    start = np.full(d, INSIDE * spread if positive else 0, np.longdouble)
    start = np.append(start, free + start_of(loss, y, weights)[0])
    is_long = isinstance(loss, Squared) and len(y) > 2 * len(start)
    solve = minimize if l1 or l2 or positive else minimize_unpenalized
    bound, _, w = solve(with_fewer_rows(problem) if is_long else problem, start)
    objective = problem.objective(w)
    coef = w[:d] / scale
    intercept = w[-1] - coef @ centre if fit_intercept else np.longdouble(0)
    return Reference(coef, intercept, objective, objective - bound, best_constant)
