"""
Three ways down on the diabetes data
====================================

Batch, mini-batch and stochastic gradient descent fit the same linear model to
scikit-learn's diabetes data, beside scikit-learn's own regressors: how well
each one predicts, how near it comes to the exact solution, which learning rate
a grid search finds, and the way each one took.

Run it by hand with ``python plot_diabetes.py`` to see the figure in a window,
or with a file name to save it.
"""

# %%
# The data
# --------
# 442 patients, ten measurements each, and how far their diabetes had gone a
# year later. The measurements are in units of their own, years beside mg/dl, so
# every model stands behind a ``StandardScaler``.

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
print(f"Diabetes data: {X.shape[0]} patients, {X.shape[1]} measurements each.\n")

# %%
# Five regressors, one table
# --------------------------
# Batch and mini-batch descent choose their learning rate themselves; the two
# ``SGDRegressor`` have scikit-learn's defaults. ``LinearRegression`` computes the
# exact solution that all of them approach.

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

print(f"{'':31}  {'R², 5 folds':>13}  {'off by':>8}  {'fit':>7}")
for name, model in models.items():
    pipeline = make_pipeline(StandardScaler(), model)
    scores = cross_val_score(pipeline, X, y, cv=folds)
    seconds = statistics.median(seconds_to_fit(pipeline) for _ in range(5))
    off_by = np.max(np.abs(model.coef_ - exact.coef_))
    print(
        f"{name:31}  {scores.mean():.3f} ± {scores.std():.3f}"
        f"  {off_by:8.2g}  {1e3 * seconds:4.1f} ms"
    )
print(
    "off by: the largest difference of a coefficient from LinearRegression's, which\n"
    f"reach from {exact.coef_.min():.0f} to {exact.coef_.max():.0f}. Some measurements almost"
    " repeat each other, so that\n"
    "coefficients far apart can predict equally well.\n"
)

# %%
# A search for the learning rate
# ------------------------------
# ``learning_rate`` is a parameter like any other: numbers and ``"auto"`` can
# stand in one grid. With 100 epochs of plain descent, too small a rate does not
# arrive.

search = GridSearchCV(
    make_pipeline(StandardScaler(), BatchGDRegressor(optimizer="gd", max_iter=100)),
    {"batchgdregressor__learning_rate": [0.001, 0.01, 0.1, "auto"]},
    cv=folds,
)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # too slow is the point
    search.fit(X, y)

print("Grid search over the learning rate, 100 epochs of plain descent:")
for candidate, score in zip(
    search.cv_results_["param_batchgdregressor__learning_rate"],
    search.cv_results_["mean_test_score"],
    strict=True,
):
    print(f"  learning_rate={candidate!s:<6}  R² = {score:6.3f}")
best = search.best_params_["batchgdregressor__learning_rate"]
print(f"Best: learning_rate={best!r}\n")

# %%
# The way down
# ------------
# ``history_`` keeps the objective after every epoch; ``record="objective"`` asks
# the two stochastic ones for the exact value too. Without a penalty all share one
# minimum, so the figure shows how far above it each still is. After ten epochs all
# are within about a percent. The rest of the way is a narrow valley, which the automatic
# descents cross: conjugate gradient, and mini-batches whose steps are combined.

minimum = np.mean((exact.predict(scaled_X) - y) ** 2) / 2
descents = {
    "batch, conjugate gradient": BatchGDRegressor(),
    "batch, plain descent": BatchGDRegressor(optimizer="gd", max_iter=500),
    "mini-batches of 32": MiniBatchGDRegressor(max_iter=500, random_state=0, record="objective"),
    "one at a time (SGD)": SGDRegressor(
        penalty=None, max_iter=500, tol=None, random_state=0, record="objective"
    ),
}
styles = [  # Okabe and Ito's colours, which the colour-blind tell apart too
    {"color": "#000000", "linestyle": "-", "marker": "o", "markersize": 4},
    {"color": "#0072B2", "linestyle": "-"},
    {"color": "#009E73", "linestyle": "--"},
    {"color": "#D55E00", "linestyle": "-."},
]

figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
for (name, model), style in zip(descents.items(), styles, strict=True):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 500 epochs, not more
        model.fit(scaled_X, y)
    above = model.history_["objective"] / minimum - 1
    axes.plot(model.history_["epoch"], above, label=name, **style)
axes.set_xscale("symlog", linthresh=1)  # shows epoch 0, the starting point, too
axes.set_xticks([0, 1, 10, 100, 500], ["0", "1", "10", "100", "500"])
axes.set(
    xlabel="epoch",
    ylabel="objective above its minimum (relative)",
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
