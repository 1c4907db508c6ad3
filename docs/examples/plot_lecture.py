"""
Gradient descent: a first lecture
=================================

This page goes from difference quotients to momentum in nine short sections. It needs a little
calculus and NumPy, and no knowledge of this library. Every figure shows a real computation: the
estimators of skgd and :func:`skgd.minimize` record what they do, and the Displays plot it. Each
section ends with exercises; download the page as a notebook to do them.
"""

# %%
# A line through points
# ---------------------
# We predict the progression of diabetes y from the body mass index x of 442 patients. Both are
# centred, and x is divided by its standard deviation, so that the line is y = w x, with a single
# unknown: its slope w. A good slope makes the errors w x − y small. As usual, we measure them by
# half of their mean square, the **objective**.

# sphinx_gallery_thumbnail_number = 4
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

import skgd
from skgd import (
    BatchGDRegressor,
    ConvergenceDisplay,
    DescentPathDisplay,
    LearningRateDisplay,
    MiniBatchGDRegressor,
    ScheduleDisplay,
    SGDRegressor,
    schedules,
)
from skgd.plotting import COLOURS

data, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
y = (y - y.mean()).to_numpy()
x = ((data["bmi"] - data["bmi"].mean()) / data["bmi"].std()).to_numpy()


def objective(w):
    return 0.5 * np.mean((w * x - y) ** 2)


slopes = np.linspace(-20, 120, 141)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.plot(x, y, ".", color="0.6")
for w in (0, 20, 50):
    left.plot(x, w * x, label=f"w = {w}")
    right.plot(w, objective(w), "o")
left.set(xlabel="body mass index x", ylabel="progression y", title="Three lines")
left.legend()
right.plot(slopes, [objective(w) for w in slopes], color="0.6", zorder=0)
labels = right.set(xlabel="slope w", ylabel="objective", title="Their objectives")

# %%
# **Exercise 1.** Read the best slope off the right figure. Which line on the left has the smallest
# objective, and is its slope too large or too small?

# %%
# The derivative as a difference quotient
# ---------------------------------------
# At w = 0, does a larger or a smaller w decrease the objective? The derivative says so: it is
# negative if a larger w is better. Without a formula, it can be estimated by a difference quotient,
# (f(w + h) − f(w)) / h for a small step h. :func:`skgd.approx_gradient` computes it. Here the exact
# derivative is mean((w x − y) x).


def derivative(w):
    return np.mean((w * x - y) * x)


for h in (1.0, 0.1, 0.001):
    print(f"h = {h:5}: {skgd.approx_gradient(objective, 0.0, step=h, method='forward'):.6f}")
print(f"exact:     {derivative(0.0):.6f}")

# %%
# A smaller step is more accurate, but only up to a point: if h is tiny, f(w + h) and f(w) agree in
# nearly all of their digits, and their difference consists of rounding errors. The error of the
# central quotient (f(w + h) − f(w − h)) / 2h is proportional to h² for most functions, so it allows
# larger steps. The figure shows sin at 1, because for a parabola the central quotient is exact.

steps = np.logspace(-15, 0, 61)
figure, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
for method, name in {"forward": "forward quotient", "central": "central quotient"}.items():
    quotients = [skgd.approx_gradient(np.sin, 1.0, step=h, method=method) for h in steps]
    ax.loglog(steps, np.abs(np.array(quotients) - np.cos(1.0)) + 1e-18, ".-", label=name)
ax.set(xlabel="step h", ylabel="error of the derivative", ylim=(1e-13, 10))
ax.grid(alpha=0.3)
legend = ax.legend()

# %%
# **Exercise 2.** Near which step is each quotient most accurate? Compare with the square root and
# the cube root of the machine precision, ``np.finfo(float).eps``.

# %%
# Gradient descent
# ----------------
# The derivative says in which direction the objective decreases. **Gradient descent** repeats one
# step: w ← w − η f′(w). The number η is the **learning rate**. The step is long where the objective
# is steep, and becomes shorter towards the minimum, where the derivative is zero.
# :func:`skgd.minimize` does this, and its ``history`` contains every step.

result = skgd.minimize(objective, 0.0, jac=derivative, learning_rate=0.4, max_iter=15)
visited = result.history["x"]

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.plot(slopes, [objective(w) for w in slopes], color="0.6")
left.plot(visited, [objective(w) for w in visited], "o-", color=COLOURS[0], markersize=4)
left.set(xlabel="slope w", ylabel="objective", title="Fifteen steps of gradient descent")
display = ConvergenceDisplay.from_history(
    {"objective": result.history["fun"]}, ax=right, names="descent"
)
labels = right.set(xlabel="step", title="The objective after each step")

