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
from skgd.schedules._composed import Join, LinearWarmup
from skgd.schedules._decays import (
    CosineDecay,
    ExponentialDecay,
    OneCycle,
    PolynomialDecay,
    StepDecay,
)
from skgd.schedules._powers import Adaptive, Constant, InverseScaling, Optimal, TimeDecay
from skgd.step_rules import LineSearch as LineSearch  # step rules were schedules before 0.1
from skgd.step_rules import PassiveAggressive1 as PassiveAggressive1
from skgd.step_rules import PassiveAggressive2 as PassiveAggressive2

__all__ = [
    "Adaptive",
    "Constant",
    "CosineDecay",
    "ExponentialDecay",
    "InverseScaling",
    "Join",
    "LinearWarmup",
    "OneCycle",
    "Optimal",
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
    "time_decay": TimeDecay,
    "step": StepDecay,
    "exponential": ExponentialDecay,
    "polynomial": PolynomialDecay,
    "cosine": CosineDecay,
    "one_cycle": OneCycle,
}
