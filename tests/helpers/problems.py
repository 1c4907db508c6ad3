"""Problems of solvers on given rows."""

import numpy as np

from skgd.data.design import Design
from skgd.data.scaling import FeatureScaling
from skgd.losses import SquaredError
from skgd.objectives import Objective
from skgd.optimizers import GD
from skgd.schedules import Constant
from skgd.solvers.problem import Problem


def make_problem(
    X,
    y,
    *,
    weights=None,
    scaling=None,
    fit_intercept=True,
    loss=None,
    l1=0.0,
    l2=0.0,
    bounds=(-np.inf, np.inf),
    optimizer=None,
    schedule=None,
    batch_size=None,
    max_iter=1,
    offset=None,
    **options,
):
    """Return a problem: by default gradient descent on the full batch, without a penalty.

    Parameters
    ----------
    X : array or CSR matrix of shape (n, d)
        Rows.
    y : array of shape (n,) or (n, k)
        Targets.
    weights, scaling, fit_intercept, loss
        Parts of the objective; by default no weights, no scaling and the squared error.
    l1, l2 : float
        Strengths of the penalties of all coefficients in original coordinates.
    offset : array of the shape of y, default=None
        Terms that are added to the linear predictors.
    bounds : pair of float or arrays of shape (d,), default=(-inf, inf)
        Lower and upper bounds of the scaled coefficients.
    optimizer, schedule, batch_size, max_iter, **options
        Fields of the problem; by default the rate is 0.1.
    """
    scaling = scaling or FeatureScaling.identity(X.shape[1])
    strength = np.append(1 / scaling.scale, 0.0)
    objective = Objective(
        design=Design(X, scaling, fit_intercept),
        y=y,
        weights=weights,
        loss=loss or SquaredError(),
        l1=(l1 * strength).astype(X.dtype),
        l2=(l2 * strength**2).astype(X.dtype),
        offset=offset,
        lower=np.append(np.broadcast_to(bounds[0], X.shape[1]), -np.inf).astype(X.dtype),
        upper=np.append(np.broadcast_to(bounds[1], X.shape[1]), np.inf).astype(X.dtype),
    )
    options = {"surrogate": objective} | options
    optimizer, schedule = optimizer or GD(), schedule or Constant(0.1)
    return Problem(objective, optimizer, schedule, batch_size, max_iter, max_iter, **options)
