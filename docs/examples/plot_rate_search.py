"""
Searching for a learning rate
=============================

Four ways to a rate, from the quickest to the most thorough: let the model choose, test a range, and
search over rates, schedules and optimizers by cross-validation.
"""

# %%
# Let the model choose
# --------------------
# ``learning_rate="auto"``, the default of ``BatchGDRegressor`` and ``MiniBatchGDRegressor``,
# follows from the curvature of the objective. It is what a search should beat.

import sys
import warnings

import matplotlib.pyplot as plt
import pandas as pd
from scipy.stats import loguniform
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_score,
)

from skgd import LearningRateDisplay, MiniBatchGDRegressor, ScheduleDisplay, optimizers, schedules

# Candidates that are too slow, or too fast, are the point.
warnings.simplefilter("ignore", ConvergenceWarning)
warnings.simplefilter("ignore", FitFailedWarning)
X, y = load_diabetes(return_X_y=True, scaled=False)
folds = KFold(5, shuffle=True, random_state=0)
model = MiniBatchGDRegressor(max_iter=20, random_state=0)
print(f"auto: R² = {cross_val_score(model, X, y, cv=folds).mean():.4f}")

# %%
# Test a range
# ------------
# :func:`~skgd.learning_rate_range_test` makes short fits at rates from far too small to just too
# large. The suggestion is the one of the least objective among those that leave a factor of two to
# the largest stable rate.

display = LearningRateDisplay.from_estimator(model, X, y)
display.found

# %%
# Search over rates and optimizers
# --------------------------------
# ``"auto"`` and numbers stand in one grid. Where an optimizer is an object, its parameters are
# searched by ``optimizer__name``. A rate at which descent diverges raises an error, which
# ``error_score`` turns into a score: such a candidate loses.

grid = GridSearchCV(
    model,
    [
        {"optimizer": ["gd"], "learning_rate": [0.001, 0.01, 0.1, 1.0, "auto"]},
        {
            "optimizer": [optimizers.Momentum()],
            "optimizer__momentum": [0.5, 0.9],
            "learning_rate": [0.001, 0.01, "auto"],
        },
    ],
    cv=folds,
    error_score=-1.0,
).fit(X, y)
columns = ["param_learning_rate", "param_optimizer", "param_optimizer__momentum", "mean_test_score"]
pd.DataFrame(grid.cv_results_)[columns].sort_values("mean_test_score", ascending=False)

# %%
# Search over schedules
# ---------------------
# The candidates, over the 20 epochs of the run:

candidates = [
    schedules.Constant(0.05),
    schedules.InverseScaling(0.05, power_t=0.5),
    schedules.CosineDecay(0.05),
    schedules.OneCycle(0.05),
]
over_time = ScheduleDisplay.from_schedule(candidates, max_iter=20, updates_per_epoch=11)

# %%
# Successive halving spends most of its time on the promising ones: it gives all of them few epochs
# at first, and more to those that do well. ``resource="max_iter"`` says so. The first rate of each
# schedule is a parameter of its own.

halving = HalvingGridSearchCV(
    model,
    {"learning_rate": candidates[:3], "learning_rate__eta0": [0.003, 0.01, 0.03, 0.1]},
    resource="max_iter",
    min_resources=3,
    max_resources=81,
    factor=3,
    cv=folds,
    random_state=0,
).fit(X, y)
print(f"{halving.n_candidates_} candidates for {halving.n_resources_} epochs")
print(f"best: {halving.best_estimator_.learning_rate}, R² = {halving.best_score_:.4f}")

# %%
# Search at random
# ----------------
# For a rate, whose order of magnitude matters, a logarithmic distribution is the right one.

randomized = RandomizedSearchCV(
    model,
    {
        "learning_rate": loguniform(1e-4, 0.3),
        "optimizer": ["gd", "momentum", "nesterov"],
        "batch_size": [8, 32, 128],
    },
    n_iter=20,
    cv=folds,
    error_score=-1.0,
    random_state=0,
).fit(X, y)
print(randomized.best_params_, f"R² = {randomized.best_score_:.4f}")

figure, ax = plt.subplots(layout="constrained")
results = pd.DataFrame(randomized.cv_results_)
for name, colour, marker in zip(
    ["gd", "momentum", "nesterov"], ["#0072B2", "#D55E00", "#009E73"], "osv", strict=True
):
    tried = results[results["param_optimizer"] == name]
    ax.scatter(
        tried["param_learning_rate"].astype(float),
        tried["mean_test_score"].clip(lower=0),
        color=colour,
        marker=marker,
        label=name,
    )
ax.set(xscale="log", xlabel="learning rate", ylabel="R², 5 folds (0 if less)")
ax.grid(alpha=0.3)
ax.legend()

if len(sys.argv) > 1:
    display.figure_.savefig(sys.argv[1], dpi=150)
else:
    plt.show()
