"""The loop of :mod:`skgd.solvers.implicit_sgd`, compiled."""

from skgd._utils.component import is_built_in
from skgd.solvers.compiled.formulas import gradient, record, value
from skgd.solvers.compiled.jit import Kernel
from skgd.solvers.implicit_sgd import make_row_loop

kernel = Kernel(make_row_loop(value, gradient))


def learn_rows(loss, *arguments):
    """Run the loop of :func:`skgd.solvers.implicit_sgd.make_row_loop`."""
    parts = record(loss), *arguments
    return kernel.compiled(parts, keep=is_built_in(loss))(*parts)
