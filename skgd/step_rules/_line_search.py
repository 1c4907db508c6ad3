"""Line search along the direction of descent."""

from skgd._utils.component import component
from skgd._utils.validation import check_real
from skgd.step_rules._base import StepRule


@component
class LineSearch(StepRule):
    r"""The rate that the objective itself asks for at each update; for full batches.

    For squared error the exact minimiser along the line,
    :math:`\eta = -g^\top d / d^\top \nabla^2 F \, d`. For other losses backtracking: the rate
    starts at twice the last one that was taken and is multiplied by `shrink` until the objective
    falls by at least `decrease` of what the slope promises (Armijo).

    Parameters
    ----------
    decrease : float, default=1e-4
        The share of the promised decrease that is enough, in (0, 1/2].
    shrink : float, default=0.5
        What a rate that was too large is multiplied by, in (0, 1).

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
    >>> rates = model.history_["learning_rate"][1:]  # a step takes what it can get
    >>> bool(rates.max() > 2 * rates.min())
    True
    """

    decrease: float = 1e-4
    shrink: float = 0.5

    def __post_init__(self) -> None:
        check_real("decrease", self.decrease, low=0, high=0.5, closed="right")
        check_real("shrink", self.shrink, low=0, high=1, closed="neither")
