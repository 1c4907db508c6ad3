"""Epochs of updates, each on a few rows: by compiled loops if they can be had, or by NumPy."""

import warnings
from dataclasses import replace

import numpy as np

from skgd._utils import numba_support
from skgd._utils.component import is_built_in
from skgd.optimizers import SVRG, BatchOptimizer, ImplicitSGD
from skgd.solvers import implicit_sgd, streaming_least_squares
from skgd.solvers.sgd import lazy_sparse, reference, triangular
from skgd.solvers.sgd.chunked import BlockwiseEpochs
from skgd.solvers.svrg import SVRGSolver
from skgd.solvers.svrg_epoch import svrg_epoch

#: Classes of pieces that Numba could not compile: they are not tried again.
not_compilable: set[type] = set()


def executor(problem):
    """Return what runs the epochs of a task.

    Parameters
    ----------
    task : Task
        What to descend on, and how.

    Returns
    -------
    callable
        ``run_epoch(state, order, rates, start=0) -> (state, running_objective)``. It takes where to
        start (which is not changed), the rows in the order of their visits (None means as they
        stand), the learning rate of each update and the visit that comes first, and returns where
        the updates led, and the mean over the rows visited of the objective just before each row's
        update. Fewer rates than the epoch has updates run a stretch of it.
    """
    if problem.objective.is_chunked:
        return BlockwiseEpochs(problem, executor)
    if isinstance(problem.optimizer, SVRG):
        return SVRGSolver(problem, proposer())
    if isinstance(problem.optimizer, BatchOptimizer):
        return lambda state, order, rates: streaming_least_squares.run_epoch(problem, state)
    if isinstance(problem.optimizer, ImplicitSGD):
        return stream_executor(problem)
    components = set(map(type, problem.formulas))
    if not_compilable & components or not numba_support.has_numba():
        return numpy_executor(problem)
    from skgd.solvers.compiled.jit import NotCompilableError
    from skgd.solvers.compiled.solver import CompiledEpochs  # takes a third of a second, once

    try:
        return CompiledEpochs(problem)
    except NotCompilableError as error:
        own = {
            component
            for component in components
            if component.__module__.partition(".")[0] != "skgd"
        }
        not_compilable.update(own or components)
        names = " and ".join(sorted(component.__name__ for component in own or components))
        warnings.warn(
            f"Numba could not compile {names}; such fits run on NumPy, which is slower. {error}",
            RuntimeWarning,
            stacklevel=2,
        )
        return numpy_executor(problem)


def stream_executor(problem):
    """Return what learns the rows of a stream one after the other."""

    def run_epoch(state, order, rates):
        return implicit_sgd.run_epoch(walk, problem, state, rates)

    loss = problem.objective.loss
    walk = implicit_sgd.walker(type(loss).value, type(loss).gradient)
    if numba_support.has_numba() and is_built_in(loss):
        from skgd.solvers.compiled.implicit_sgd import walk  # as above
    return run_epoch


def proposer():
    """Return what makes the proposals of :class:`~skgd.solvers.svrg.SVRGSolver`."""
    if not numba_support.has_numba():
        return svrg_epoch
    from skgd.solvers.compiled.svrg_epoch import svrg_epoch as compiled  # as above

    return compiled


def numpy_executor(problem):
    """Return what runs the epochs of a task by NumPy; see :func:`executor`."""

    def run_epoch(state, order, rates, start=0):
        if len(rates) < problem.updates_per_epoch:
            visits = slice(start, start + len(rates) * problem.batch_size)
            rows = visits if order is None else order[visits]
            part = replace(problem, objective=problem.objective.select_rows(rows))
            return numpy_executor(part)(state, None, rates)
        if lazy_sparse.applies(problem):
            return lazy_sparse.run_epoch(problem, state, order, rates)
        if triangular.applies(problem, rates):
            done = triangular.run_epoch(problem, state, order, rates)
            if done is not None:
                return done
        return reference.run_epoch(problem, state, order, rates)

    return run_epoch


#: Rows from which on a compiled loop shuffles faster than NumPy.
MIN_COMPILED_SHUFFLE = 1024


def row_orders(rng, n_rows, count=1):
    """Return what ``rng.permutation(n_rows)`` does `count` times, also where a loop finds it.

    Returns
    -------
    array of shape (count, n_rows)
    """
    if n_rows * count < MIN_COMPILED_SHUFFLE or not numba_support.has_numba():
        return np.array([rng.permutation(n_rows) for _ in range(count)])
    from skgd.solvers.compiled.shuffle import shuffled

    return shuffled(rng, n_rows, count)
