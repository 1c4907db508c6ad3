"""
See it descend
==============

Pictures of a descent: how its objective falls, which way its coefficients take, and what a rate
that is too large does. All of them come from what the fit remembers; nothing is parsed from printed
lines.
"""

# %%
# How it went
# -----------
# ``history_`` has one row an epoch. :class:`~skgd.ConvergenceDisplay` draws one fit or several, and
# marks the best epoch of each: here by the R² on rows that no fit has trained on.

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
    "one at a time": SGDRegressor(standardize=True, random_state=0),
}
for model in models.values():
    model.fit(X_train, y_train, X_val=X_val, y_val=y_val)
convergence = ConvergenceDisplay.from_estimator(models)
title = convergence.figure_.suptitle("Three ways down on the diabetes data")

# %%
# Numbers instead of a picture: ``pandas.DataFrame(model.history_)``.

import pandas as pd

pd.DataFrame(models["batch"].history_).head()

# %%
# Which way it took
# -----------------
# With ``record="path"`` a fit keeps its coefficients as well, in ``path_``: every update at first,
# and in a long fit every 2nd, 4th, 8th …, so that there are never more than about two thousand. On
# two features in the units of the data, full batches glide down along the gradient, small batches
# stray from it, and single rows wander about the minimum for as long as the rate stays.

Z = (X[["bmi", "s5"]] - X[["bmi", "s5"]].mean()) / X[["bmi", "s5"]].std()
centred = y - y.mean()
common = {"tol": None, "record": "path", "standardize": False}
paths = {
    "batch": BatchGDRegressor(learning_rate=0.3, max_iter=30, **common),
    "mini-batch": MiniBatchGDRegressor(learning_rate=0.05, max_iter=3, random_state=0, **common),
    "one at a time": SGDRegressor(learning_rate=0.01, max_iter=1, random_state=0, **common),
}
for model in paths.values():
    model.fit(Z, centred)
display = DescentPathDisplay.from_estimator(paths, Z, centred, gradient=True)

# %%
# The arrows show the direction of steepest descent. The same from the side:

display = DescentPathDisplay.from_estimator(paths, Z, centred, kind="surface", colorbar=False)

# %%
# Of a model with more features the two of the largest coefficients are drawn, or those that
# ``coefs`` names; the others are held as fitted, as the title says.

model = BatchGDRegressor(
    "huber", epsilon=5.0, optimizer="gd", max_iter=200, tol=None, record="path"
)
model.fit(X, y)
display = DescentPathDisplay.from_estimator(model, X, y, coefs=("bmi", "intercept"))

# %%
# Too large a rate
# ----------------
# On a quadratic bowl descent is stable below 2 / L, where L is the largest curvature. Just below,
# it leaps across the valley at every step; well below, it creeps along its floor. Momentum does
# neither. :meth:`~skgd.DescentPathDisplay.from_function` draws any function of two variables, and
# any points on it.


def valley(p):
    return 0.5 * p[0] ** 2 + 10 * p[1] ** 2


def descent(rate, momentum=0.0, updates=40):
    points, velocity = [np.array([-9.0, 2.0])], 0.0
    for _ in range(updates):
        velocity = momentum * velocity - rate * np.array([1.0, 20.0]) * points[-1]
        points.append(points[-1] + velocity)
    return np.array(points)


display = DescentPathDisplay.from_function(
    valley,
    {
        "0.3 / L": descent(0.015),
        "1.9 / L": descent(0.095),
        "0.3 / L, momentum 0.8": descent(0.015, momentum=0.8),
    },
    xlim=(-10, 3),
    ylim=(-3, 3),
)

if len(sys.argv) > 1:
    convergence.figure_.savefig(sys.argv[1], dpi=150)
else:
    plt.show()
