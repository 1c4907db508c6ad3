"""Curvature constants of an objective, from which learning rates follow."""

import numpy as np

#: Maximal number of power iterations, and the relative change of the estimate at which they stop.
POWER_ITERATIONS, POWER_TOLERANCE = 300, 1e-5


def largest_curvature(objective, bound):
    """Return the largest curvature L of the smooth part of `objective`, by power iteration.

    Parameters
    ----------
    objective : Objective or QuadraticModel
        The objective.
    bound : float
        Upper bound on the second derivative of the loss.

    Returns
    -------
    float
        L, estimated from below to about five digits; zero if the objective is constant.
    """
    size = len(objective.l2)
    vector = np.random.default_rng(0).standard_normal(size).astype(objective.l2.dtype)
    vector = objective.hessian_product(vector, bound)  # removes directions of zero curvature
    largest = 0.0
    for _ in range(POWER_ITERATIONS):
        norm = np.linalg.norm(vector)
        if norm == 0:
            break
        vector /= norm
        image = objective.hessian_product(vector, bound)
        previous, largest = largest, float(np.vdot(vector, image))
        if abs(largest - previous) <= POWER_TOLERANCE * largest:
            break
        vector = image
    return largest


def expected_smoothness(objective, bound, batch_size):
    r"""Return the expected smoothness constant of random batches of k = `batch_size` rows.

    It takes the place of L in step sizes of SGD.

    .. math:: L_k = c \left[ \frac{n (k - 1)}{k (n - 1)} \lambda_{max}
              + \frac{n - k}{k (n - 1)} \max_i s_i \lVert \tilde x_i \rVert^2 \right]

    For k = n it is the largest curvature of the objective, and for k = 1 that of the row of largest
    weighted norm.

    References
    ----------
    R. M. Gower et al., "SGD: General Analysis and Improved Rates", ICML 2019.
    """
    n, k = objective.design.n_rows, batch_size
    if k >= n:
        return largest_curvature(objective, bound)
    norms = objective.design.squared_norms()
    largest_norm = float(np.max(norms if objective.weights is None else norms * objective.weights))
    row_term = bound * (n - k) / (k * (n - 1)) * largest_norm
    if k == 1:
        return row_term + float(objective.l2.max())
    return row_term + n * (k - 1) / (k * (n - 1)) * largest_curvature(objective, bound)
