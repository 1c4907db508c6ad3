"""Learning-rate schedules: the learning rate as a function of the update number t = 1, 2, ….

A schedule stores its own parameters only. Properties of the fit that it depends on (the strength
of the penalty, the number of updates per epoch, the number of epochs) are arguments of
:meth:`Schedule.resolve`. To add a schedule, define a class that derives from :class:`Schedule` in
the module of related schedules, decorated with ``@component(name=...)``, and add it to ``__all__``
there; the shared tests run over the registry ``SCHEDULES``.
"""

from skgd.schedules._base import FitInfo as FitInfo
from skgd.schedules._base import FromCallable as FromCallable
from skgd.schedules._base import Schedule
from skgd.schedules._powers import *
from skgd.schedules._decays import *
from skgd.schedules._composed import *
from skgd.step_rules import LineSearch as LineSearch  # step rules were schedules before 0.1
from skgd.step_rules import PassiveAggressive1 as PassiveAggressive1
from skgd.step_rules import PassiveAggressive2 as PassiveAggressive2
from skgd.schedules import _composed, _decays, _powers

__all__ = ["Schedule", *_powers.__all__, *_decays.__all__, *_composed.__all__]

#: Schedule classes by the names that estimators accept, in the order of their definition.
SCHEDULES = Schedule.registry
