"""
Real data in raw units
======================

Batch, mini-batch and stochastic gradient descent fit a linear model to
scikit-learn's diabetes data as they come: without a scaler and without a
learning rate. The example then searches over the learning rate and the penalty in
shared passes, and plots the loss curves and a validation curve.

Run ``python plot_diabetes.py`` to show the figure in a window, or pass a file
name to save it.
"""

# %%
# Data
# ----
# The data contain ten features of 442 patients; the target is a measure of
# disease progression after one year. The features have different units, years
# and mg/dl for example, and their means are far from zero. No model below has a
# scaler.

import sys
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn import linear_model
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, cross_val_score

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.model_selection import GridSearchCV, validation_curve
from skgd.plotting import REGRESSOR_COLOURS

X, y = load_diabetes(return_X_y=True, scaled=False)
folds = KFold(n_splits=5, shuffle=True, random_state=0)
print(f"Diabetes data: {X.shape[0]} patients, {X.shape[1]} features in raw units.\n")

# %%
# Fits without tuning
# -------------------
# All three regressors choose their learning rate and run as if the features were
# standardised; ``SGDRegressor`` has scikit-learn's defaults otherwise, and is told
# to. Their scores are those of the exact solution, ``LinearRegression``.
# scikit-learn's own ``SGDRegressor`` needs a scaler, and diverges here without a
# warning.

models = {
    "LinearRegression (scikit-learn)": LinearRegression(),
    "SGDRegressor (scikit-learn)": linear_model.SGDRegressor(random_state=0),
    "BatchGDRegressor": BatchGDRegressor(),
    "MiniBatchGDRegressor": MiniBatchGDRegressor(random_state=0),
    "SGDRegressor": SGDRegressor(
        penalty=None, learning_rate="auto", standardize=True, random_state=0
    ),
}

print(f"{'':31}  {'R², 5 folds':>13}")
for name, model in models.items():
    scores = cross_val_score(model, X, y, cv=folds)
    result = f"{scores.mean():.3f} ± {scores.std():.3f}" if scores.mean() > -1 else "diverged"
    print(f"{name:31}  {result:>13}")

# %%
# A search in shared passes
# -------------------------
# ``skgd.model_selection.GridSearchCV`` has scikit-learn's interface. The candidates
# of a fold visit the rows in the same order, and each batch updates the models of
# all of them: 20 candidates need the passes of one fit.

search = GridSearchCV(
    MiniBatchGDRegressor(max_iter=50, tol=None, random_state=0),
    {"learning_rate": [0.003, 0.01, 0.03, 0.1], "alpha": [0.0, 0.001, 0.01, 0.1, 1.0]},
    cv=folds,
).fit(X, y)

results = search.cv_results_
n_shared = np.count_nonzero(search.shared_ == "updates")
print(
    f"\nSearch over rate and penalty: {n_shared} of {len(search.shared_)} candidates shared passes."
)
print("R²            alpha = " + "".join(f"{alpha:>8}" for alpha in search.param_grid["alpha"]))
for rate in search.param_grid["learning_rate"]:
    chosen = results["param_learning_rate"] == rate
    scores = results["mean_test_score"][chosen]
    print(f"learning_rate = {rate:<6}" + "".join(f"{score:8.3f}" for score in scores))
print("Best: " + ", ".join(f"{name}={value}" for name, value in search.best_params_.items()))

# %%
# Loss curves
# -----------
# ``history_`` contains the objective after every epoch; ``record="objective"``
# makes the two stochastic methods compute it exactly, too. The left figure shows
# its distance from the minimum. The automatic choice for full batches needs one
# step for squared error, and mini-batches with an automatic rate a few epochs.
# Textbook gradient descent with a constant rate is slow, because the features are
# correlated.

minimum = np.mean((LinearRegression().fit(X, y).predict(X) - y) ** 2) / 2
automatic = {"learning_rate": "auto", "standardize": True, "record": "objective"}
fits = {
    "batch, automatic": BatchGDRegressor(),
    "batch, gradient descent": BatchGDRegressor(optimizer="gd", max_iter=100),
    "mini-batches, automatic": MiniBatchGDRegressor(random_state=0, record="objective"),
    "mini-batches, rate 0.01": MiniBatchGDRegressor(
        learning_rate=0.01, max_iter=100, tol=None, random_state=0, record="objective"
    ),
    "single rows, automatic": SGDRegressor(
        penalty=None, max_iter=100, tol=None, random_state=0, **automatic
    ),
}
styles = [{"marker": "o", "markersize": 4}, {"linestyle": "--"}, {}, {"linestyle": "--"}, {}]

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained")
for (name, model), style in zip(fits.items(), styles, strict=True):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # at most 100 epochs
        model.fit(X, y)
    excess = np.maximum(model.history_["objective"] / minimum - 1, 1e-12)
    colour = REGRESSOR_COLOURS[type(model).__name__]
    left.plot(model.history_["epoch"], excess, label=name, color=colour, **style)
left.set_xscale("symlog", linthresh=1)  # includes epoch 0, the starting point
left.set_xticks([0, 1, 10, 100], ["0", "1", "10", "100"])
left.set(
    xlabel="epoch",
    ylabel="objective / minimum − 1",
    title="Loss curves",
    yscale="log",
    xlim=(0, 100),
    ylim=(1e-10, 20),
)
left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2, fontsize="small")
left.grid(alpha=0.3)

# %%
# Validation curve
# ----------------
# ``skgd.model_selection.validation_curve`` shares the passes over the data among
# the values of a parameter, too. The right figure shows the scores of training and
# validation rows against the strength of an l1 penalty.

alphas = np.geomspace(0.01, 100, 25)
curve = validation_curve(
    BatchGDRegressor(penalty="l1"), X, y, param_name="alpha", param_range=alphas, cv=folds
)
colour = REGRESSOR_COLOURS["BatchGDRegressor"]
for scores, label, line in zip(curve, ["training", "validation"], ["--", "-"], strict=True):
    mean, deviation = scores.mean(axis=1), scores.std(axis=1)
    right.plot(alphas, mean, line, label=label, color=colour)
    right.fill_between(alphas, mean - deviation, mean + deviation, color=colour, alpha=0.15)
right.set(xlabel="alpha", ylabel="R²", title="Validation curve, l1 penalty", xscale="log")
right.legend(loc="lower left")
right.grid(alpha=0.3)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
    print(f"\nLoss curves and validation curve: {Path(sys.argv[1]).resolve()}")
else:
    plt.show()
