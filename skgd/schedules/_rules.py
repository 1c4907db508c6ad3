"""Step rules: rates that the row at hand, or the objective, decides."""

from typing import Any

import numpy as np

from skgd._utils.component import component
from skgd._utils.validation import check_real
from skgd.schedules._base import FitInfo, Schedule


@component
class PassiveAggressive(Schedule):
    """Base of the two step rules that choose each step from its own row."""

    eta0: float = 1.0
    #: Whether a row of zeros is passed over, as scikit-learn does.
    skips_zero_rows = False

    def __post_init__(self) -> None:
        check_real("eta0", self.eta0, low=0, closed="neither")

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        return np.full(np.shape(t), float(self.eta0))

    def step(self, loss: Any, squared_norm: Any) -> Any:
        """Return the length of the step, in multiples of the row.

        Parameters
        ----------
        loss : array or float
            Loss of the row before the step.
        squared_norm : float
            The row's squared Euclidean norm.

        Returns
        -------
        array or float
            Never negative.
        """
        raise NotImplementedError


@component
class PassiveAggressive1(PassiveAggressive):
    r"""PA-I: the smallest step that cancels the row's loss, within a limit.

    Its length is :math:`\min(\eta_0, \ell / \lVert x \rVert^2)`.
    For one row at a time and the epsilon-insensitive loss only.

    Parameters
    ----------
    eta0 : float, default=1.0
        The longest step allowed, in (0, inf).

    References
    ----------
    K. Crammer et al., "Online Passive-Aggressive Algorithms", JMLR 2006.

    Examples
    --------
    >>> from skgd.schedules import PassiveAggressive1
    >>> float(PassiveAggressive1(eta0=1.0).step(2.0, 4.0))
    0.5
    """

    skips_zero_rows = True

    def step(self, loss: Any, squared_norm: Any) -> Any:
        return np.minimum(self.eta0, loss / squared_norm)


@component
class PassiveAggressive2(PassiveAggressive):
    r"""PA-II: a damped step towards cancelling the row's loss.

    Its length is :math:`\ell / (\lVert x \rVert^2 + 1 / (2 \eta_0))`.
    For one row at a time and the epsilon-insensitive loss only.

    Parameters
    ----------
    eta0 : float, default=1.0
        Aggressiveness: the smaller, the more damping; in (0, inf).

    References
    ----------
    K. Crammer et al., "Online Passive-Aggressive Algorithms", JMLR 2006.

    Examples
    --------
    >>> from skgd.schedules import PassiveAggressive2
    >>> PassiveAggressive2(eta0=0.5).step(2.0, 3.0)
    0.5
    """

    def step(self, loss: Any, squared_norm: Any) -> Any:
        return loss / (squared_norm + 0.5 / self.eta0)


@component
class LineSearch(Schedule):
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

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        return np.ones(np.shape(t))
