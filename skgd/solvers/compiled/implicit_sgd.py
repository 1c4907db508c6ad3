"""The loop of :mod:`skgd.solvers.implicit_sgd`, compiled."""

from skgd._utils.component import is_built_in
from skgd.solvers.compiled.formulas import gradient, record, value
from skgd.solvers.compiled.jit import Kernel
from skgd.solvers.implicit_sgd import walker

kernel = Kernel(walker(value, gradient))


def walk(loss, *arguments):
    """Do what the loop of :func:`skgd.solvers.implicit_sgd.walker` does."""
    parts = record(loss), *arguments
    return kernel.compiled(parts, keep=is_built_in(loss))(*parts)
