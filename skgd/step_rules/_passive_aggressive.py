"""Passive-aggressive step rules: each row determines the length of its own step."""

from typing import Any

import numpy as np

from skgd._utils.component import component
from skgd._utils.validation import check_real
from skgd.step_rules._base import StepRule


@component
class PassiveAggressive(StepRule):
    """Base of the two step rules that choose each step from its own row."""

    eta0: float = 1.0
    chooses_by_row = True
    #: Whether rows of zeros make no update, as in scikit-learn.
    skips_zero_rows = False

    def __post_init__(self) -> None:
        check_real("eta0", self.eta0, low=0, closed="neither")

    @property
    def nominal_rate(self) -> float:
        """The learning rate that is reported, and by which penalties are applied: `eta0`."""
        return self.eta0

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
    >>> from skgd.step_rules import PassiveAggressive1
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
    >>> from skgd.step_rules import PassiveAggressive2
    >>> PassiveAggressive2(eta0=0.5).step(2.0, 3.0)
    0.5
    """

    def step(self, loss: Any, squared_norm: Any) -> Any:
        return loss / (squared_norm + 0.5 / self.eta0)
