"""Step rules: step lengths that depend on the current row or on the objective."""

from typing import Any

import numpy as np

from skgd._utils.component import component
from skgd._utils.validation import check_real
from skgd.schedules._base import FitInfo, Schedule


@component
class PassiveAggressive(Schedule):
    """Base class of the passive-aggressive rules, whose step lengths depend on the current row."""

    eta0: float = 1.0
    #: Whether rows of zeros are skipped, as in scikit-learn.
    skips_zero_rows = False

    def __post_init__(self) -> None:
        check_real("eta0", self.eta0, low=0, closed="neither")

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        return np.full(np.shape(t), float(self.eta0))

    def step(self, loss: Any, squared_norm: Any) -> Any:
        r"""Return the step length :math:`\tau`; an update adds :math:`\pm \tau x` to coefficients.

        Parameters
        ----------
        loss : array or float
            Loss of the row before the update.
        squared_norm : float
            Squared Euclidean norm of the row, :math:`\lVert x \rVert^2`.

        Returns
        -------
        array or float
            Step lengths, not negative.
        """
        raise NotImplementedError


@component
class PassiveAggressive1(PassiveAggressive):
    r"""PA-I: the smallest step that makes the loss of the row zero, up to a maximum length.

    The step length is :math:`\tau = \min(\eta_0, \ell / \lVert x \rVert^2)`. The rule requires
    updates on single rows and the epsilon-insensitive loss.

    Parameters
    ----------
    eta0 : float, default=1.0
        Maximum step length (the aggressiveness parameter C of the paper), in (0, inf).

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
    r"""PA-II: a damped step that reduces the loss of the row.

    The step length is :math:`\tau = \ell / (\lVert x \rVert^2 + 1 / (2 \eta_0))`. The rule requires
    updates on single rows and the epsilon-insensitive loss.

    Parameters
    ----------
    eta0 : float, default=1.0
        Aggressiveness parameter C of the paper: smaller values shorten the steps; in (0, inf).

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

    decrease: float = 1e-4
    shrink: float = 0.5

    def __post_init__(self) -> None:
        check_real("decrease", self.decrease, low=0, high=0.5, closed="right")
        check_real("shrink", self.shrink, low=0, high=1, closed="neither")

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        return np.ones(np.shape(t))
