"""How curved an objective is, and the learning rates that follow from it."""

import numpy as np

#: Power iterations at most, and the relative change at which they stop.
POWER_ITERATIONS, POWER_TOLERANCE = 300, 1e-5


def largest_curvature(objective, bound):
    """Return the largest curvature L of the smooth part of `objective`, by power iteration.

    Parameters
    ----------
    objective : Objective or Expansion
        Data, loss and penalty.
    bound : float
        What the second derivative of the loss is at most.

    Returns
    -------
    float
        L, from below, to about five digits; zero if the objective is constant.
    """
    size = len(objective.l2)
    vector = np.random.default_rng(0).standard_normal(size).astype(objective.l2.dtype)
    vector = objective.hessian_product(vector, bound)  # now without what has no curvature
    largest = 0.0
    for _ in range(POWER_ITERATIONS):
        norm = np.linalg.norm(vector)
        if norm == 0:
            break
        vector /= norm
        image = objective.hessian_product(vector, bound)
        last, largest = largest, float(np.vdot(vector, image))
        if abs(largest - last) <= POWER_TOLERANCE * largest:
            break
        vector = image
    return largest


def expected_smoothness(objective, bound, batch_size):
    r"""Return the curvature that descent on random batches of `batch_size` rows has to respect.

    .. math:: L_k = c \left[ \frac{n (k - 1)}{k (n - 1)} \lambda_{max}
              + \frac{n - k}{k (n - 1)} \max_i s_i \lVert \tilde x_i \rVert^2 \right]

    It is the largest curvature of the full batch for k = n, and of the longest row for k = 1.

    References
    ----------
    R. M. Gower et al., "SGD: General Analysis and Improved Rates", ICML 2019.
    """
    n, k = objective.design.n_rows, batch_size
    if k >= n:
        return largest_curvature(objective, bound)
    norms = objective.design.squared_norms()
    heaviest = float(np.max(norms if objective.weights is None else norms * objective.weights))
    rows = bound * (n - k) / (k * (n - 1)) * heaviest
    if k == 1:
        return rows + float(objective.l2.max())
    return rows + n * (k - 1) / (k * (n - 1)) * largest_curvature(objective, bound)
