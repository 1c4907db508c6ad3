"""The loop of :mod:`skgd.kernels.stream`, compiled."""

from skgd._pieces import is_built_in
from skgd.kernels.compiled.formulas import record, slope, value
from skgd.kernels.compiled.jit import Kernel
from skgd.kernels.stream import walker

kernel = Kernel(walker(value, slope))


def walk(loss, *arguments):
    """Do what the loop of :func:`skgd.kernels.stream.walker` does."""
    parts = record(loss), *arguments
    return kernel.compiled(parts, keep=is_built_in(loss))(*parts)
