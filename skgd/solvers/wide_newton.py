"""Newton steps with more features than a dense Hessian is formed for.

With an l1 penalty or bounds, the quadratic model is minimised over a *working set* of features: the
free ones and those of largest subgradient (Massias, Gramfort and Salmon, "Celer: a Fast Solver for
the Lasso with Dual Extrapolation", 2018). Otherwise it is minimised by conjugate gradients, which
need products with the rows only.
"""

from inspect import signature

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

#: Number of parameters up to which a dense Hessian is formed.
MAX_DENSE_PARAMETERS = 2001

#: Smallest working set, and its size relative to the number of nonzero coefficients.
MIN_WORKING_SET, WORKING_SET_RATIO = 100, 2

#: SciPy before 1.12 calls the relative tolerance tol.
RTOL_NAME = "rtol" if "rtol" in signature(cg).parameters else "tol"

#: Relative residual of conjugate gradients, and the largest number of their steps.
CG_TOL, MAX_CG_STEPS = 1e-4, 500


def choose_working_set(objective, point):
    """Return the indices of the parameters to minimise over; the last one is the intercept.

    With several outputs, a feature is chosen for all of them. If more features are free than a
    Hessian is formed for, those of largest subgradient are chosen.
    """
    theta, subgradient = map(np.atleast_2d, (point.theta, objective.min_subgradient(point)))
    is_fixed = (theta <= objective.lower) | (theta >= objective.upper)
    is_fixed |= (theta == 0) & (objective.l1 > 0)
    is_free, steepness = ~is_fixed.all(axis=0), np.abs(subgradient).max(axis=0)
    if is_free.sum() < MAX_DENSE_PARAMETERS:
        steepness[is_free] = np.inf
    size = max(MIN_WORKING_SET, WORKING_SET_RATIO * int(np.isposinf(steepness).sum()))
    size = min(size, MAX_DENSE_PARAMETERS - 1, len(steepness) - 1)
    chosen = np.argpartition(-steepness[:-1], size - 1)[:size]
    return np.append(np.sort(chosen[steepness[chosen] > 0]), len(steepness) - 1)


def minimize_by_conjugate_gradients(objective, point):
    """Return the minimiser of the quadratic model of each output, and the total decrease.

    The preconditioner is the diagonal of the Hessian.
    """
    thetas = np.atleast_2d(point.theta)
    targets, decrease = thetas.astype(float), 0.0
    for k, gradient in enumerate(np.atleast_2d(point.gradient)):
        product, diagonal = objective.hessian_operator(point, k)
        inverse = 1 / np.where(diagonal > 0, diagonal, 1)
        shape = (len(gradient),) * 2
        step, _ = cg(
            LinearOperator(shape, product, dtype=float),
            -gradient.astype(float),
            atol=0.0,
            **{RTOL_NAME: CG_TOL},
            maxiter=MAX_CG_STEPS,
            M=LinearOperator(shape, lambda vector, inverse=inverse: inverse * vector, dtype=float),
        )
        targets[k] += step
        decrease -= float(gradient @ step + 0.5 * step @ product(step))
    return targets.reshape(point.theta.shape).astype(point.theta.dtype), decrease
