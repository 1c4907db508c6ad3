"""Step rules: steps whose length the row at hand, or the objective, determines.

They take the place of a schedule as ``learning_rate``, but are no function of time. A new rule is a
frozen dataclass deriving from :class:`StepRule`, plus one line in ``STEP_RULES``.
"""

from skgd.step_rules._base import StepRule
from skgd.step_rules._line_search import LineSearch
from skgd.step_rules._passive_aggressive import PassiveAggressive as PassiveAggressive
from skgd.step_rules._passive_aggressive import PassiveAggressive1, PassiveAggressive2

__all__ = ["LineSearch", "PassiveAggressive1", "PassiveAggressive2", "StepRule"]

#: Step rules by the names that estimators accept as ``learning_rate``.
STEP_RULES = {"pa1": PassiveAggressive1, "pa2": PassiveAggressive2, "line_search": LineSearch}
