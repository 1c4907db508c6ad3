"""Learning-rate schedules: the rate as a closed form of the update number t = 1, 2, ….

A schedule holds numbers only. What else it depends on (the strength of the penalty, the updates in
an epoch, the epochs of the run) it learns from :meth:`Schedule.resolve`. A new schedule is a frozen
dataclass deriving from :class:`Schedule` plus one line in ``SCHEDULES``; the shared tests find it
there.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skgd import _pieces
from skgd._validation import InvalidParameterError, check_choice, check_real

__all__ = [
    "Adaptive",
    "Constant",
    "InverseScaling",
    "LineSearch",
    "Optimal",
    "PassiveAggressive1",
    "PassiveAggressive2",
    "Schedule",
    "TimeDecay",
]


@dataclass(frozen=True)
class Run:
    """What a schedule may need to know about the fit it serves.

    Parameters
    ----------
    alpha : float
        Strength of the penalty.
    updates_per_epoch : int
        Updates in one pass over the data.
    max_iter : int
        Epochs of the run.
    """

    alpha: float = 0.0
    updates_per_epoch: int = 1
    max_iter: int = 1


@dataclass(frozen=True)
class Schedule(_pieces.Piece):
    """Base class of the schedules.

    A subclass defines ``rate(t, run)``; ``t`` is an array of update numbers (or of epoch numbers,
    where ``per`` is "epoch"), starting at 1, and ``run`` a :class:`Run`.
    """

    per = "update"

    def rate(self, t, run):
        """Return the rates at the times `t`.

        Parameters
        ----------
        t : array of shape (m,)
            Update or epoch numbers, from 1.
        run : Run
            The fit that the schedule serves.

        Returns
        -------
        array of shape (m,)
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method rate(t, run)")

    def resolve(self, *, alpha=0.0, updates_per_epoch=1, max_iter=1):
        """Return the schedule as a function of the update number alone.

        Parameters
        ----------
        alpha : float, default=0.0
            Strength of the penalty, in [0, inf).
        updates_per_epoch : int, default=1
            Updates in one pass over the data, at least 1.
        max_iter : int, default=1
            Epochs of the run, at least 1.

        Returns
        -------
        callable
            Takes an array of update numbers (from 1), returns an array of positive rates.

        Examples
        --------
        >>> from skgd.schedules import InverseScaling
        >>> InverseScaling(eta0=0.1, power_t=0.5).resolve()([1, 4, 100])
        array([0.1 , 0.05, 0.01])
        """
        run = Run(alpha, updates_per_epoch, max_iter)

        def rates(t):
            t = np.asarray(t, dtype=float)
            clock = t if self.per == "update" else 1 + (t - 1) // updates_per_epoch
            return checked_rates(self.rate(clock, run), t)

        return rates


def checked_rates(rates, t):
    """Return `rates` as an array like `t`, or refuse the first that is not positive and finite."""
    rates = np.broadcast_to(np.asarray(rates, dtype=float), np.shape(t))
    bad = ~((rates > 0) & np.isfinite(rates))
    if np.any(bad):
        first = np.flatnonzero(bad)[0]
        raise ValueError(
            f"A learning rate must be positive and finite; got {np.ravel(rates)[first]} at update "
            f"t={np.ravel(t)[first]:g}."
        )
    return rates


@dataclass(frozen=True)
class Constant(Schedule):
    r"""The same rate for ever, :math:`\eta_t = \eta_0`.

    Parameters
    ----------
    eta0 : float, default=0.01
        The rate, in (0, inf).

    Examples
    --------
    >>> from skgd.schedules import Constant
    >>> Constant(eta0=0.1).resolve()([1, 2])
    array([0.1, 0.1])
    """

    eta0: float = 0.01

    def __post_init__(self):
        check_real("eta0", self.eta0, low=0, closed="neither")

    def rate(self, t, run):  # noqa: D102 - documented by the base class
        return np.full(np.shape(t), float(self.eta0))


@dataclass(frozen=True)
class InverseScaling(Schedule):
    r"""A power of time, :math:`\eta_t = \eta_0 / t^{p}`.

    Parameters
    ----------
    eta0 : float, default=0.01
        The first rate, in (0, inf).
    power_t : float, default=0.25
        The exponent p, any real number; negative ones let the rate grow.
    per : {"update", "epoch"}, default="update"
        The clock that t is read from.

    Examples
    --------
    >>> from skgd.schedules import InverseScaling
    >>> InverseScaling(eta0=0.1, power_t=0.5).resolve()([1, 4])
    array([0.1 , 0.05])
    """

    eta0: float = 0.01
    power_t: float = 0.25
    per: str = "update"

    def __post_init__(self):
        check_real("eta0", self.eta0, low=0, closed="neither")
        check_real("power_t", self.power_t)
        check_choice("per", self.per, ["update", "epoch"])

    def rate(self, t, run):  # noqa: D102
        return self.eta0 / t**self.power_t


@dataclass(frozen=True)
class Optimal(Schedule):
    r"""Bottou's rate for a penalised objective, :math:`\eta_t = 1 / (\alpha (t_0 + t - 1))`.

    :math:`t_0 = \alpha^{-3/4}`, so that the first step is of the size expected of the weights. It
    needs a penalty with :math:`\alpha > 0`.

    References
    ----------
    L. Bottou, "Stochastic Gradient Descent Tricks", 2012; scikit-learn's ``"optimal"``.

    Examples
    --------
    >>> from skgd.schedules import Optimal
    >>> Optimal().resolve(alpha=1e-4)([1, 1001])
    array([10., 5.])
    """

    def rate(self, t, run):  # noqa: D102
        if run.alpha <= 0:
            raise InvalidParameterError(
                "learning_rate='optimal' divides by alpha and needs alpha > 0; "
                f"got alpha={run.alpha!r}. Set alpha, or choose another learning_rate."
            )
        typical_weight = math.sqrt(1.0 / math.sqrt(run.alpha))
        t0 = 1.0 / (typical_weight * run.alpha)
        return 1.0 / (run.alpha * (t0 + t - 1))


