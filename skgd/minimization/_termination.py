"""When and why a descent on a function ends."""

import math
from dataclasses import dataclass
from enum import StrEnum

#: Consecutive steps that decrease neither the value nor the gradient norm before a descent ends.
MAX_STAGNANT_STEPS = 100


class TerminationReason(StrEnum):
    """Why a descent ended. The value of a member is the message of the result.

    ``{failure}`` is replaced by a description of the last failed evaluation of the function. The
    position of a member is the ``status`` of the result.
    """

    GTOL = "Every partial derivative is at most gtol."
    PRECISION = "No further improvement is possible in floating-point arithmetic."
    XTOL = "The next step would be shorter than xtol."
    FTOL = "The next step would change the value by less than ftol."
    PATIENCE = "The value has not improved for patience epochs in a row."
    CALLBACK = "The callback raised StopIteration."
    MAX_ITER = "max_iter was reached."
    VALUE_INCREASED = (
        "max_iter was reached with a value above the initial one: the learning rate is too large. "
        "Lower it, or use learning_rate='line_search'."
    )
    DIVERGED = (
        "Diverged: at the end of the last step fun {failure}. The learning rate is too large. "
        "Lower it, or use learning_rate='line_search'."
    )
    NO_FINITE_TRIAL = (
        "Line search failed: fun was not finite at any trial point; most recently it {failure}."
    )
    NO_DECREASE = (
        "Line search failed: no trial point has a lower value, although the gradient predicts a "
        "decrease. Check the gradient with check_gradient; if it is correct, fun is not "
        "differentiable here, or noisy."
    )
    INVALID_START = "The starting point has no finite value or gradient: fun {failure}."

    @property
    def is_success(self):
        """Whether the descent converged or was stopped by the user."""
        reasons = type(self)
        met_criteria = reasons.GTOL, reasons.PRECISION, reasons.XTOL, reasons.FTOL, reasons.PATIENCE
        return self in (*met_criteria, reasons.CALLBACK)


@dataclass
class StagnationMonitor:
    """Counts consecutive steps that decrease neither the value nor the gradient norm.

    Parameters
    ----------
    value_scale : float
        Lower bound of the magnitude to which the noise of a value is relative.

    Attributes
    ----------
    lowest_value, lowest_norm : float
        The lowest value and gradient norm so far.
    n_stagnant_steps : int
        Consecutive steps without a decrease.
    """

    value_scale: float
    lowest_value: float = math.inf
    lowest_norm: float = math.inf
    n_stagnant_steps: int = 0

    @property
    def has_stagnated(self):
        """Whether the descent has made no progress for `MAX_STAGNANT_STEPS` steps."""
        return self.n_stagnant_steps >= MAX_STAGNANT_STEPS

    def update(self, value, norm, relative_noise):
        """Record the value and gradient norm after a step."""
        noise = relative_noise * max(abs(value), self.value_scale)
        self.n_stagnant_steps += 1
        if value < self.lowest_value - noise:
            self.lowest_value, self.n_stagnant_steps = value, 0
        if norm < self.lowest_norm:
            self.lowest_norm, self.n_stagnant_steps = norm, 0
