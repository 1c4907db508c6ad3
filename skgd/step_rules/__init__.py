"""Step rules: steps whose length the row at hand, or the objective, determines.

They take the place of a schedule as ``learning_rate``, but are no function of time. To add a rule,
define a class that derives from :class:`StepRule`, decorated with ``@component(name=...)``, and add
it to ``__all__`` of its module.
"""

from skgd.step_rules._base import StepRule
from skgd.step_rules._passive_aggressive import *
from skgd.step_rules._passive_aggressive import PassiveAggressive as PassiveAggressive
from skgd.step_rules._line_search import *
from skgd.step_rules import _line_search, _passive_aggressive

__all__ = ["StepRule", *_passive_aggressive.__all__, *_line_search.__all__]

#: Step rules by the names that estimators accept as ``learning_rate``, in the order of definition.
STEP_RULES = StepRule.registry
