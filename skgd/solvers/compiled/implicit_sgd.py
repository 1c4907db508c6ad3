"""The loop of :mod:`skgd.solvers.implicit_sgd`, compiled."""

from skgd._utils.component import is_built_in
from skgd.solvers.compiled.component_methods import loss_gradient, loss_value, record
from skgd.solvers.compiled.jit import CompiledLoop
from skgd.solvers.implicit_sgd import make_row_loop

run_rows = CompiledLoop(make_row_loop(loss_value, loss_gradient))


def learn_rows(loss, *arguments):
    """Run the compiled loop of :func:`skgd.solvers.implicit_sgd.make_row_loop`."""
    arguments = record(loss), *arguments
    return run_rows.compile_for(arguments, cache=is_built_in(loss))(*arguments)
