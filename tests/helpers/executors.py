"""Which tests run compiled loops.

Numba compiles each combination of types anew: loss, optimizer, step rule, kind of rows, precision,
and whether there are an l1 penalty and bounds. One takes a second of CPU time, the lazy loop of
sparse rows six. ``tests/solvers/compiled`` compares compiled loops with NumPy for every component
and for every pair of loss and optimizer. Tests that run over all losses or optimizers therefore
compile the pairs of `COMPILED_PAIRS` only, and run the others on NumPy.
"""

from contextlib import contextmanager, nullcontext

import pytest

from skgd._utils import numba_support
from skgd.losses import LOSSES
from tests.helpers.regressors import ELEMENTWISE

#: Pairs of loss and optimizer, by name: every loss and every elementwise optimizer at least once.
#: Squared error and Huber's loss, which most of the other tests use, are paired with plain gradient
#: descent.
COMPILED_PAIRS = {("squared_error", "gd"), ("huber", "gd")}
OTHER_LOSSES = [name for name in LOSSES if name not in ("squared_error", "huber")]
OTHER_OPTIMIZERS = [name for name in ELEMENTWISE if name != "gd"]
COMPILED_PAIRS |= {
    (OTHER_LOSSES[k % len(OTHER_LOSSES)], OTHER_OPTIMIZERS[k % len(OTHER_OPTIMIZERS)])
    for k in range(max(len(OTHER_LOSSES), len(OTHER_OPTIMIZERS)))
}


@contextmanager
def numpy_only():
    """Run on NumPy, also where Numba is installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba_support, "has_numba", lambda: False)
        yield


def compiled_if(condition):
    """Return a context that runs on NumPy unless the condition holds."""
    return nullcontext() if condition else numpy_only()


def compiled_if_sampled(loss="squared_error", optimizer="gd"):
    """Return a context that runs on NumPy unless loss and optimizer are in `COMPILED_PAIRS`."""
    return compiled_if((loss, optimizer) in COMPILED_PAIRS)
