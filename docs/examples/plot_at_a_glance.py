"""
Batch, mini-batch and stochastic gradient descent
=================================================

The same linear model is fitted to the same data with updates on all rows, on 32 rows and on one
row. The figure shows the objective over the epochs and the paths of the coefficients.

Pass a file name to save the figure.
"""

# %%
# Data
# ----
# Two features of scikit-learn's diabetes data, the body mass index and the serum measurement s5,
# are standardised. The target is centred, so that only two coefficients have to be fitted. The
# learning rates are set explicitly to show textbook gradient descent; by default batch and
# mini-batch choose them automatically.

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

from skgd import BatchGDRegressor, DescentPathDisplay, MiniBatchGDRegressor, SGDRegressor
from skgd.plotting import REGRESSOR_COLOURS

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X = X[["bmi", "s5"]]
X, y = (X - X.mean()) / X.std(), y - y.mean()

common = {"penalty": None, "tol": None, "record": "path", "standardize": False}
models = {
    "BatchGDRegressor": BatchGDRegressor(learning_rate=0.3, max_iter=6, **common),
    "MiniBatchGDRegressor": MiniBatchGDRegressor(
        learning_rate=0.05, max_iter=6, random_state=0, **common
    ),
    "SGDRegressor": SGDRegressor(eta0=0.02, max_iter=6, random_state=0, **common),
}
for model in models.values():
    model.fit(X, y)

# %%
# Objective and paths
# -------------------
# ``path_`` contains the coefficients after every update (for long fits, after every k-th), so that
# the objective can be plotted within an epoch, too. Batch gradient descent makes one update per
# epoch. Mini-batches are near the minimum after one or two epochs. Single rows are fastest at
# first, and then fluctuate around the minimum because of the noise of the gradients;
# scikit-learn's schedule decreases the learning rate slowly.


def objectives(model):
    """Return the epoch, as a fraction, and the objective at each recorded update."""
    coefs = np.column_stack([model.path_["coef_0"], model.path_["coef_1"]])
    errors = coefs @ X.T.to_numpy() + model.path_["intercept"][:, None] - y.to_numpy()
    updates = model.path_["update"]
    return updates / updates[-1] * model.n_iter_, np.mean(errors**2, axis=1) / 2


figure, (curves, contours) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for name, model in models.items():
    curves.plot(*objectives(model), color=REGRESSOR_COLOURS[name], label=name)
curves.set(xlabel="epoch", ylabel="objective", xlim=(0, 6), title="Convergence")
curves.grid(alpha=0.3)
curves.legend()

display = DescentPathDisplay.from_estimator(models, X, y, ax=contours, gradient=True)
contours.set_title("Paths of the coefficients")
contours.get_legend().remove()  # same colours as the curves

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=100)
else:
    plt.show()
