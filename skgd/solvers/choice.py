"""The choice of the solver of a problem."""

import warnings

from skgd._utils import numba_support
from skgd._utils.component import is_built_in
from skgd.optimizers import SVRG, Accelerated, ImplicitSGD, ProximalNewton, StreamingNewton
from skgd.solvers.full_batch import AcceleratedDescent, GradientDescent, LineSearchDescent
from skgd.solvers.implicit_sgd import ImplicitSGDSolver
from skgd.solvers.proximal_newton import ProximalNewtonSolver
from skgd.solvers.sgd.chunked import ChunkedSGD
from skgd.solvers.sgd.lazy_sparse import LazySparseSGD
from skgd.solvers.sgd.reference import ReferenceSGD
from skgd.solvers.sgd.separate_outputs import SeparateOutputs
from skgd.solvers.sgd.stacked import StackedSGD
from skgd.solvers.sgd.triangular import TriangularSGD
from skgd.solvers.streaming_newton import StreamingNewtonSolver
from skgd.solvers.svrg import SVRGSolver

#: Classes of components that Numba could not compile; they are not tried again.
not_compilable: set[type] = set()

#: Number of models from which on a compiled loop over all of them is faster than one for each.
MIN_COMPILED_MODELS = 4


def choose_solver(problem):
    """Return the solver that runs the epochs of a problem.

    Parameters
    ----------
    problem : Problem
        What is minimised, and how.

    Returns
    -------
    Solver
    """
    optimizer = problem.optimizer
    if isinstance(optimizer, StreamingNewton):
        return StreamingNewtonSolver(problem)
    if problem.is_full_batch:
        if isinstance(optimizer, ProximalNewton):
            return ProximalNewtonSolver(problem)
        if isinstance(optimizer, Accelerated):
            return AcceleratedDescent(problem)
        searches = problem.searches_line
        return LineSearchDescent(problem) if searches else GradientDescent(problem)
    if problem.objective.is_chunked:
        return ChunkedSGD(problem, choose_solver)
    if isinstance(optimizer, SVRG):
        return SVRGSolver(problem)
    if isinstance(optimizer, ImplicitSGD):
        return ImplicitSGDSolver(problem)
    if problem.objective.loss.n_outputs is not None:
        return SeparateOutputs(problem, choose_sgd)
    return choose_sgd(problem)


def choose_sgd(problem):
    """Return the solver of stochastic updates with one loss for all outputs."""
    return compiled_sgd(problem) or numpy_sgd(problem)


def numpy_sgd(problem):
    """Return the fastest solver in NumPy alone for stochastic updates."""
    for solver in (LazySparseSGD, TriangularSGD):
        if solver.applies_to(problem):
            return solver(problem)
    return ReferenceSGD(problem)


def compiled_sgd(problem):
    """Return the solver that compiles stochastic updates by Numba, or None if it cannot be had."""
    kinds = set(map(type, problem.formula_components))
    if not_compilable & kinds or not numba_support.has_numba():
        return None
    # Imported here because importing Numba takes a third of a second.
    from skgd.solvers.compiled.jit import NotCompilableError
    from skgd.solvers.compiled.solver import CompiledSGD

    try:
        return CompiledSGD(problem)
    except NotCompilableError as error:
        own = {type(c) for c in problem.formula_components if not is_built_in(c)} or kinds
        not_compilable.update(own)
        names = " and ".join(sorted(kind.__name__ for kind in own))
        warnings.warn(
            f"Numba could not compile {names}; such fits run on NumPy, which is slower. {error}",
            RuntimeWarning,
            stacklevel=2,
        )
        return None


def choose_stacked_solver(problem, scale_ratio=None):
    """Return the solver of stochastic updates of many models on the same rows.

    Parameters
    ----------
    problem : Problem
        What is minimised; the strengths of its penalties have a row for each model.
    scale_ratio : array or None, default=None
        See :class:`skgd.solvers.sgd.stacked.StackedSGD`.
    """
    if not numba_support.has_numba():
        return StackedSGD(problem, scale_ratio)
    from skgd.solvers.compiled.stacked import CompiledStackedSGD

    return CompiledStackedSGD(problem, scale_ratio)


def gains_from_stacking(problem):
    """Return whether updates of many models together take less time than one by one."""
    return numba_support.has_numba() or not TriangularSGD.applies_to(problem)


def gains_from_resuming(n_models):
    """Return whether models that were updated together go on together.

    With Numba, few models take less time one by one.
    """
    return n_models >= MIN_COMPILED_MODELS or not numba_support.has_numba()
