"""Line search along the direction of descent."""

from skgd._utils.component import checked, component
from skgd._utils.validation import check_real
from skgd.step_rules._base import StepRule

__all__ = ["LineSearch"]


@component(name="line_search")
class LineSearch(StepRule):
    r"""Line search along the direction d of each update; for full batches.

    For the squared error the rate is the exact minimiser along the line,
    :math:`\eta = -g^\top d / d^\top \nabla^2 F \, d`. For other losses it is found by backtracking:
    starting from twice the last accepted rate, it is multiplied by `shrink` until it satisfies the
    Armijo condition :math:`F(\theta + \eta d) \le F(\theta) + c\, \eta\, g^\top d`.

    Parameters
    ----------
    decrease : float, default=1e-4
        The constant c of the Armijo condition, in (0, 1/2].
    shrink : float, default=0.5
        Factor of the rate after a rejected trial, in (0, 1).

    References
    ----------
    L. Armijo, "Minimization of functions having Lipschitz continuous first partial derivatives",
    1966.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import BatchGDRegressor
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> model = BatchGDRegressor(learning_rate="line_search", optimizer="gd").fit(X, y)
    >>> model.stop_reason_
    'converged'
    >>> rates = model.history_["learning_rate"][1:]  # they differ from step to step
    >>> bool(rates.max() > 2 * rates.min())
    True
    """

    decrease: float = checked(check_real, default=1e-4, low=0, high=0.5, closed="right")
    shrink: float = checked(check_real, default=0.5, low=0, high=1, closed="neither")
