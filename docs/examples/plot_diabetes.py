"""
Three regressors on the diabetes data
=====================================

Batch, mini-batch and stochastic gradient descent fit the same linear model to
scikit-learn's diabetes data. The example compares their accuracy and time with
scikit-learn's regressors, searches for the learning rate, and plots the
convergence of each method.

Run ``python plot_diabetes.py`` to show the figure in a window, or pass a file
name to save it.
"""

# %%
# Data
# ----
# The data contain ten features of 442 patients; the target is a measure of
# disease progression after one year. The features have different units, years
# and mg/dl for example, so every model is used with a ``StandardScaler``.

import statistics
import sys
import time
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn import linear_model
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor

X, y = load_diabetes(return_X_y=True, scaled=False)
folds = KFold(n_splits=5, shuffle=True, random_state=0)
print(f"Diabetes data: {X.shape[0]} patients, {X.shape[1]} features.\n")

# %%
# Comparison of five regressors
# -----------------------------
# ``BatchGDRegressor`` and ``MiniBatchGDRegressor`` choose their learning rate
# automatically; the two ``SGDRegressor`` have scikit-learn's defaults.
# ``LinearRegression`` computes the exact solution.

models = {
    "LinearRegression (scikit-learn)": LinearRegression(),
    "SGDRegressor (scikit-learn)": linear_model.SGDRegressor(random_state=0),
    "BatchGDRegressor": BatchGDRegressor(),
    "MiniBatchGDRegressor": MiniBatchGDRegressor(random_state=0),
    "SGDRegressor": SGDRegressor(random_state=0),
}


def seconds_to_fit(model):
    start = time.perf_counter()
    model.fit(X, y)
    return time.perf_counter() - start


scaled_X = StandardScaler().fit_transform(X)
exact = LinearRegression().fit(scaled_X, y)

print(f"{'':31}  {'R², 5 folds':>13}  {'error':>8}  {'fit':>7}")
for name, model in models.items():
    pipeline = make_pipeline(StandardScaler(), model)
    scores = cross_val_score(pipeline, X, y, cv=folds)
    seconds = statistics.median(seconds_to_fit(pipeline) for _ in range(5))
    error = np.max(np.abs(model.coef_ - exact.coef_))
    print(
        f"{name:31}  {scores.mean():.3f} ± {scores.std():.3f}"
        f"  {error:8.2g}  {1e3 * seconds:4.1f} ms"
    )
print(
    "error: the largest difference of a coefficient from that of LinearRegression. These\n"
    f"range from {exact.coef_.min():.0f} to {exact.coef_.max():.0f}. Some features are nearly"
    " collinear, so that different\ncoefficients can give almost the same predictions.\n"
)

# %%
# Grid search for the learning rate
# ---------------------------------
# A grid for ``learning_rate`` can contain both numbers and ``"auto"``. With 100
# epochs of plain gradient descent, the smallest learning rates do not converge.

search = GridSearchCV(
    make_pipeline(StandardScaler(), BatchGDRegressor(optimizer="gd", max_iter=100)),
    {"batchgdregressor__learning_rate": [0.001, 0.01, 0.1, "auto"]},
    cv=folds,
)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # the smallest rates do not converge
    search.fit(X, y)

print("Grid search over the learning rate, 100 epochs of gradient descent:")
for candidate, score in zip(
    search.cv_results_["param_batchgdregressor__learning_rate"],
    search.cv_results_["mean_test_score"],
    strict=True,
):
    print(f"  learning_rate={candidate!s:<6}  R² = {score:6.3f}")
best = search.best_params_["batchgdregressor__learning_rate"]
print(f"Best: learning_rate={best!r}\n")

# %%
# Convergence
# -----------
# ``history_`` contains the objective after every epoch; ``record="objective"``
# makes the two stochastic methods compute it exactly, too. Without a penalty all
# methods have the same minimum. The figure shows the relative difference between
# the objective and this minimum. After ten epochs it is about one percent or less
# for all of them. Further convergence is slow for gradient descent because the
# objective is ill-conditioned. Conjugate gradients and mini-batches with an
# automatic learning rate, which combine several search directions, converge
# faster. The automatic choice for full batches, the proximal Newton method, takes a
# single step.

minimum = np.mean((exact.predict(scaled_X) - y) ** 2) / 2
fits = {
    "batch, conjugate gradients": BatchGDRegressor(optimizer="cg"),
    "batch, gradient descent": BatchGDRegressor(optimizer="gd", max_iter=500),
    "mini-batches of 32": MiniBatchGDRegressor(max_iter=500, random_state=0, record="objective"),
    "single rows (SGD)": SGDRegressor(
        penalty=None, max_iter=500, tol=None, random_state=0, record="objective"
    ),
}
styles = [  # Okabe and Ito's palette for the colour-blind
    {"color": "#000000", "linestyle": "-", "marker": "o", "markersize": 4},
    {"color": "#0072B2", "linestyle": "-"},
    {"color": "#009E73", "linestyle": "--"},
    {"color": "#D55E00", "linestyle": "-."},
]

figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
for (name, model), style in zip(fits.items(), styles, strict=True):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # at most 500 epochs
        model.fit(scaled_X, y)
    excess = model.history_["objective"] / minimum - 1
    axes.plot(model.history_["epoch"], excess, label=name, **style)
axes.set_xscale("symlog", linthresh=1)  # includes epoch 0, the starting point
axes.set_xticks([0, 1, 10, 100, 500], ["0", "1", "10", "100", "500"])
axes.set(
    xlabel="epoch",
    ylabel="objective / minimum − 1",
    title="Gradient descent on the diabetes data",
    yscale="log",
    xlim=(0, 500),
    ylim=(1e-6, 20),
)
axes.grid(alpha=0.3)
axes.legend(loc="lower left")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
    print(f"Loss curves: {Path(sys.argv[1]).resolve()}")
else:
    plt.show()
