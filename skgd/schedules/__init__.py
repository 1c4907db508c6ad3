"""Learning-rate schedules: the learning rate as a function of the update number t = 1, 2, ….

A schedule stores its own parameters only. Properties of the fit that it depends on (the strength
of the penalty, the number of updates per epoch, the number of epochs) are arguments of
:meth:`Schedule.resolve`. To add a schedule, define a frozen dataclass that derives from
:class:`Schedule` in the module of related schedules and add one line to ``SCHEDULES``; the shared
tests run over this registry.
"""

from skgd.schedules._base import FitInfo as FitInfo
from skgd.schedules._base import FromCallable as FromCallable
from skgd.schedules._base import Schedule
from skgd.schedules._composed import STATE_DEPENDENT as STATE_DEPENDENT
from skgd.schedules._composed import Join, LinearWarmup
from skgd.schedules._decays import (
    CosineDecay,
    ExponentialDecay,
    OneCycle,
    PolynomialDecay,
    StepDecay,
)
from skgd.schedules._powers import Adaptive, Constant, InverseScaling, Optimal, TimeDecay
from skgd.schedules._rules import LineSearch, PassiveAggressive1, PassiveAggressive2
from skgd.schedules._rules import PassiveAggressive as PassiveAggressive

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

#: Schedule classes by the names that estimators accept.
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
