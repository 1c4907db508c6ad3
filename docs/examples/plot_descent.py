"""
Visualizing gradient descent
============================

Displays of a fit: the objective over the epochs, the path of the coefficients, and the effect of a
learning rate that is too large. All of them use what the fit has recorded in ``history_`` and
``path_``.
"""

# %%
# History
# -------
# ``history_`` has one entry per epoch. :class:`~skgd.ConvergenceDisplay` plots one or several fits
# and marks the best epoch of each, here by the R² on validation data.

# sphinx_gallery_thumbnail_number = 3
import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from skgd import (
    BatchGDRegressor,
    ConvergenceDisplay,
    DescentPathDisplay,
    MiniBatchGDRegressor,
    SGDRegressor,
)

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X_train, X_val, y_train, y_val = train_test_split(X, y, random_state=0)

models = {
    "batch": BatchGDRegressor(learning_rate=0.3, max_iter=200, tol=None),
    "mini-batch": MiniBatchGDRegressor(random_state=0),
    "single rows": SGDRegressor(standardize=True, random_state=0),
}
for model in models.values():
    model.fit(X_train, y_train, X_val=X_val, y_val=y_val)
convergence = ConvergenceDisplay.from_estimator(models)
title = convergence.figure_.suptitle("Three regressors on the diabetes data")

# %%
# ``pandas.DataFrame(model.history_)`` shows the history as a table.

import pandas as pd

pd.DataFrame(models["batch"].history_).head()

# %%
# Paths of the coefficients
# -------------------------
# With ``record="path"`` a fit also records its coefficients in ``path_``: after every update at
# first, and in a long fit after every 2nd, 4th, 8th …, so that at most about two thousand are
# stored. The figure shows two standardised features. Full batches follow the gradient,
# mini-batches deviate from it, and single rows fluctuate around the minimum because the learning
# rate is constant.

Z = (X[["bmi", "s5"]] - X[["bmi", "s5"]].mean()) / X[["bmi", "s5"]].std()
centred = y - y.mean()
common = {"tol": None, "record": "path", "standardize": False}
paths = {
    "batch": BatchGDRegressor(learning_rate=0.3, max_iter=30, **common),
    "mini-batch": MiniBatchGDRegressor(learning_rate=0.05, max_iter=3, random_state=0, **common),
    "single rows": SGDRegressor(learning_rate=0.01, max_iter=1, random_state=0, **common),
}
for model in paths.values():
    model.fit(Z, centred)
display = DescentPathDisplay.from_estimator(paths, Z, centred, gradient=True)

# %%
# The arrows show the negative gradient. The same as a surface:

display = DescentPathDisplay.from_estimator(paths, Z, centred, kind="surface", colorbar=False)

# %%
# For a model with more features, the display shows the two largest coefficients, or those selected
# by ``coefs``. The others have their fitted values, as the title says.

model = BatchGDRegressor(
    "huber", epsilon=5.0, optimizer="gd", max_iter=200, tol=None, record="path"
)
model.fit(X, y)
display = DescentPathDisplay.from_estimator(model, X, y, coefs=("bmi", "intercept"))

# %%
# Learning rate and stability
# ---------------------------
# On a quadratic function gradient descent is stable below 2 / L, where L is the largest eigenvalue
# of the Hessian. Just below this limit the iterates oscillate along the steepest direction; far
# below it they move slowly along the flattest one. Momentum avoids both.
# :meth:`~skgd.DescentPathDisplay.from_function` plots any function of two variables, with any
# points.


def quadratic(p):
    return 0.5 * p[0] ** 2 + 10 * p[1] ** 2


def gradient_descent(rate, momentum=0.0, updates=40):
    points, velocity = [np.array([-9.0, 2.0])], 0.0
    for _ in range(updates):
        velocity = momentum * velocity - rate * np.array([1.0, 20.0]) * points[-1]
        points.append(points[-1] + velocity)
    return np.array(points)


display = DescentPathDisplay.from_function(
    quadratic,
    {
        "0.3 / L": gradient_descent(0.015),
        "1.9 / L": gradient_descent(0.095),
        "0.3 / L, momentum 0.8": gradient_descent(0.015, momentum=0.8),
    },
    xlim=(-10, 3),
    ylim=(-3, 3),
)

if len(sys.argv) > 1:
    convergence.figure_.savefig(sys.argv[1], dpi=150)
else:
    plt.show()
