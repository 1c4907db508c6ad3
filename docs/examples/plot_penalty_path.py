"""
Choosing a penalty
==================

:class:`~skgd.model_selection.BatchGDRegressorCV` chooses strength and l1 ratio of the penalty by
cross-validation. It has the conventions of scikit-learn's ``ElasticNetCV``, for every loss.
"""

# %%
# Squared error
# -------------
# The rows are read once: the second moments of the folds determine all models, and the errors of
# the test rows. With ``alphas`` left at None, 100 strengths are chosen from the data for each
# ratio.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

from skgd.model_selection import BatchGDRegressorCV

X, y = load_diabetes(return_X_y=True, scaled=False)
X = (X - X.mean(axis=0)) / X.std(axis=0)
rng = np.random.default_rng(0)
X = np.hstack([X, rng.normal(size=(len(X), 40))])  # features without an effect
model = BatchGDRegressorCV(l1_ratio=[0.0, 0.5, 1.0]).fit(X, y)
print(f"alpha = {model.alpha_:.3g}, l1_ratio = {model.l1_ratio_:g}")
print(f"{np.count_nonzero(model.coef_)} of {X.shape[1]} coefficients are not zero")

# %%
# ``mse_path_`` has the errors for each ratio, strength and fold. The bands are one standard error
# of the mean over the folds wide, on either side.

fig, ax = plt.subplots(layout="constrained")
for ratio, alphas, errors in zip(model.l1_ratio, model.alphas_, model.mse_path_, strict=True):
    mean, spread = errors.mean(axis=1), errors.std(axis=1) / np.sqrt(errors.shape[1])
    (line,) = ax.plot(alphas, mean, label=f"l1_ratio = {ratio:g}")
    ax.fill_between(alphas, mean - spread, mean + spread, alpha=0.2, color=line.get_color())
best = -2 * model.best_score_
ax.plot(model.alpha_, best, "k.", markersize=10, label="chosen")
ax.set(xscale="log", xlabel="alpha", ylabel="mean squared error of test rows")
ax.legend()
ax.grid(alpha=0.3)

# %%
# Other losses
# ------------
# Counts are fitted with ``loss="poisson"``. Each fit starts from the solution for the next larger
# strength.

counts = rng.poisson(np.exp(0.5 * X[:, 2] - 0.3 * X[:, 8]))
model = BatchGDRegressorCV("poisson", l1_ratio=1.0, alphas=20, eps=0.01).fit(X, counts)
print(f"alpha = {model.alpha_:.3g}, mean loss = {-model.best_score_:.3f}")
print("features:", np.flatnonzero(np.abs(model.coef_) > 0.1))
