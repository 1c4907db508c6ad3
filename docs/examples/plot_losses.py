"""
Loss functions
==============

The values and gradients of the loss functions, and the lines that they fit to data with outliers.
"""

# %%
# Values and gradients
# --------------------
# Left, the losses of a prediction p at the target y; right, their derivatives with respect to p.
# The derivative of squared error grows with the error. The derivatives of the other losses in the
# first row of panels are bounded. The losses in the second row are asymmetric, or zero for small
# errors.

# sphinx_gallery_thumbnail_number = 2
import sys

import matplotlib.pyplot as plt
import numpy as np

from skgd import BatchGDRegressor, losses
from skgd.plotting import COLOURS

families = {
    "symmetric": [
        losses.SquaredError(),
        losses.Huber(epsilon=1.0),
        losses.LogCosh(),
        losses.AbsoluteError(),
    ],
    "asymmetric or epsilon-insensitive": [
        losses.Quantile(level=0.9),
        losses.EpsilonInsensitive(epsilon=1.0),
        losses.SquaredEpsilonInsensitive(epsilon=1.0),
    ],
}
p = np.linspace(-3, 3, 601)
figure, axes = plt.subplots(2, 2, figsize=(9, 6.5), layout="constrained")
for (title, family), (left, right) in zip(families.items(), axes, strict=True):
    for loss, colour, style in zip(family, COLOURS, ["-", "--", "-.", ":"], strict=False):
        left.plot(p, loss.value(p, 0.0), style, color=colour, label=repr(loss))
        right.plot(p, loss.gradient(p, 0.0), style, color=colour)
    left.set(title=title, ylabel="loss", ylim=(0, 4))
    right.set(title="gradient", ylim=(-3, 3))
    left.legend(fontsize="small")
    for ax in (left, right):
        ax.set_xlabel("p − y")
        ax.grid(alpha=0.3)

# %%
# Linear fits with outliers
# -------------------------
# A tenth of the targets are far too large. Squared error, which fits the mean, is strongly
# influenced by them; Huber's loss and the median are not.

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(0, 10, 200))
y = 1 + 0.5 * x + rng.normal(scale=0.5, size=200)
y += (rng.random(200) < 0.1) * rng.uniform(5, 12, 200)
X = x[:, None]


def scatter():
    _, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
    ax.plot(x, y, ".", color="0.6")
    ax.set(xlabel="x", ylabel="y")
    ax.grid(alpha=0.3)
    return ax


ax = scatter()
for loss, colour in zip(families["symmetric"][::-1], COLOURS[3::-1], strict=True):
    ax.plot(x, BatchGDRegressor(loss).fit(X, y).predict(X), color=colour, label=repr(loss))
ax.plot(x, 1 + 0.5 * x, "k:", label="true line")
legend = ax.legend(fontsize="small")

# %%
# Quantile regression: about 90 % of the targets are below the line of level 0.9.

ax = scatter()
for level, colour in zip((0.1, 0.5, 0.9), COLOURS, strict=False):
    model = BatchGDRegressor(losses.Quantile(level)).fit(X, y)
    below = np.mean(y <= model.predict(X))
    ax.plot(x, model.predict(X), color=colour, label=f"level {level}: {below:.0%} below")
legend = ax.legend(fontsize="small")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=100)
else:
    plt.show()
