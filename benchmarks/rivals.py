"""What fits that need nothing set could have been: other rules on the panel, in the same epochs.

Run ``python benchmarks/rivals.py``; it takes some minutes. Small batches: on how many members of
the panel the mean squared error is within a thousandth of the variance of y of its minimum. Full
batches: updates until the gradient is a millionth of that of the best constant model.
"""

import warnings

import numpy as np
from scipy.sparse import issparse

from measure import machine
from panel import excess, least_squares
from panel_data import PANEL
from skgd import BatchGDRegressor, MiniBatchGDRegressor, optimizers

#: Epochs of small batches, and updates of full ones at most.
EPOCHS, UPDATES = 40, 10_000

SMALL = {
    "auto: SVRG": {},
    "plain, 1 / (2 L_k sqrt(epoch))": {"optimizer": optimizers.Momentum(momentum=0.0)},
    "momentum, the same damped": {"optimizer": "momentum"},
    "nesterov, the same damped": {"optimizer": "nesterov"},
    "adagrad": {"optimizer": "adagrad"},
    "rmsprop": {"optimizer": "rmsprop"},
    "adam": {"optimizer": "adam"},
    "plain, invscaling from 0.01": {"learning_rate": "invscaling"},
}

FULL = {
    "auto: proximal Newton": {},
    "conjugate gradients": {"optimizer": "cg"},
    "accelerated, 1 / L, restarts": {"optimizer": "accelerated"},
    "steepest descent, exact line search": {"optimizer": "gd", "learning_rate": "line_search"},
    "plain, 1 / L": {"optimizer": "gd"},
}


def small_batches(name, size):
    """Return the excess of each rival on a member, infinite where it diverged."""
    X, y = PANEL[name]()
    least = np.mean((least_squares(X, y)[0] - y) ** 2)
    found = []
    for params in SMALL.values():
        model = MiniBatchGDRegressor(batch_size=size, max_iter=EPOCHS, tol=None, random_state=0)
        model.set_params(**params)
        try:
            found.append(excess(model.fit(X, y), X, y, least))
        except ValueError:
            found.append(np.inf)
    return found


def full_batches(name):
    """Return the updates that each rival needs on a member, infinite where they do not suffice."""
    X, y = PANEL[name]()
    found = []
    for params in FULL.values():
        model = BatchGDRegressor(tol=1e-6, max_iter=UPDATES).set_params(**params).fit(X, y)
        found.append(model.n_iter_ if model.converged_ else np.inf)
    return found


def main():
    """Print both tables."""
    warnings.simplefilter("ignore")
    print(machine())
    for size in (32, 1):
        table = np.array([small_batches(name, size) for name in PANEL])
        print(f"\nbatches of {size}, {EPOCHS} epochs: members within 1e-3, median excess, diverged")
        for label, column in zip(SMALL, table.T, strict=True):
            near, lost = (column < 1e-3).sum(), (~np.isfinite(column)).sum()
            print(f"{label:36} {near:3d} of {len(column)}  {np.median(column):8.1e}  {lost}")
    dense = [name for name in PANEL if not issparse(PANEL[name]()[0])]
    table = np.array([full_batches(name) for name in dense])
    print(f"\nfull batches: members that arrive in {UPDATES:,} updates, median and most of these")
    for label, column in zip(FULL, table.T, strict=True):
        came = column[np.isfinite(column)]
        print(
            f"{label:36} {len(came):3d} of {len(column)}  {np.median(came):8.0f} {came.max():8.0f}"
        )


if __name__ == "__main__":
    main()
