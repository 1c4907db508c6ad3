"""Command line: ``python -m skgd compile`` compiles and stores the loops of the usual fits."""

import argparse
import sys
import time
import warnings

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import clone

from skgd import MiniBatchGDRegressor, SGDRegressor
from skgd._utils.numba_support import has_numba

#: Fits whose loops differ: a model, the dtype of the rows, and whether they are sparse.
USUAL_FITS = [
    *((SGDRegressor(loss), float, False) for loss in ("squared_error", "huber", "poisson")),
    (SGDRegressor("epsilon_insensitive"), float, False),
    (SGDRegressor(penalty="l1"), float, False),
    (SGDRegressor(penalty="elasticnet"), float, False),
    (SGDRegressor(average=True), float, False),
    (SGDRegressor(), np.float32, False),
    (SGDRegressor(), float, True),
    (SGDRegressor(penalty="l1"), float, True),
    (SGDRegressor(learning_rate="auto", standardize=True), float, False),
    *((MiniBatchGDRegressor(loss=loss), float, False) for loss in ("squared_error", "poisson")),
    (MiniBatchGDRegressor(), np.float32, False),
    (MiniBatchGDRegressor(learning_rate=0.01), float, False),
    (MiniBatchGDRegressor(learning_rate=0.01), float, True),
    (MiniBatchGDRegressor(learning_rate=0.01, optimizer="momentum"), float, False),
    (MiniBatchGDRegressor(learning_rate=0.01, optimizer="adam"), float, False),
]


def compile_loops(fits):
    """Run short fits, whose loops are compiled and stored; print a line for each.

    Parameters
    ----------
    fits : list of (estimator, dtype, bool)
        Models, dtypes of the rows, and whether they are sparse.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 5))
    y = np.exp(0.1 * X[:, 0])
    for number, (model, dtype, sparse) in enumerate(fits, start=1):
        rows = X.astype(dtype)
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # few epochs do not converge
            fitted = clone(model).set_params(max_iter=2, random_state=0)
            fitted.fit(csr_array(rows) if sparse else rows, y)
        kind = f"{np.dtype(dtype).name}, {'sparse' if sparse else 'dense'}"
        name = " ".join(repr(model).split())  # scikit-learn breaks long lines
        seconds = time.perf_counter() - start
        print(f"[{number:2d}/{len(fits)}] {seconds:5.1f} s  {name} ({kind})", flush=True)


def main(arguments=None):
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m skgd", description=__doc__)
    commands = parser.add_subparsers(required=True)
    commands.add_parser(
        "compile",
        help="compile and store the loops of the usual fits, so that the first fit of every later "
        "process loads them; for images of containers and for clusters. NUMBA_CACHE_DIR sets where",
    )
    parser.parse_args(arguments)
    if not has_numba():
        print(
            "There is nothing to compile: Numba is not installed or disabled, and fits use NumPy. "
            "Run: pip install skgd[fast]",
            file=sys.stderr,
        )
        return 1
    compile_loops(USUAL_FITS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