@dataclass(frozen=True)
class Adaptive(Schedule):
    r"""A constant rate that is divided whenever the fit stalls, until it falls below a minimum.

    :math:`\eta = \eta_0 / factor^{s}` after s stalls; a stall is `n_iter_no_change` epochs in a row
    without an improvement of `tol`. A stall at a rate of at most `minimum` ends the fit.

    Parameters
    ----------
    eta0 : float, default=0.01
        The first rate, in (0, inf).
    factor : float, default=5
        What a stall divides the rate by, in (1, inf).
    minimum : float, default=1e-6
        The rate that is not divided any more, in [0, inf).

    Examples
    --------
    >>> from skgd.schedules import Adaptive
    >>> Adaptive(eta0=0.1).after_stall(1.0), Adaptive(eta0=0.1).after_stall(1e-6)
    (0.2, None)
    """

    eta0: float = 0.01
    factor: float = 5.0
    minimum: float = 1e-6

    def __post_init__(self):
        check_real("eta0", self.eta0, low=0, closed="neither")
        check_real("factor", self.factor, low=1, closed="neither")
        check_real("minimum", self.minimum, low=0)

    def rate(self, t, run):  # noqa: D102
        return np.full(np.shape(t), float(self.eta0))

    def after_stall(self, scale):
        """Return what the rates are multiplied by from now on, or None where the fit should end.

        Parameters
        ----------
        scale : float
            What they were multiplied by so far.

        Returns
        -------
        float or None
        """
        return scale / self.factor if self.eta0 * scale > self.minimum else None


@dataclass(frozen=True)
class TimeDecay(Schedule):
    r"""The rate of the tutorials, :math:`\eta_t = t_0 / (t + t_1)`.

    Parameters
    ----------
    t0 : float, default=5.0
        Numerator, in (0, inf).
    t1 : float, default=50.0
        Delay, in updates or epochs, in [0, inf).
    per : {"update", "epoch"}, default="update"
        The clock that t is read from.

    Examples
    --------
    >>> from skgd.schedules import TimeDecay
    >>> TimeDecay(t0=5, t1=49).resolve()([1, 51])
    array([0.1 , 0.05])
    """

    t0: float = 5.0
    t1: float = 50.0
    per: str = "update"

    def __post_init__(self):
        check_real("t0", self.t0, low=0, closed="neither")
        check_real("t1", self.t1, low=0)
        check_choice("per", self.per, ["update", "epoch"])

    def rate(self, t, run):  # noqa: D102
        return self.t0 / (t + self.t1)


@dataclass(frozen=True)
class PassiveAggressive(Schedule):
    """Base of the two step rules that choose each step from its own row."""

    eta0: float = 1.0

    def __post_init__(self):
        check_real("eta0", self.eta0, low=0, closed="neither")

    def rate(self, t, run):  # noqa: D102
        return np.full(np.shape(t), float(self.eta0))

    def step(self, loss, squared_norm):
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


@dataclass(frozen=True)
class PassiveAggressive1(PassiveAggressive):
    r"""PA-I: the smallest step that cancels the row's loss, :math:`\min(\eta_0, \ell / \lVert x \rVert^2)`.

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
    >>> PassiveAggressive1(eta0=1.0).step(2.0, 4.0)
    0.5
    """

    def step(self, loss, squared_norm):  # noqa: D102
        return np.minimum(self.eta0, loss / squared_norm)


@dataclass(frozen=True)
class PassiveAggressive2(PassiveAggressive):
    r"""PA-II: a damped step, :math:`\ell / (\lVert x \rVert^2 + 1 / (2 \eta_0))`.

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

    def step(self, loss, squared_norm):  # noqa: D102
        return loss / (squared_norm + 0.5 / self.eta0)


@dataclass(frozen=True)
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
    """

    decrease: float = 1e-4
    shrink: float = 0.5

    def __post_init__(self):
        check_real("decrease", self.decrease, low=0, high=0.5, closed="right")
        check_real("shrink", self.shrink, low=0, high=1, closed="neither")

    def rate(self, t, run):  # noqa: D102
        return np.ones(np.shape(t))


@dataclass(frozen=True)
class FromCallable(Schedule):
    """A schedule made of any function ``t -> rate``."""

    function: Callable

    def rate(self, t, run):
        """Call the function on the array of times, or where it takes none, on each of them."""
        try:
            rates = np.asarray(self.function(t), dtype=float)
        except Exception:
            rates = None  # not written for arrays; its own error, if any, comes from the scalars
        if rates is None or rates.shape not in ((), np.shape(t)):
            rates = np.array([float(self.function(moment)) for moment in np.ravel(t)])
        return rates


#: Schedules by the names that estimators accept.
SCHEDULES = {
    "constant": Constant,
    "invscaling": InverseScaling,
    "optimal": Optimal,
    "adaptive": Adaptive,
    "pa1": PassiveAggressive1,
    "pa2": PassiveAggressive2,
    "line_search": LineSearch,
}
