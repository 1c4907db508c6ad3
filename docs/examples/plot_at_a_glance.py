"""
Three ways down, at a glance
============================

The same model of the same data, fitted with all rows at each step, with 32 and with one: how fast
the objective falls, and which way the coefficients take.

Run it with a file name to save the picture.
"""

# %%
# Two features, a disease
# -----------------------
# Body mass and the serum measurement s5 of scikit-learn's diabetes patients, standardised and
# centred so that the two coefficients are all there is to learn. The rates are set by hand, to show
# each kind of descent as the textbooks do; without ``learning_rate`` batch and mini-batch choose
# for themselves.

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

from skgd import BatchGDRegressor, DescentPathDisplay, MiniBatchGDRegressor, SGDRegressor

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
# The course of each
# ------------------
# ``path_`` has the coefficients at every update (of long fits at every k-th), so that the objective
# can be drawn within an epoch, too. Batch descent makes one step a pass over the rows. Small ones
# arrive after one or two passes. Single rows are quickest of all, and then wander about the
# minimum for as long as their rate stays; scikit-learn's schedule lowers it little by little.


def objectives(model):
    """Return passes over the rows and the objective, at each recorded update."""
    coefs = np.column_stack([model.path_["coef_0"], model.path_["coef_1"]])
    errors = coefs @ X.T.to_numpy() + model.path_["intercept"][:, None] - y.to_numpy()
    updates = model.path_["update"]
    return updates / updates[-1] * model.n_iter_, np.mean(errors**2, axis=1) / 2


colours = dict(zip(models, ["#D55E00", "#009E73", "#CC79A7"], strict=True))
figure, (curves, contours) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for name, model in models.items():
    curves.plot(*objectives(model), color=colours[name], label=name)
curves.set(
    xlabel="passes over the data",
    ylabel="objective",
    xlim=(0, 6),
    title="How fast the objective falls",
)
curves.grid(alpha=0.3)
curves.legend()

display = DescentPathDisplay.from_estimator(models, X, y, ax=contours, gradient=True)
contours.set_title("Which way the coefficients take")
contours.get_legend().remove()  # the colours are those of the curves

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=100)
else:
    plt.show()
