"""Convergence warnings."""

from skgd.solvers.stopping import StopReason


def convergence_message(estimator, config, outcome):
    """Return the text of the warning after a fit that did not converge; None if it converged.

    Parameters
    ----------
    estimator : BaseGDRegressor
        The fitted estimator.
    config : SolverConfig
        The components that the parameters specify.
    outcome : Outcome
        Result of the descent.
    """
    name, problem = type(estimator).__name__, outcome.problem
    if outcome.message is not None:
        return f"{name} did not converge. {outcome.message}"
    distance = describe_distance(outcome)
    if outcome.reason is StopReason.STALLED:
        remedy = "Use a learning rate that decreases more slowly, or learning_rate='auto'."
        if not config.has_explicit_rate:
            remedy = "Scale or remove features of extreme magnitude, or add an l2 penalty."
        return (
            f"{name} stalled far from the minimum{distance}: its steps are too small to change the "
            f"objective. {remedy}"
        )
    is_exhausted = outcome.reason is StopReason.MAX_ITER and estimator.tol is not None
    if is_exhausted and not problem.streaming:
        automatic = ", or use learning_rate='auto'." if config.has_explicit_rate else "."
        return (
            f"{name} did not converge in max_iter={estimator.max_iter} epochs{distance}. "
            f"Increase max_iter or tol{automatic}"
        )
    return None


def describe_distance(outcome):
    """Return a description of the distance from the minimum for a sentence; "" if it is unknown."""
    pairs = zip(outcome.criteria.criteria, outcome.state.criterion_states, strict=True)
    parts = [criterion.describe(state, outcome.last_row) for criterion, state in pairs]
    return next((part for part in parts if part), "")
