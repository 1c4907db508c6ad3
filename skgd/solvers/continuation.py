"""Continuation: a sequence of descents, each of which starts where the last one ended.

Losses with kinks are minimised through a sequence of smooth approximations.
"""

from dataclasses import dataclass, replace

from skgd.solvers.base import Solver
from skgd.solvers.descent import descend
from skgd.solvers.problem import Problem
from skgd.solvers.stopping import StoppingCriteria, StopReason


@dataclass(frozen=True)
class Stage:
    """One descent of a continuation.

    Parameters
    ----------
    problem : Problem
        What is minimised.
    solver : Solver
        What runs the epochs.
    criteria : StoppingCriteria
        What ends it.
    is_last : bool
        Whether no other stage follows.
    """

    problem: Problem
    solver: Solver
    criteria: StoppingCriteria
    is_last: bool


def run_continuation(stages, state, history, monitor, max_iter):
    """Run stages until one does not converge, or the largest number of epochs is reached.

    Parameters
    ----------
    stages : iterable of Stage
        They are made when it is their turn.
    state : State
        Where to start.
    history : History
        What is appended to.
    monitor : Monitor or None
        See :func:`skgd.solvers.descent.descend`.
    max_iter : int
        Largest number of epochs of all stages.

    Returns
    -------
    Outcome
        Of the last stage that ran, with the number of epochs of all stages.
    """
    n_epochs, best = 0, None
    for stage in stages:
        problem, criteria = replace(stage.problem, max_iter=max_iter - n_epochs), stage.criteria
        outcome = descend(problem, stage.solver, state, criteria, history, monitor, best)
        n_epochs += outcome.n_epochs
        has_converged = outcome.reason in (StopReason.CONVERGED, StopReason.PRECISION)
        if stage.is_last or not has_converged:
            break
        if n_epochs >= max_iter:
            outcome = replace(outcome, reason=StopReason.MAX_ITER)
            break
        state, best = outcome.state, outcome.best
        state = state.replace(criterion_states=criteria.select_resumed(state.criterion_states))
    return replace(outcome, n_epochs=n_epochs)
