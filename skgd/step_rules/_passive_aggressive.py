"""Passive-aggressive step rules: each row determines the length of its own step."""

from typing import Any

import numpy as np

from skgd._utils.component import checked, component
from skgd._utils.validation import check_real
from skgd.step_rules._base import StepRule

__all__ = ["PassiveAggressive1", "PassiveAggressive2"]


@component
class PassiveAggressive(StepRule):
    """Base class of the passive-aggressive rules, whose step lengths depend on the current row."""

    eta0: float = checked(check_real, default=1.0, low=0, closed="neither")
    chooses_by_row = True
    #: Whether rows of zeros are skipped, as in scikit-learn.
    skips_zero_rows = False

    @property
    def nominal_rate(self) -> float:
        """The learning rate that is reported, and by which penalties are applied: `eta0`."""
        return self.eta0

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


@component(name="pa1")
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
    >>> from skgd.step_rules import PassiveAggressive1
    >>> float(PassiveAggressive1(eta0=1.0).step(2.0, 4.0))
    0.5
    """

    skips_zero_rows = True

    def step(self, loss: Any, squared_norm: Any) -> Any:
        return np.minimum(self.eta0, loss / squared_norm)


@component(name="pa2")
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
    >>> from skgd.step_rules import PassiveAggressive2
    >>> PassiveAggressive2(eta0=0.5).step(2.0, 3.0)
    0.5
    """

    def step(self, loss: Any, squared_norm: Any) -> Any:
        return loss / (squared_norm + 0.5 / self.eta0)
