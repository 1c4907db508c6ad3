"""Speculative epochs: several epochs in one call of a compiled loop, examined afterwards.

On small data, Python spends several times as long between two epochs as a compiled loop spends in
one. Where nothing but the objective of an epoch decides whether the descent ends, several epochs
are run ahead. From the first that may end it they are discarded, and that one is run again by
itself, so that every decision is made in one place.
"""

import numpy as np

from skgd._utils.component import is_built_in
from skgd.schedules import Schedule
from skgd.solvers.row_order import draw_row_orders

#: Largest number of rows, or of parameters, of the epochs of one call.
MAX_SPECULATIVE_ROWS = 1 << 16

#: Entries of the rows of the epochs of the first call: these epochs take about as long as the
#: Python code around one.
SPECULATIVE_ENTRIES = 1 << 16


class SpeculativeEpochs:
    """Runs epochs speculatively.

    Parameters
    ----------
    problem : Problem
        What is minimised.
    solver : Solver
        What minimises it.
    criteria : StoppingCriteria
        What ends the descent.
    is_monitored : bool
        Whether each epoch is reported to callbacks or printed.
    """

    def __init__(self, problem, solver, criteria, is_monitored):
        self.problem, self.solver, self.criteria = problem, solver, criteria
        self.is_possible = (
            solver.can_run_ahead
            and not is_monitored
            and criteria.monitors_objective_only
            and problem.record in ("running", None)
            and is_pure_schedule(problem.schedule)
        )

    def count_epochs(self, position, n_epochs):
        """Return how many epochs to run ahead; grows with the number completed.

        Parameters
        ----------
        position : Position
            Where the descent is.
        n_epochs : int
            Epochs of this call so far.
        """
        if not self.is_possible or position.run_next_alone or position.divergence_count:
            return 0
        n_rows, width = self.problem.objective.design.n_rows, position.state.theta.size
        count = max(4 + n_epochs // 4, SPECULATIVE_ENTRIES // (n_rows * width))
        most = MAX_SPECULATIVE_ROWS // max(n_rows, width)
        return min(count, self.problem.max_iter - n_epochs, most)

    def run(self, position, rate_at, limit, count):
        """Run epochs, and keep those that end nothing.

        Parameters
        ----------
        position : Position
            Where the descent is.
        rate_at : callable
            Returns the learning rates of an array of update numbers.
        limit : float
            Objective above which an epoch may be a divergence.
        count : int
            Number of epochs.

        Returns
        -------
        position : Position
            After the epochs that were kept.
        previous : Position
            Before the last of them.
        trace : EpochTrace
            All epochs.
        rates : array of shape (n_kept,)
            The last learning rate of each epoch that was kept.
        """
        state = position.state
        rng, n_rows = state.rng, self.problem.objective.design.n_rows
        rng_state = rng.bit_generator.state
        orders = draw_row_orders(rng, n_rows, count) if self.problem.shuffle else None
        rates = self.solver.compute_learning_rates(rate_at, state, count).reshape(count, -1)
        trace = self.solver.run_epochs(state, orders, rates)
        n_kept, states = self.count_kept(trace, position, limit)
        if n_kept < count:  # the orders of the discarded epochs will be drawn again
            rng.bit_generator.state = rng_state
            if n_kept and self.problem.shuffle:
                draw_row_orders(rng, n_rows, n_kept)
        previous = position._replace(state=trace.state(n_kept - 2)) if n_kept > 1 else position
        after = position._replace(
            state=trace.state(n_kept - 1) if n_kept else state,
            criterion_states=states,
            run_next_alone=n_kept < count,
        )
        return after, previous, trace, rates[:n_kept, -1]

    def count_kept(self, trace, position, limit):
        """Return how many epochs end nothing, and the states of the criteria after them."""
        is_regular = trace.is_finite & (trace.objectives <= limit)
        n_regular = len(is_regular) if is_regular.all() else int(np.argmin(is_regular))
        objectives = trace.objectives[:n_regular].tolist()
        return self.criteria.count_nonstopping(position.criterion_states, objectives)


def is_pure_schedule(schedule):
    """Return whether rates may be computed ahead: no code of the user's own would notice it."""
    for value in vars(schedule).values():
        for part in value if isinstance(value, tuple) else (value,):
            if callable(part) or (isinstance(part, Schedule) and not is_pure_schedule(part)):
                return False
    return is_built_in(schedule)
