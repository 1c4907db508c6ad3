"""Step rules: steps whose length the row at hand, or the objective, determines.

They take the place of a schedule as ``learning_rate``, but are no function of time. To add a rule,
define a class that derives from :class:`StepRule`, decorated with ``@component(name=...)``, and add
it to ``__all__``.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from skgd._utils.component import Component, checked, component
from skgd._utils.validation import check_real

__all__ = ["LineSearch", "PassiveAggressive1", "PassiveAggressive2", "StepRule"]


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


#: Step rules by the names that estimators accept as ``learning_rate``, in the order of definition.
STEP_RULES = StepRule.registry
