"""
Choosing rate, epochs and penalty by cross-validation
=====================================================

Ten-fold cross-validation of a learning rate, a number of epochs and a penalty is thousands of fits
to nearly the same rows. The searches of :mod:`skgd.model_selection` share the work of these fits,
so that they take about as long as a few of them.
"""

# %%
# Data
# ----
# Thirty correlated features, of which the target depends on ten, and few rows: a model that is
# trained for too long fits the noise.

import sys
import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SearchDisplay
from skgd.model_selection import GridSearchCV, HalvingGridSearchCV, cross_validate

warnings.simplefilter("ignore", ConvergenceWarning)  # descents are ended early on purpose
rng = np.random.default_rng(0)
X = rng.normal(size=(120, 30)) @ (np.eye(30) + rng.normal(size=(30, 30)) / 5)
y = X[:, :10] @ rng.normal(size=10) + 3 * rng.normal(size=120)
folds = KFold(10, shuffle=True, random_state=0)

# %%
# Learning rate and epochs
# ------------------------
# ``SearchDisplay.from_rates`` shows the score of gradient descent on the test rows of the folds for
# each learning rate and number of epochs. The iterates of gradient descent on squared error are
# polynomials of the Hessian, so that one decomposition for each fold replaces all descents. Equal
# products of rate and epochs have equal scores: the descent is a regularisation path. The best
# scores lie on a band; above it, the model fits the noise.

start = time.perf_counter()
figure, ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
surface = SearchDisplay.from_rates(BatchGDRegressor(), X, y, max_iter=10_000, cv=folds, ax=ax)
print(f"{10 * len(surface.scores):,} scores in {time.perf_counter() - start:.2f} s")

# %%
# Penalty
# -------
# An l2 penalty has a similar effect. Fits by full batches need the second moments of the rows only,
# which one pass computes for all folds: ``shared_`` says so. The band is one standard deviation of
# the scores of the folds on each side of the mean.

alphas = {"alpha": np.logspace(-3, 2, 26)}
search = GridSearchCV(BatchGDRegressor(), alphas, cv=folds, return_train_score=True)
start = time.perf_counter()
search.fit(X, y)
print(f"260 fits in {time.perf_counter() - start:.2f} s, shared: {set(search.shared_.tolist())}")
SearchDisplay.from_estimator(search)

# %%
# Two parameters
# --------------
# With two parameters, the display is a heat map. With more, ``params`` selects two of them, and the
# others have the values of the best candidate.

grid = {"alpha": np.logspace(-2, 1.5, 12), "l1_ratio": [0.0, 0.25, 0.5, 0.75, 1.0]}
search = GridSearchCV(BatchGDRegressor(penalty="elasticnet"), grid, cv=folds).fit(X, y)
SearchDisplay.from_estimator(search)

# %%
# Epochs that are continued
# -------------------------
# Successive halving runs a few epochs for all candidates, and three times as many for the best
# third. With ``resource="max_iter"``, the searches of skgd continue their descents, so that no
# epoch is run twice. The figure shows the last score of each candidate; the curve rises steeply
# between those that left after 3 epochs and those that went on.

halving = HalvingGridSearchCV(
    MiniBatchGDRegressor(batch_size=16, tol=None, random_state=0),
    {"learning_rate": np.logspace(-4, -1, 18)},
    resource="max_iter",
    min_resources=3,
    max_resources=81,
    cv=folds,
).fit(X, y)
print(f"{halving.n_candidates_} candidates for {halving.n_resources_} epochs")
SearchDisplay.from_estimator(halving)

# %%
# Evaluation of the choice
# ------------------------
# The score of the best candidate is too good an estimate of its quality, since it was chosen by
# this score. ``cross_validate`` repeats the whole search in each of the outer folds.

search = GridSearchCV(BatchGDRegressor(), alphas, cv=folds).fit(X, y)
scores = cross_validate(search, X, y, cv=5)["test_score"]
print(f"best score {search.best_score_:.3f}, of the whole search {scores.mean():.3f}")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
else:
    plt.show()
