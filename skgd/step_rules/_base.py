"""Base class of the step rules."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from skgd._utils.component import Component, component

__all__ = ["StepRule"]


@component
class StepRule(Component):
    """Base class of the step rules, which choose the length of a step from the data.

    A schedule is a function of the update number. A step rule depends on the row at hand or on the
    objective, so that it has no rates of its own: where a number is needed, as in ``history_``, its
    nominal rate is used.

    Examples
    --------
    >>> from skgd import schedules, step_rules
    >>> isinstance(step_rules.LineSearch(), step_rules.StepRule)
    True
    >>> isinstance(step_rules.LineSearch(), schedules.Schedule)
    False
    """

    registry: ClassVar[dict[str, type["StepRule"]]] = {}  # filled by @component(name=...)
    #: Whether the rule chooses a step for each row, so that it needs updates on single rows.
    chooses_by_row = False
    #: Whether the rate is lowered when the fit stalls, as that of some schedules.
    reacts_to_stalls = False

    @property
    def nominal_rate(self) -> float:
        """The rate that stands for the rule where a number is needed."""
        return 1.0

    def resolve(
        self, *, alpha: float = 0.0, updates_per_epoch: int = 1, max_iter: int = 1
    ) -> Callable[[Any], Any]:
        """Return the nominal rate as a function of the update number, as schedules do.

        Parameters
        ----------
        alpha : float, default=0.0
            Ignored.
        updates_per_epoch : int, default=1
            Ignored.
        max_iter : int, default=1
            Ignored.

        Returns
        -------
        callable
            Takes an array of update numbers and returns an array of the nominal rate.
        """
        return lambda t: np.full(np.shape(t), float(self.nominal_rate))

    def after_stall(self, multiplier: float) -> float | None:
        """Return None: a step rule has no rate that could be lowered.

        Parameters
        ----------
        multiplier : float
            Ignored.

        Returns
        -------
        None
        """
        return None
