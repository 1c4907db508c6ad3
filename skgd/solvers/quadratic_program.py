r"""Exact minimisation of quadratic models with an l1 penalty and bounds, by an active-set method.

The problem is

.. math:: \min_\theta\; g^\top (\theta - \theta_0)
          + \tfrac12 (\theta - \theta_0)^\top H (\theta - \theta_0) + \sum_j l_{1j} |\theta_j|,
          \qquad a_j \le \theta_j \le b_j

Each coordinate is fixed at a *breakpoint*, that is at a bound or, with an l1 penalty, at zero; or
it is free between two breakpoints. The objective is quadratic in the free coordinates, so that a
Newton step minimises it. Coordinates that the step takes beyond a breakpoint are fixed there. After
a complete step, fixed coordinates from which the objective decreases are freed. Every step
decreases the objective, so the method ends after finitely many.

References
----------
J. Nocedal, S. J. Wright, "Numerical Optimization", 2006, chapter 16.
"""

from functools import cached_property

import numpy as np
from scipy.linalg import lapack

#: Steps for each coordinate after which the method returns the best point so far.
MAX_STEPS_PER_COORDINATE = 20

#: Reciprocal condition number below which a Cholesky factor is too inaccurate.
MIN_CHOLESKY_CONDITION = 1e-11

#: Units of rounding, and share of a right-hand side, that count as zero.
ROUNDING_UNITS, RESIDUAL_ROUNDING = 16, 1e-9


