"""What users are told of a descent that did not arrive."""

import numpy as np

from skgd.solvers import automatic
from skgd.solvers.stopping import Progress, StopReason


def convergence_message(estimator, outcome, problem, components, tests):
    """Return what to warn of after a fit that did not arrive, None after one that did."""
    if outcome.reason is StopReason.DIVERGED:
        return (
            f"{type(estimator).__name__} diverged: its objective ended far above that of the "
            f"start. {automatic.advice(problem)}"
        )
    if (
        outcome.reason is StopReason.MAX_ITER
        and estimator.tol is not None
        and not problem.streaming
    ):
        rate = "." if components.schedule is None else ", or use learning_rate='auto'."
        return (
            f"{type(estimator).__name__} did not converge in max_iter={estimator.max_iter} epochs"
            f"{distance_left(outcome, tests)}. Increase max_iter or tol{rate}"
        )
    if outcome.reason is StopReason.STALLED:
        return (
            f"{type(estimator).__name__} stalled far from the minimum"
            f"{distance_left(outcome, tests)}: its steps have become too short to change the "
            "objective. Use a learning rate that falls more slowly, or learning_rate='auto'."
        )
    return None


def distance_left(outcome, tests):
    """Return how far from the minimum a descent ended, in brackets, as far as that is known."""
    if tests.gradient is not None and "gradient_norm" in outcome.final:
        norm = outcome.final["gradient_norm"]
        share = norm / tests.gradient.reference if tests.gradient.reference > 0 else 0
        return (
            f": the gradient norm is {norm:.3g}, {share:.1e} of that of the best constant model, "
            f"and tol={tests.gradient.tol:g} is asked for"
        )
    if isinstance(tests.plateau, Progress) and np.isfinite(tests.plateau.left):
        left, value = tests.plateau.left, float(np.sum(tests.plateau.best))
        return f": its objective, {value:.4g}, is expected to fall by about {left:.2g} more"
    if tests.plateau is not None and not tests.early_stopping:
        return f": its objective, {float(np.sum(tests.plateau.best)):.4g}, is still falling"
    return ""


def divergence_error(diverged, problem):
    """Return the error that tells a user about a divergence."""
    if problem.on_divergence == "go_on":
        start = f"Floating-point under-/overflow occurred at epoch #{diverged.epoch}."
    else:
        start = (
            f"Descent diverged at epoch {diverged.epoch} with learning rate "
            f"{diverged.rate:.4g}: the objective went from {diverged.start:.4g} to "
            f"{diverged.value:.4g}."
        )
    return ValueError(f"{start} {automatic.advice(problem)} Scaling the features helps, too.")
