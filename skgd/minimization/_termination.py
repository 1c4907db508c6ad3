"""Why a descent on a function ends."""

from enum import StrEnum


class TerminationReason(StrEnum):
    """Why a descent ended; the text is what the user reads."""

    GRADIENT = "Every partial derivative is at most gtol."
    PRECISION = "Nothing improves in floating point any more."
    STEP = "The next step would be shorter than xtol."
    CHANGE = "The next step would change the value by less than ftol."
    PATIENCE = "The value has not improved for as many passes as patience allows."
    CALLBACK = "The callback asked to stop."
    MAX_ITER = "max_iter was reached."
    RISEN = (
        "max_iter was reached, with a value above that at the start: the learning rate is too "
        "large. Lower it, or use learning_rate='line_search'."
    )
    DIVERGED = (
        "Diverged: fun {failure} where the step led to. The learning rate is too large. Lower it, "
        "or use learning_rate='line_search'."
    )
    NO_TRIAL = (
        "No step along the direction of descent leads anywhere: fun counts as +inf at all points "
        "tried; the last time it {failure}."
    )
    NO_FALL = (
        "No step along the direction of descent lowers the value, though the gradient promises "
        "it. Compare it with fun by check_gradient; if it is right, fun has a kink here, or noise."
    )
    NO_START = "fun has no finite value at the starting point, or no gradient: it {failure}."

    @property
    def is_success(self):
        """Whether there was nothing left to gain."""
        return self in (
            TerminationReason.GRADIENT,
            TerminationReason.PRECISION,
            TerminationReason.STEP,
            TerminationReason.CHANGE,
            TerminationReason.PATIENCE,
            TerminationReason.CALLBACK,
        )
