"""
Prediction intervals by quantiles
=================================

One fit of several quantile levels gives intervals whose width follows the noise. Their coverage is
measured on held-out rows.
"""

# %%
# Five levels in one fit
# ----------------------
# The noise grows with x and is skewed. ``Quantile`` with several levels fits one output per level;
# with ``non_crossing=True`` the predictions of each row are sorted. The curves are splines, whose
# coefficients the linear model fits.

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from skgd import BatchGDRegressor
from skgd.losses import Quantile
from skgd.plotting import REGRESSOR_COLOURS

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(0, 10, size=4000))
y = 3 * np.sin(x) + 0.5 * x + (0.2 + 0.25 * x) * (rng.exponential(size=4000) - 1)
x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0)

levels = [0.05, 0.25, 0.5, 0.75, 0.95]
quantiles = make_pipeline(
    SplineTransformer(n_knots=8), BatchGDRegressor(Quantile(levels, non_crossing=True), alpha=1e-5)
)
quantiles.fit(x_train[:, None], y_train)

grid = np.linspace(0, 10, 400)
curves = quantiles.predict(grid[:, None])

figure, left = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
left.plot(x_test, y_test, ".", color="0.6", markersize=3, label="held-out rows")
colour = REGRESSOR_COLOURS["BatchGDRegressor"]
left.fill_between(grid, curves[:, 0], curves[:, 4], color=colour, alpha=0.2, label="90 %")
left.fill_between(grid, curves[:, 1], curves[:, 3], color=colour, alpha=0.35, label="50 %")
left.plot(grid, curves[:, 2], color=colour, label="median")
left.set(xlabel="x", ylabel="y", title="Intervals between quantiles")
left.grid(alpha=0.3)
legend = left.legend(fontsize="small", loc="upper left")

# %%
# Coverage on held-out rows
# -------------------------
# Nine tenths of the held-out rows are to lie between the levels 0.05 and 0.95, at every x. An
# interval of constant width around the mean, from the quantiles of the residuals, has the right
# coverage on average, but is too wide for small x and too narrow for large x.

mean = make_pipeline(SplineTransformer(n_knots=8), BatchGDRegressor(alpha=1e-5))
mean.fit(x_train[:, None], y_train)
residuals = y_train - mean.predict(x_train[:, None])
low, high = np.quantile(residuals, [0.05, 0.95])

predictions = quantiles.predict(x_test[:, None])
is_covered = {
    "quantiles": (predictions[:, 0] <= y_test) & (y_test <= predictions[:, 4]),
    "constant width": (low <= y_test - mean.predict(x_test[:, None]))
    & (y_test - mean.predict(x_test[:, None]) <= high),
}
edges = np.linspace(0, 10, 6)
_, right = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
bins = np.digitize(x_test, edges[1:-1])
for (name, covered), colour, shift in zip(
    is_covered.items(), [REGRESSOR_COLOURS["BatchGDRegressor"], "0.6"], [-0.4, 0.4], strict=True
):
    coverage = [covered[bins == b].mean() for b in range(5)]
    label = f"{name}: {covered.mean():.1%} of all rows"
    right.bar(edges[:-1] + 1 + shift, coverage, width=0.75, color=colour, label=label)
    print(f"{name}: {covered.mean():.3f}, by x: {np.round(coverage, 3)}")
right.axhline(0.9, color="k", linestyle=":", label="nominal: 90 %")
right.set(xlabel="x", ylabel="covered held-out rows", ylim=(0.6, 1.12), title="Coverage by x")
right.set_yticks([0.6, 0.7, 0.8, 0.9, 1.0])
right.legend(fontsize="small", loc="upper center", ncols=1)
right.grid(alpha=0.3)

# %%
# The share of held-out rows below each curve is close to its level:

below = np.mean(y_test[:, None] <= predictions, axis=0)
for level, share in zip(levels, below, strict=True):
    print(f"level {level}: {share:.3f} of the held-out rows are below")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=100)
else:
    plt.show()
