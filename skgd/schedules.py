"""Learning-rate schedules: the rate as a closed form of the update number t = 1, 2, ….

A schedule holds numbers only. What else it depends on (the strength of the penalty, the updates in
an epoch, the epochs of the run) it learns from :meth:`Schedule.resolve`. A new schedule is a frozen
dataclass deriving from :class:`Schedule` plus one line in ``SCHEDULES``; the shared tests find it
there.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from skgd import _pieces
from skgd._validation import InvalidParameterError, check_choice, check_integer, check_real, refuse

__all__ = [
    "Adaptive",
    "Constant",
    "CosineDecay",
    "ExponentialDecay",
    "InverseScaling",
    "Join",
    "LineSearch",
    "LinearWarmup",
    "OneCycle",
    "Optimal",
    "PassiveAggressive1",
    "PassiveAggressive2",
    "PolynomialDecay",
    "Schedule",
    "StepDecay",
    "TimeDecay",
]

#: What a rate that decays for ever does not fall below, so that it stays positive.
TINY = float(np.finfo(float).tiny)


@dataclass(frozen=True)
class Run:
    """What a schedule may need to know about the fit it serves.

    Parameters
    ----------
    alpha : float
        Strength of the penalty.
    updates_per_epoch : int
        Updates in one pass over the data.
    max_iter : float
        Epochs of the run; for a part of a :class:`Join`, of that part.
    """

    alpha: float = 0.0
    updates_per_epoch: int = 1
    max_iter: float = 1

    def length(self, per):
        """Return the length of the run in updates or in epochs."""
        return self.max_iter if per == "epoch" else round(self.max_iter * self.updates_per_epoch)

    def clock(self, updates, per):
        """Return the update or epoch numbers of the given updates."""
        return 1 + (updates - 1) // self.updates_per_epoch if per == "epoch" else updates


@dataclass(frozen=True)
class Schedule(_pieces.Piece):
    """Base class of the schedules.

    A subclass defines ``rate(t, run)``; ``t`` is an array of update numbers (or of epoch numbers,
    where ``per`` is "epoch"), starting at 1, and ``run`` a :class:`Run`. One that does not fit
    every run says so in ``check(run)``.
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

    def check(self, run):
        """Refuse a run that the schedule does not fit; any will do unless a subclass objects.

        Parameters
        ----------
        run : Run
            The fit that the schedule serves.

        Raises
        ------
        ValueError
            If the schedule makes no sense for it.
        """

    def rates_at(self, updates, run):
        """Return the rates at the given updates, whichever clock the schedule reads.

        Parameters
        ----------
        updates : array of shape (m,)
            Update numbers, from 1.
        run : Run
            The fit that the schedule serves.

        Returns
        -------
        array of shape (m,)
        """
        return self.rate(run.clock(updates, self.per), run)

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

        Raises
        ------
        ValueError
            If the schedule does not fit the run, as where it is longer.

        Examples
        --------
        >>> from skgd.schedules import InverseScaling
        >>> InverseScaling(eta0=0.1, power_t=0.5).resolve()([1, 4, 100])
        array([0.1 , 0.05, 0.01])
        """
        run = Run(alpha, updates_per_epoch, max_iter)
        self.check(run)

        def rates(t):
            t = np.asarray(t, dtype=float)
            return checked_rates(self.rates_at(t, run), t)

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


def check_length(schedule, name, length, run):
    """Refuse a part of `schedule` that is longer than the run."""
    whole = run.length(schedule.per)
    if length is not None and length > whole:
        raise InvalidParameterError(
            f"{type(schedule).__name__} has {name}={length}, which is longer than the run of "
            f"{whole:g} {schedule.per}s. Lower {name}, or raise max_iter."
        )


def progress(t, length):
    """Return the share of `length` that has passed at the time `t`: 0 at t = 1, at last 1."""
    return np.minimum((t - 1) / length, 1)


def cosine(start, end, share):
    """Return what lies between `start` and `end` on half a wave of a cosine."""
    return end + (start - end) * 0.5 * (1 + np.cos(np.pi * share))


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

    def check(self, run):  # noqa: D102
        if run.alpha <= 0:
            raise InvalidParameterError(
                "learning_rate='optimal' divides by alpha and needs alpha > 0; "
                f"got alpha={run.alpha!r}. Set alpha, or choose another learning_rate."
            )

    def rate(self, t, run):  # noqa: D102
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
class StepDecay(Schedule):
    r"""A constant rate that is lowered at regular intervals.

    .. math:: \eta_t = \eta_0 \, \gamma^{\lfloor (t - 1) / every \rfloor}

    Parameters
    ----------
    eta0 : float, default=0.01
        The first rate, in (0, inf).
    decay : float, default=0.5
        What :math:`\gamma` the rate is multiplied by, in (0, 1].
    every : int, default=10
        Epochs (or updates) between one step and the next, at least 1.
    per : {"update", "epoch"}, default="epoch"
        The clock that t is read from.

    Examples
    --------
    >>> from skgd.schedules import StepDecay
    >>> StepDecay(eta0=0.1, decay=0.5, every=2).resolve()([1, 2, 3, 4, 5])
    array([0.1  , 0.1  , 0.05 , 0.05 , 0.025])
    """

    eta0: float = 0.01
    decay: float = 0.5
    every: int = 10
    per: str = "epoch"

    def __post_init__(self):
        check_real("eta0", self.eta0, low=0, closed="neither")
        check_real("decay", self.decay, low=0, high=1, closed="right")
        check_integer("every", self.every, low=1)
        check_choice("per", self.per, ["update", "epoch"])

    def rate(self, t, run):  # noqa: D102
        return np.maximum(self.eta0 * self.decay ** ((t - 1) // self.every), TINY)


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    r"""A rate that loses the same share all the time, :math:`\eta_t = \eta_0 \, \gamma^{t - 1}`.

    Parameters
    ----------
    eta0 : float, default=0.01
        The first rate, in (0, inf).
    decay : float, default=0.95
        What :math:`\gamma` the rate is multiplied by each epoch (or update), in (0, 1].
    per : {"update", "epoch"}, default="epoch"
        The clock that t is read from.

    Examples
    --------
    >>> from skgd.schedules import ExponentialDecay
    >>> ExponentialDecay(eta0=0.1, decay=0.5).resolve()([1, 2, 3])
    array([0.1  , 0.05 , 0.025])
    """

    eta0: float = 0.01
    decay: float = 0.95
    per: str = "epoch"

    def __post_init__(self):
        check_real("eta0", self.eta0, low=0, closed="neither")
        check_real("decay", self.decay, low=0, high=1, closed="right")
        check_choice("per", self.per, ["update", "epoch"])

    def rate(self, t, run):  # noqa: D102
        return np.maximum(self.eta0 * self.decay ** (t - 1), TINY)


@dataclass(frozen=True)
class Decay(Schedule):
    """Base of the schedules that lead from one rate to another and stay there."""

    eta0: float = 0.01
    final: float = 1e-4

    def __post_init__(self):
        check_real("eta0", self.eta0, low=0, closed="neither")
        check_real("final", self.final, low=0, closed="neither")
        if self.length is not None:
            check_integer("length", self.length, low=1)
        check_choice("per", self.per, ["update", "epoch"])

    def check(self, run):
        check_length(self, "length", self.length, run)

    def progress(self, t, run):
        """Return the share of the way that lies behind at the times `t`, from 0 to 1."""
        return progress(t, self.length or run.length(self.per))


@dataclass(frozen=True)
class PolynomialDecay(Decay):
    r"""A rate that falls along a power of the time left, and then stays; a line by default.

    .. math:: \eta_t = \eta_e + (\eta_0 - \eta_e)
              \Bigl(1 - \min\bigl(\tfrac{t - 1}{length}, 1\bigr)\Bigr)^p

    Parameters
    ----------
    eta0 : float, default=0.01
        The first rate, in (0, inf).
    final : float, default=1e-4
        The rate :math:`\eta_e` at the end, in (0, inf).
    power : float, default=1.0
        The exponent p, in (0, inf).
    length : int, default=None
        Epochs (or updates) until the end; None means the whole run.
    per : {"update", "epoch"}, default="epoch"
        The clock that t is read from.

    Examples
    --------
    >>> from skgd.schedules import PolynomialDecay
    >>> PolynomialDecay(eta0=0.5, final=0.1, length=4).resolve(max_iter=6)([1, 2, 3, 4, 5, 6])
    array([0.5, 0.4, 0.3, 0.2, 0.1, 0.1])
    """

    power: float = 1.0
    length: int | None = None
    per: str = "epoch"

    def __post_init__(self):
        super().__post_init__()
        check_real("power", self.power, low=0, closed="neither")

    def rate(self, t, run):  # noqa: D102
        return self.final + (self.eta0 - self.final) * (1 - self.progress(t, run)) ** self.power


@dataclass(frozen=True)
class CosineDecay(Decay):
    r"""A rate that falls along half a wave of a cosine, and then stays.

    .. math:: \eta_t = \eta_e + \tfrac12 (\eta_0 - \eta_e)
              \Bigl(1 + \cos\bigl(\pi \min(\tfrac{t - 1}{length}, 1)\bigr)\Bigr)

    Parameters
    ----------
    eta0 : float, default=0.01
        The first rate, in (0, inf).
    final : float, default=1e-4
        The rate :math:`\eta_e` at the end, in (0, inf).
    length : int, default=None
        Epochs (or updates) until the end; None means the whole run.
    per : {"update", "epoch"}, default="epoch"
        The clock that t is read from.

    References
    ----------
    I. Loshchilov, F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017.

    Examples
    --------
    >>> from skgd.schedules import CosineDecay
    >>> CosineDecay(eta0=0.5, final=0.1).resolve(max_iter=4)([1, 2, 3, 4, 5]).round(3)
    array([0.5  , 0.441, 0.3  , 0.159, 0.1  ])
    """

    length: int | None = None
    per: str = "epoch"

    def rate(self, t, run):  # noqa: D102
        return cosine(self.eta0, self.final, self.progress(t, run))


@dataclass(frozen=True)
class OneCycle(Schedule):
    r"""A rate that rises to a peak and then falls far below its start, on half waves of a cosine.

    From :math:`peak / start\_divisor` at the first update it rises to the peak within
    `warm_fraction` of the cycle, and from there falls to
    :math:`peak / (start\_divisor \cdot final\_divisor)` at the last update, where it stays.

    Parameters
    ----------
    peak : float, default=0.1
        The highest rate, in (0, inf).
    warm_fraction : float, default=0.3
        The share of the cycle in which the rate rises, in (0, 1).
    start_divisor : float, default=25
        The peak over the first rate, in [1, inf).
    final_divisor : float, default=1e4
        The first rate over the last one, in [1, inf).
    length : int, default=None
        Updates (or epochs) of the cycle; None means the whole run.
    per : {"update", "epoch"}, default="update"
        The clock that t is read from.

    References
    ----------
    L. N. Smith, N. Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large
    Learning Rates", 2018; in the form of PyTorch's ``OneCycleLR``.

    Examples
    --------
    >>> from skgd.schedules import OneCycle
    >>> rates = OneCycle(peak=1.0, warm_fraction=0.5, start_divisor=5, final_divisor=2)
    >>> rates.resolve(max_iter=8)([1, 2, 3, 4, 5, 6, 7, 8]).round(3)
    array([0.2  , 0.4  , 0.8  , 1.   , 0.868, 0.55 , 0.232, 0.1  ])
    """

    peak: float = 0.1
    warm_fraction: float = 0.3
    start_divisor: float = 25.0
    final_divisor: float = 1e4
    length: int | None = None
    per: str = "update"

    def __post_init__(self):
        check_real("peak", self.peak, low=0, closed="neither")
        check_real("warm_fraction", self.warm_fraction, low=0, high=1, closed="neither")
        check_real("start_divisor", self.start_divisor, low=1)
        check_real("final_divisor", self.final_divisor, low=1)
        if self.length is not None:
            check_integer("length", self.length, low=1)
        check_choice("per", self.per, ["update", "epoch"])

    def check(self, run):  # noqa: D102
        check_length(self, "length", self.length, run)

    def rate(self, t, run):  # noqa: D102
        length = self.length or run.length(self.per)
        top = self.warm_fraction * length  # the time of the peak; t = length ends the cycle
        start = self.peak / self.start_divisor
        rising = cosine(start, self.peak, progress(t, max(top - 1, 1)))
        share = np.minimum((t - top) / (length - top), 1)
        falling = cosine(self.peak, start / self.final_divisor, share)
        return np.where(t <= top, rising, falling)


@dataclass(frozen=True)
class PassiveAggressive(Schedule):
    """Base of the two step rules that choose each step from its own row."""

    eta0: float = 1.0

    def __post_init__(self):
        check_real("eta0", self.eta0, low=0, closed="neither")

    def rate(self, t, run):
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

    def step(self, loss, squared_norm):  # noqa: D102
        return np.minimum(self.eta0, loss / squared_norm)


@dataclass(frozen=True)
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
            rates = np.array([float(self.function(int(moment))) for moment in np.ravel(t)])
        return rates.reshape(np.shape(t)) if rates.shape else rates


#: Schedules that answer to the course of the fit, and so are no function of the time.
REACTIVE = (Adaptive, PassiveAggressive, LineSearch)


def check_part(name, value):
    """Check that `value` can be a part of another schedule."""
    if not isinstance(value, Schedule) or isinstance(value, REACTIVE):
        refuse(
            name,
            value,
            "an object of skgd.schedules whose rates depend on the time alone",
            "For a number, write Constant(number).",
        )


@dataclass(frozen=True)
class LinearWarmup(Schedule):
    r"""The rates of another schedule, held down at first and released along a line.

    .. math:: \eta_t = \eta'_t \, \min\Bigl(1,\; f + (1 - f) \frac{t - 1}{length}\Bigr)

    The other schedule :math:`\eta'` runs from the start of the fit, as if there were no warm-up.

    Parameters
    ----------
    schedule : Schedule, default=Constant()
        The other schedule, with a clock of its own.
    length : int, default=5
        Epochs (or updates) until its rates are reached, at least 1.
    start_factor : float, default=0.1
        The share f of its rate to begin with, in (0, 1].
    per : {"update", "epoch"}, default="epoch"
        The clock that t is read from.

    References
    ----------
    P. Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017.

    Examples
    --------
    >>> from skgd.schedules import Constant, LinearWarmup
    >>> warm = LinearWarmup(Constant(eta0=0.5), length=4, start_factor=0.2)
    >>> warm.resolve(max_iter=6)([1, 2, 3, 4, 5, 6])
    array([0.1, 0.2, 0.3, 0.4, 0.5, 0.5])
    """

    schedule: Schedule = Constant()
    length: int = 5
    start_factor: float = 0.1
    per: str = "epoch"

    def __post_init__(self):
        check_part("schedule", self.schedule)
        check_integer("length", self.length, low=1)
        check_real("start_factor", self.start_factor, low=0, high=1, closed="right")
        check_choice("per", self.per, ["update", "epoch"])

    def check(self, run):  # noqa: D102
        check_length(self, "length", self.length, run)
        self.schedule.check(run)

    def rates_at(self, updates, run):  # noqa: D102
        share = progress(run.clock(updates, self.per), self.length)
        ramp = self.start_factor + (1 - self.start_factor) * share
        return ramp * self.schedule.rates_at(updates, run)


@dataclass(frozen=True)
class Join(Schedule):
    r"""One schedule after the other; the clock of each starts at 1 when its turn comes.

    .. math:: \eta_t = \eta^{(i)}_{t - at_i}, \qquad at_i < t \le at_{i + 1}, \quad at_0 = 0

    Parameters
    ----------
    schedules : sequence of Schedule, default=(Constant(),)
        The parts in their order. One without a length of its own takes the whole of its turn.
    at : sequence of int, default=()
        The epochs (or updates) after which the next part takes over: one fewer than there are
        parts, in increasing order, the last before the end of the run.
    per : {"update", "epoch"}, default="epoch"
        What `at` counts.

    Examples
    --------
    >>> from skgd.schedules import Constant, Join, PolynomialDecay
    >>> rates = Join([Constant(0.5), PolynomialDecay(0.4, final=0.1)], at=[2])
    >>> rates.resolve(max_iter=5)([1, 2, 3, 4, 5])
    array([0.5, 0.5, 0.4, 0.3, 0.2])
    """

    schedules: tuple = (Constant(),)
    at: tuple = ()
    per: str = "epoch"

    def __post_init__(self):
        for name in ("schedules", "at"):
            value = getattr(self, name)
            if not isinstance(value, (tuple, list)):
                refuse(name, value, "a tuple or a list")
            object.__setattr__(self, name, tuple(value))  # a list has no hash
        for number, part in enumerate(self.schedules):
            check_part(f"schedules[{number}]", part)
        for number, moment in enumerate(self.at):
            after = self.at[number - 1] if number else 0
            check_integer(f"at[{number}]", moment, low=after + 1)
        if len(self.at) != len(self.schedules) - 1:
            refuse("at", self.at, f"one shorter than schedules, which has {len(self.schedules)}")
        check_choice("per", self.per, ["update", "epoch"])

    def check(self, run):  # noqa: D102
        whole = run.length(self.per)
        if self.at and self.at[-1] >= whole:
            raise InvalidParameterError(
                f"Join has at={self.at}, but the run ends after {whole:g} {self.per}s, before the "
                "last part begins. Lower at, or raise max_iter."
            )
        for part, _, turn in self._turns(run):
            part.check(turn)

    def rates_at(self, updates, run):  # noqa: D102
        rates = np.empty(np.shape(updates))
        turns = list(self._turns(run))
        turn_of = np.searchsorted([begin for _, begin, _ in turns], updates) - 1
        for number, (part, begin, turn) in enumerate(turns):
            here = turn_of == number
            rates[here] = part.rates_at(updates[here] - begin, turn)
        return rates

    def _turns(self, run):
        """Yield each part with the updates before its turn, and its turn as a run."""
        unit = run.updates_per_epoch if self.per == "epoch" else 1
        begins, ends = (0, *self.at), (*self.at, run.length(self.per))
        for part, begin, end in zip(self.schedules, begins, ends, strict=True):
            turn = replace(run, max_iter=(end - begin) * unit / run.updates_per_epoch)
            yield part, begin * unit, turn


#: Schedules by the names that estimators accept.
SCHEDULES = {
    "constant": Constant,
    "invscaling": InverseScaling,
    "optimal": Optimal,
    "adaptive": Adaptive,
    "pa1": PassiveAggressive1,
    "pa2": PassiveAggressive2,
    "time_decay": TimeDecay,
    "step": StepDecay,
    "exponential": ExponentialDecay,
    "polynomial": PolynomialDecay,
    "cosine": CosineDecay,
    "one_cycle": OneCycle,
    "line_search": LineSearch,
}