class QuadraticProgram:
    r"""A quadratic model with an l1 penalty and bounds.

    Parameters
    ----------
    hessian : array of shape (d, d)
        Positive semidefinite matrix H.
    l1, lower, upper : arrays of shape (d,)
        Strengths of the l1 norm, and bounds.
    root : callable or None, default=None
        Returns a square matrix R with :math:`H = R^\top R`, or None. From R, ill-conditioned
        systems are solved with half the loss of digits.
    rounding : float, default=0.0
        Relative size of the rounding errors of R.
    """

    def __init__(self, hessian, l1, lower, upper, root=None, rounding=0.0):
        self.hessian, self.l1, self.lower, self.upper = hessian, l1, lower, upper
        self.compute_root, self.root_rounding = root or (lambda: None), rounding
        diagonal = np.diag(hessian)
        self.is_curved = diagonal > 0
        self.scale = np.sqrt(np.where(self.is_curved, diagonal, np.inf))
        self.has_breakpoints = bool(
            l1.any() or np.isfinite(lower).any() or np.isfinite(upper).any()
        )

    @cached_property
    def root(self):
        """The matrix R, computed once, or None."""
        return self.compute_root()

    def minimize(self, gradient, start):
        """Return the minimiser, and the decrease of the objective from the start.

        Parameters
        ----------
        gradient : array of shape (d,)
            Gradient of the model at the start, without the l1 term.
        start : array of shape (d,)
            Feasible parameters.
        """
        if self.has_breakpoints:
            theta = self.solve_active_set(gradient, start)
        else:
            theta = start + self.solve(np.flatnonzero(self.is_curved), gradient)
        return theta, -self.increase(gradient, start, theta)

    def increase(self, gradient, start, theta):
        """Return the difference of the objective between two points, given the gradient at one."""
        change = theta - start
        l1_change = self.l1 @ (np.abs(theta) - np.abs(start))
        return float(gradient @ change + 0.5 * change @ (self.hessian @ change) + l1_change)

    def solve_active_set(self, gradient, start):
        """Return the minimiser by the active-set method."""
        theta, slope, n_freed = start.copy(), gradient.copy(), len(start)
        sign = np.sign(theta) * (self.l1 > 0)
        is_free = ((sign != 0) | (self.l1 == 0)) & (theta > self.lower) & (theta < self.upper)
        is_free &= self.is_curved
        gain = np.inf
        for _ in range(MAX_STEPS_PER_COORDINATE * len(start)):
            after, is_blocked = self.take_step(theta, slope, sign, is_free)
            gain -= self.increase(slope, theta, after)
            slope += self.hessian @ (after - theta)
            theta = after
            is_free &= ~is_blocked
            if is_blocked.any():
                sign = np.where(is_blocked, np.sign(theta) * (self.l1 > 0), sign)
                continue
            if gain <= 0:
                if n_freed == 1:
                    break
                n_freed = max(1, n_freed // 8)
            gain = 0.0
            freed, direction = self.find_descent(theta, slope, gradient, start, is_free)
            if not len(freed):
                break
            freed = freed[:n_freed]
            at_zero = theta[freed] == 0
            sign[freed] = np.where(at_zero, direction[freed], np.sign(theta[freed]))
            sign[freed] *= self.l1[freed] > 0
            is_free[freed] = True
        return theta

    def take_step(self, theta, slope, sign, is_free):
        """Return the parameters after a Newton step of the free ones, and which it fixed."""
        lowest = np.where(sign > 0, np.maximum(self.lower, 0), self.lower)
        highest = np.where(sign < 0, np.minimum(self.upper, 0), self.upper)
        index = np.flatnonzero(is_free)
        step = self.solve(index, slope, self.l1 * sign)
        after = np.clip(theta + step, lowest, highest)
        after[~is_free] = theta[~is_free]
        is_blocked = is_free & (after != theta + step)
        if self.increase(slope, theta, after) < 0:
            return after, is_blocked
        if not is_blocked.any():  # the step is nothing but rounding errors
            return theta, is_blocked
        blocked = np.flatnonzero(is_blocked)
        shares = (after[blocked] - theta[blocked]) / step[blocked]
        share = shares.min()
        first = blocked[shares <= share]
        partial = np.where(is_free, theta + share * step, theta)
        partial[first] = after[first]
        is_blocked = np.zeros_like(is_free)
        is_blocked[first] = True
        return partial, is_blocked

    def find_descent(self, theta, slope, gradient, start, is_free):
        """Return the fixed coordinates from which the objective decreases, steepest first.

        Returns
        -------
        index : array of int
        direction : array of shape (d,)
            1 where it decreases to the right, -1 where to the left.
        """
        right = slope + np.where(theta >= 0, self.l1, -self.l1)
        left = slope + np.where(theta > 0, self.l1, -self.l1)
        moved = self.scale[self.is_curved] @ np.abs(theta - start)[self.is_curved]
        rounding = np.abs(gradient) + self.l1 + np.where(self.is_curved, self.scale, 0) * moved
        rounding *= ROUNDING_UNITS * np.finfo(float).eps
        goes_right = (right < -rounding) & (theta < self.upper)
        goes_left = (left > rounding) & (theta > self.lower)
        steepness = np.maximum(-right * goes_right, left * goes_left) / self.scale
        steepness[is_free] = 0
        index = np.argsort(-steepness)
        return index[steepness[index] > 0], np.where(goes_right, 1.0, -1.0)

    def solve(self, index, slope, l1_slope=0.0):
        """Return the Newton step of some coordinates; the others are zero.

        Parameters
        ----------
        index : array of int
            The coordinates.
        slope : array of shape (d,)
            Gradient of the quadratic part.
        l1_slope : array of shape (d,), default=0.0
            Gradient of the l1 term.
        """
        solution = np.zeros(len(self.scale))
        if not len(index):
            return solution
        scale = self.scale[index]
        right = -(slope + l1_slope)[index] / scale
        matrix = self.hessian[np.ix_(index, index)] / np.outer(scale, scale)
        factor, failed = lapack.dpotrf(matrix)
        norm = np.abs(matrix).sum(axis=0).max()
        if not failed and lapack.dpocon(factor, norm)[0] > MIN_CHOLESKY_CONDITION:
            solution[index] = lapack.dpotrs(factor, right)[0] / scale
            return solution
        values, vectors, smallest = self.decompose(index, matrix)
        is_null = values <= smallest
        # Along a direction without curvature the gradient of the quadratic part is zero, whatever
        # its rounding errors are; that of the l1 term is constant until a breakpoint is reached.
        right_l1 = -np.broadcast_to(l1_slope, slope.shape)[index] / scale
        shares, unbounded = vectors.T @ right, vectors.T @ right_l1
        unbounded[np.abs(unbounded) <= RESIDUAL_ROUNDING * np.linalg.norm(right_l1)] = 0
        unbounded = unbounded / max(smallest, np.finfo(float).tiny)
        curved = shares / np.where(is_null, 1, values)
        solution[index] = vectors @ np.where(is_null, unbounded, curved) / scale
        return solution

    def decompose(self, index, matrix):
        """Return eigenvalues, eigenvectors and the eigenvalue that is zero up to rounding."""
        rounding = len(index) * np.finfo(float).eps
        if self.root is None:
            values, vectors = np.linalg.eigh(matrix)
            return values, vectors, rounding * values[-1]
        _, singular, vectors = np.linalg.svd(self.root[:, index] / self.scale[index])
        return singular**2, vectors.T, (max(rounding, self.root_rounding) * singular[0]) ** 2
