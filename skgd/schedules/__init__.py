"""Learning-rate schedules: the rate as a closed form of the update number t = 1, 2, ….

A schedule holds numbers only. What else it depends on (the strength of the penalty, the updates in
an epoch, the epochs of the run) it learns from :meth:`Schedule.resolve`. A new schedule is a frozen
dataclass deriving from :class:`Schedule`, in the room of its family, plus one line in
``SCHEDULES``; the shared tests find it there.
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

#: Schedules by the names that estimators accept.
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