# %%
# **Exercise 3.** Which learning rate reaches the minimum of this parabola in a single step? What
# happens for rates between this one and twice this one? Set ``learning_rate`` above and look.

# %%
# Two coefficients: the gradient
# ------------------------------
# With a second feature, the serum measurement s5, the objective is a surface over the plane of two
# coefficients. Its **gradient** is the vector of the two partial derivatives. The negative
# gradient, shown by the arrows, is the direction of steepest descent, at a right angle to the
# contours. :class:`~skgd.BatchGDRegressor` is gradient descent with the methods of scikit-learn,
# ``fit`` and ``predict``; with ``record="path"`` it records the coefficients after every step.

X = data[["bmi", "s5"]]
Z = (X - X.mean()) / X.std()
textbook = {"optimizer": "gd", "standardize": False, "tol": None, "record": "path"}

model = BatchGDRegressor(learning_rate=0.3, max_iter=15, **textbook).fit(Z, y)
display = DescentPathDisplay.from_estimator(model, Z, y, gradient=True)

# %%
# The same descent, step by step:

animation = display.animate(n_frames=16, interval=150)
animation

# %%
# **Exercise 4.** Find the same coefficients with ``sklearn.linear_model.LinearRegression``. Why
# does the path start almost in a straight line towards the minimum, although the arrows elsewhere
# do not point to it?

# %%
# Learning rates: slow, good, too large
# -------------------------------------
# A small learning rate takes many steps. A large one goes beyond the bottom of the valley, to the
# opposite side; up to 2 / L, where L is the largest curvature of the objective, it still
# arrives. Beyond that every step is longer than the one before, and the descent **diverges**.


def surface(w):
    return 0.5 * np.mean((Z.to_numpy() @ w - y) ** 2)


def surface_gradient(w):
    return Z.to_numpy().T @ (Z.to_numpy() @ w - y) / len(y)


L = np.linalg.eigvalsh(Z.T @ Z / len(y)).max()
print(f"largest curvature L = {L:.3f}, limit 2 / L = {2 / L:.3f}")
rates = {"slow: 0.05": 0.05, "good: 0.5": 0.5, "too large: 1.6": 1.6}
results = {
    name: skgd.minimize(
        surface, [-20.0, 40.0], jac=surface_gradient, learning_rate=rate, max_iter=12
    )
    for name, rate in rates.items()
}
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
DescentPathDisplay.from_function(
    surface, results, xlim=(-40, 110), ylim=(-40, 110), ax=left, colorbar=False
)
left.set(xlabel="coefficient of bmi", ylabel="coefficient of s5")
display = ConvergenceDisplay.from_history(
    {name: {"objective": result.history["fun"]} for name, result in results.items()}, ax=right
)
label = right.set_xlabel("step")

# %%
# A regressor does not return a model that has diverged. It raises an error, which states the
# largest stable rate:

try:
    BatchGDRegressor(learning_rate=1.6, max_iter=1000, **textbook).fit(Z, y)
except ValueError as error:
    print(error)

# %%
# If L is not known, a **range test** finds the limit: short fits at many learning rates.

display = LearningRateDisplay.from_estimator(BatchGDRegressor(**textbook), Z, y)

# %%
# **Exercise 5.** Change 1.6 to 1.3 in ``rates``, just below the limit. How does the path look, and
# how long does it take to arrive?

# %%
# Conditioning and scaling
# ------------------------
# The two features above have the same standard deviation. Suppose that s5 were recorded in a unit
# three times larger, so that its values are three times smaller. The valley is now long and narrow:
# across it the objective is steep, which limits the learning rate, and along it is nearly flat, so
# that this rate is too small there. The ratio of the two curvatures is the **condition number**;
# the number of steps is proportional to it. Dividing each feature by its standard deviation, as
# ``standardize=True`` does, makes the condition number small.

