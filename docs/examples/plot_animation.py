"""
Animated descents
=================

``animate()`` of a Display returns an animation of matplotlib, in which paths and curves grow and a
mark moves with each of them. Contours and axes are drawn only once.
"""

# %%
# Paths of three regressors
# -------------------------
# All fits are at the same epoch in each frame: a step of batch gradient descent takes as long as
# fourteen mini-batches of 32 or 442 single rows.

import sys

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes

import skgd
from skgd import (
    BatchGDRegressor,
    ConvergenceDisplay,
    DescentPathDisplay,
    MiniBatchGDRegressor,
    SGDRegressor,
)

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
Z, y = (X[["bmi", "s5"]] - X[["bmi", "s5"]].mean()) / X[["bmi", "s5"]].std(), y - y.mean()
common = {"penalty": None, "tol": None, "record": "path", "standardize": False, "max_iter": 4}
models = {
    "batch": BatchGDRegressor(optimizer="gd", learning_rate=0.3, **common),
    "mini-batch": MiniBatchGDRegressor(learning_rate=0.05, random_state=0, **common),
    "single rows": SGDRegressor(learning_rate=0.005, random_state=0, **common),
}
for model in models.values():
    model.fit(Z, y)

paths = DescentPathDisplay.from_estimator(models, Z, y)
animation = paths.animate(n_frames=25, interval=100)
plt.close(paths.figure_)  # the animation has a figure of its own
animation

# %%
# Convergence curves
# ------------------

curves = ConvergenceDisplay.from_estimator(models, columns="objective")
animation_of_curves = curves.animate(n_frames=25, interval=100)
plt.close(curves.figure_)
animation_of_curves

# %%
# Optimizers on a function
# ------------------------
# Paths of functions are at the same step in each frame. Momentum overshoots and returns; Adam's
# steps have the same length in both coordinates at first.


def valley(p):
    return 0.5 * p[0] ** 2 + 10 * p[1] ** 2


def valley_gradient(p):
    return p * [1.0, 20.0]


results = {
    name: skgd.minimize(
        valley, [-9.0, 2.0], jac=valley_gradient, optimizer=name, learning_rate=rate, max_iter=60
    )
    for name, rate in {"gd": 0.03, "momentum": 0.01, "adam": 0.5}.items()
}
display = DescentPathDisplay.from_function(valley, results, xlim=(-10, 5), ylim=(-3, 3))
animation_of_optimizers = display.animate(n_frames=31, interval=100)
plt.close(display.figure_)
animation_of_optimizers

# %%
# A notebook shows an animation at the end of a cell after ``plt.rcParams["animation.html"] =
# "jshtml"``. ``animation.save("descent.gif", writer="pillow")`` saves it.

if len(sys.argv) > 1:
    animation.save(sys.argv[1], writer="pillow")
else:
    plt.show()
