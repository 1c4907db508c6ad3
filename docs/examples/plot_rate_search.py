"""
Choosing a learning rate
========================

Four ways to choose a learning rate, from the fastest to the most thorough: the automatic choice, a
learning-rate range test, and searches over learning rates, schedules and optimizers by
cross-validation.
"""

# %%
# Automatic learning rate
# -----------------------
# ``learning_rate="auto"``, the default of ``BatchGDRegressor`` and ``MiniBatchGDRegressor``, is
# derived from the curvature of the objective. It is the reference for the searches below.

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
from skgd.plotting import COLOURS

# Some candidates do not converge, or diverge.
warnings.simplefilter("ignore", ConvergenceWarning)
warnings.simplefilter("ignore", FitFailedWarning)
X, y = load_diabetes(return_X_y=True, scaled=False)
folds = KFold(5, shuffle=True, random_state=0)
model = MiniBatchGDRegressor(max_iter=20, random_state=0)
print(f"auto: R² = {cross_val_score(model, X, y, cv=folds).mean():.4f}")

# %%
# Learning-rate range test
# ------------------------
# :func:`~skgd.learning_rate_range_test` runs short fits at learning rates from far too small to
# slightly too large. Among the rates up to half the largest stable one, it suggests the largest
# that achieves 99 % of the largest decrease of the objective.

display = LearningRateDisplay.from_estimator(model, X, y)
display.found

# %%
# Grid search over learning rates and optimizers
# ----------------------------------------------
# A grid can contain both ``"auto"`` and numbers. If an optimizer is an object, its parameters are
# searched as ``optimizer__name``. A learning rate at which the fit diverges raises an error, which
# ``error_score`` converts to a low score.

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
# Successive halving over schedules
# ---------------------------------
# The candidates over the 20 epochs of a fit:

candidates = [
    schedules.Constant(0.05),
    schedules.InverseScaling(0.05, power_t=0.5),
    schedules.CosineDecay(0.05),
    schedules.OneCycle(0.05),
]
over_time = ScheduleDisplay.from_schedule(candidates, max_iter=20, updates_per_epoch=11)

# %%
# Successive halving runs a few epochs for all candidates, and more epochs only for the best of
# them; ``resource="max_iter"`` selects epochs as the resource. The initial learning rate of each
# schedule is searched, too.

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
# Randomized search
# -----------------
# Learning rates are sampled from a log-uniform distribution, which covers several orders of
# magnitude evenly.

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
for name, colour, marker in zip(["gd", "momentum", "nesterov"], COLOURS[3:6], "osv", strict=True):
    trials = results[results["param_optimizer"] == name]
    ax.scatter(
        trials["param_learning_rate"].astype(float),
        trials["mean_test_score"].clip(lower=0),
        color=colour,
        marker=marker,
        label=name,
    )
ax.set(xscale="log", xlabel="learning rate", ylabel="R², 5 folds (clipped at 0)")
ax.grid(alpha=0.3)
ax.legend()

if len(sys.argv) > 1:
    display.figure_.savefig(sys.argv[1], dpi=150)
else:
    plt.show()