raw = Z * [1.0, 1 / 3]
rate = 0.7
unscaled = BatchGDRegressor(learning_rate=rate, max_iter=60, **textbook).fit(raw, y)
scaled = BatchGDRegressor(learning_rate=rate, max_iter=60, **textbook | {"standardize": True})
scaled.fit(raw, y)
fits = {"unscaled": unscaled, "standardize=True": scaled}
for name, features in {"unscaled": raw, "standardised": Z}.items():
    print(f"{name:13} condition number {np.linalg.cond(features.T @ features):5.1f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
DescentPathDisplay.from_estimator(fits, raw, y, ax=left, colorbar=False)
display = ConvergenceDisplay.from_estimator(fits, above="best", columns="objective", ax=right)

# %%
# **Exercise 6.** Divide s5 by 10 instead of 3. How many steps does each fit need until the
# objective is within 1e-3 of its minimum? Use ``history_["objective"]``.

# %%
# Mini-batches and noise
# ----------------------
# The gradient is a mean over all rows. The mean over a few random rows costs less, and it is nearly
# as good far from the minimum: :class:`~skgd.MiniBatchGDRegressor` makes one step for every
# ``batch_size`` rows, :class:`~skgd.SGDRegressor` one for every row. An **epoch** is a pass over
# all rows. Within one epoch, batch gradient descent makes one step, mini-batches of 32 make 14, and
# single rows make 442. The price is noise: near the minimum the gradients of the rows point in
# different directions, and the iterates wander around it.

common = {"standardize": False, "tol": None, "record": "path", "max_iter": 6}
models = {
    "batch": BatchGDRegressor(optimizer="gd", learning_rate=0.3, **common),
    "mini-batches of 32": MiniBatchGDRegressor(learning_rate=0.05, random_state=0, **common),
    "single rows": SGDRegressor(penalty=None, learning_rate=0.01, random_state=0, **common),
}
for model in models.values():
    model.fit(Z, y)
display = DescentPathDisplay.from_estimator(models, Z, y)

# %%
# All three at the same epoch in each frame:

animation = display.animate(n_frames=25, interval=150)
animation

# %%
# **Exercise 7.** Halve the learning rate of the single rows. What happens to the size of the cloud
# around the minimum, and to the time until the path reaches it?

# %%
# Schedules
# ---------
# A large learning rate arrives early and stays noisy; a small one is accurate and slow. A
# **schedule** combines them: it starts large and decreases. ``learning_rate`` accepts a number or a
# schedule of :mod:`skgd.schedules`.

candidates = {
    "constant, 0.01": schedules.Constant(0.01),
    "constant, 0.0003": schedules.Constant(0.0003),
    "cosine decay from 0.01": schedules.CosineDecay(0.01),
}
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
ScheduleDisplay.from_schedule(candidates, max_iter=10, updates_per_epoch=442, ax=left)
fits = {
    name: SGDRegressor(
        penalty=None,
        learning_rate=schedule,
        standardize=False,
        max_iter=10,
        tol=None,
        record="objective",
        random_state=0,
    ).fit(Z, y)
    for name, schedule in candidates.items()
}
histories = {name: model.history_ for name, model in fits.items()}
display = ConvergenceDisplay.from_history(
    histories, above=surface(np.linalg.lstsq(Z, y)[0]), columns="objective", ax=right
)
label = right.set_ylabel("objective above the minimum")

# %%
# **Exercise 8.** A classical condition for convergence is that the sum of the learning rates is
# infinite and that of their squares is finite. Which of ``schedules.InverseScaling(0.01,
# power_t=p)``, with rates proportional to t to the power −p, satisfy it?

# %%
# Momentum
# --------
# In a narrow valley the steps across it cancel, and those along it add up. **Momentum** makes use
# of this: it moves by a running sum of the gradients, v ← μ v − η f′(w), w ← w + v, like a heavy
# ball. The number of steps is then proportional to the square root of the condition number only.

long_valley = Z * [1.0, 0.15]
momentum = {
    "gradient descent": {"optimizer": "gd", "learning_rate": 1.0},
    "momentum 0.8": {"optimizer": skgd.optimizers.Momentum(0.8), "learning_rate": 0.5},
}
fits = {
    name: BatchGDRegressor(**textbook | options, max_iter=80).fit(long_valley, y)
    for name, options in momentum.items()
}
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
DescentPathDisplay.from_estimator(fits, long_valley, y, ax=left, colorbar=False)
display = ConvergenceDisplay.from_estimator(fits, above="best", columns="objective", ax=right)

# %%
# **Exercise 9.** Which momentum between 0 and 1 is best here? What is the path for 0.99?

# %%
# What the library does by itself
# -------------------------------
# With the default ``learning_rate="auto"`` there is nothing to choose: the features are
# standardised internally, the rate follows from the curvature, and full batches use a faster method
# than plain gradient descent. All ten features, in their original units:

model = BatchGDRegressor().fit(data, y)
print(f"R² = {model.score(data, y):.4f} after {model.n_iter_} epoch(s)")

# %%
# **Exercise 10.** Fit all ten features with ``MiniBatchGDRegressor(random_state=0)`` and compare
# its coefficients and its ``history_`` with those of ``BatchGDRegressor``. Then read
# :doc:`/user_guide/index`, and :doc:`/choosing` for when gradient descent is the right method.

if __name__ == "__main__":
    plt.show()
