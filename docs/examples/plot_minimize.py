"""
Minimise any function
=====================

:func:`skgd.minimize` descends on functions of one number or many. The stories here are those that
tutorials tell: what a gradient is, how long a step should be, where momentum helps, and which
minimum one ends in.
"""

# %%
# Secant and tangent
# ------------------
# A derivative is what difference quotients tend to. :func:`~skgd.approx_gradient` computes them:
# with a large step the secant misses the tangent of x² by that step, with 1e-5 they cannot be told
# apart.

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import rosen, rosen_der

import skgd
from skgd import DescentPathDisplay
from skgd.schedules import ExponentialDecay


def square(x):
    return x**2


def square_slope(x):
    return 2 * x


figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
x = np.linspace(-0.5, 3, 100)
left.plot(x, square(x), color="0.6")
for slope, name in [
    (square_slope(1.5), "tangent"),
    (skgd.approx_gradient(square, 1.5, step=0.5), "secant, h = 0.5"),
]:
    left.plot(x, square(1.5) + slope * (x - 1.5), label=name)
left.plot([1.5, 2.0], square(np.array([1.5, 2.0])), "ko", markersize=4)
left.set(xlabel="x", ylabel="x²", ylim=(-1, 8), title="Secant and tangent at 1.5")
left.legend()

x = np.arange(-10.0, 10)
quotients = [skgd.approx_gradient(square, at, step=1e-5) for at in x]
right.plot(x, square_slope(x), "x", label="derivative 2x", markersize=8)
right.plot(x, quotients, "+", label="difference quotient, h = 1e-5", markersize=8)
right.set(xlabel="x", title="Derivative of x²")
legend = right.legend()

# %%
# The same a coordinate at a time gives a gradient. :func:`~skgd.check_gradient` compares one's own
# with it and returns the largest difference; of a wrong one it names the worst coordinate.


def squares(v):
    return np.sum(np.square(v))


skgd.check_gradient(squares, lambda v: 2 * v, np.array([-4.0, 10.0, 6.0]), step=1e-5)

# %%
# Down a bowl
# -----------
# Descent on x² + y² at a rate of 0.1: the surface with the path on it, and the field of downhill
# directions over contours.

bowl = skgd.minimize(squares, [9.0, 9.0], jac=square_slope, learning_rate=0.1, max_iter=50)
display = DescentPathDisplay.from_function(squares, bowl, names="50 steps", kind="surface")

# %%

display = DescentPathDisplay.from_function(
    squares, xlim=(-10, 10), ylim=(-10, 10), resolution=25, gradient=True
)

# %%
# How long a step
# ---------------
# Five fixed rates on x² from 10: too small a rate creeps, 0.5 is right at once, 0.9 leaps from side
# to side (with the values of 0.1: their curves are one), and 1.1 leads away. ``history`` has the
# value after each step, and the result says what went wrong.

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for rate in (0.01, 0.1, 0.5, 0.9, 1.1):
    result = skgd.minimize(square, 10.0, jac=square_slope, learning_rate=rate, max_iter=20)
    ax.semilogy(np.maximum(result.history["fun"], 1e-9), marker=".", label=f"rate {rate}")
    print(f"rate {rate:4}: x = {result.x:9.4f}  {result.message[:60]}")
ax.set(xlabel="step", ylabel="x²", title="Fixed rates")
ax.legend()

# %%
# A rate may also shrink over time, or be chosen anew at each step: the best of several, or by a
# line search, which is the default. A candidate at which the function fails counts as infinite.

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
candidates = [100, 10, 1, 0.1, 1e-2, 1e-3, 1e-4, 1e-5]
for name, rate in {
    "fixed, 0.01": 0.01,
    "shrinking": ExponentialDecay(eta0=0.2, decay=0.98),
    "best of eight": candidates,
    "line search": "line_search",
}.items():
    result = skgd.minimize(
        squares, [8.0, -10.0, -2.0], jac=square_slope, learning_rate=rate, xtol=1e-7, max_iter=800
    )
    ax.loglog(np.maximum(result.history["fun"], 1e-16), label=f"{name}: {result.nit} steps")
ax.set(xlabel="step", ylabel="value", title="Four ways to choose a step")
ax.legend()

# %%
# On (x - 3)² + 1 the history shows value and slope side by side.

parabola = skgd.minimize(
    lambda x: (x - 3) ** 2 + 1,
    10.0,
    jac=lambda x: 2 * (x - 3),
    learning_rate=0.1,
    max_iter=30,
)
figure, axes = plt.subplots(1, 3, figsize=(11, 3), layout="constrained")
for ax, column in zip(axes, ("x", "fun", "jac"), strict=True):
    ax.plot(parabola.history[column], ".-")
    ax.set(xlabel="step", title=column)

# %%
# Steepest descent and conjugate gradients
# ----------------------------------------
# On a quadratic the best step along the gradient is known, (gᵀg) / (gᵀGg): ``"exact"``. Even so
# steepest descent zigzags, while conjugate directions arrive in as many steps as there are
# dimensions. A fixed rate is slower still.

G = np.array([[1.0, 0.6], [0.6, 8.0]])
quadratic = {"fun": lambda v: 0.5 * v @ G @ v, "x0": [-9.0, 2.0], "jac": lambda v: G @ v}
paths = {
    "fixed rate": skgd.minimize(**quadratic, learning_rate=0.05, max_iter=60),
    "steepest descent": skgd.minimize(**quadratic, learning_rate="exact", optimizer="gd"),
    "conjugate": skgd.minimize(**quadratic, learning_rate="exact"),
}
display = DescentPathDisplay.from_function(
    quadratic["fun"], paths, xlim=(-10, 3), ylim=(-3, 3), line_kw={"alpha": 0.9}
)

# %%
# Momentum
# --------
# A heavy ball keeps part of its last step. On x² it overshoots, where plain descent needs no help.

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for name in ("gd", "momentum"):
    result = skgd.minimize(
        square, 10.0, jac=square_slope, learning_rate=0.1, optimizer=name, max_iter=20
    )
    ax.plot(result.history["x"], ".-", label=f"{name}: ends at {result.x:.4f}")
ax.set(xlabel="step", ylabel="x", title="x² from 10, rate 0.1, momentum 0.9")
legend = ax.legend()

# %%
# Which minimum
# -------------
# x⁴/4 − x³ + x² has two minima, at 0 and at 2, and between them a maximum at 1. Descent ends in the
# valley that it starts in; momentum may roll over the hill; random restarts find both; and
# :func:`~skgd.maximize` climbs.


def wave(x):
    return x**4 / 4 - x**3 + x**2


def wave_slope(x):
    return x**3 - 3 * x**2 + 2 * x


figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
x = np.linspace(-0.9, 3.2, 200)
ax.plot(x, wave(x), color="0.7")
common = {"jac": wave_slope, "learning_rate": 0.05, "max_iter": 2000}
ways = {
    "from 0.9": skgd.minimize(wave, 0.9, **common),
    "from 1.1": skgd.minimize(wave, 1.1, **common),
    "from 3 with momentum": skgd.minimize(wave, 3.0, optimizer="momentum", **common),
    "upwards from 0.4": skgd.maximize(wave, 0.4, **common),
}
for lift, (name, result) in enumerate(ways.items()):
    at = result.history["x"][:80]
    ax.plot(at, wave(at) + 0.05 * lift, ".-", linewidth=0.7, label=f"{name}: {result.x:.3f}")
restarted = skgd.minimize(wave, 1.05, jac=wave_slope, n_restarts=9, random_state=0)
ends = np.array([run.x for run in restarted.runs])
ax.plot(ends, wave(ends) - 0.1, "k^", label="ends of ten random starts")
ax.set(xlabel="x", ylabel="f(x)", ylim=(-0.25, 2.6))
legend = ax.legend()

# %%
# Upwards is downwards of the negative: −Σ(v − 1)² has its maximum at v = 1.


def hill(v):
    return -np.sum(np.square(np.asarray(v) - 1))


climbs = {
    name: skgd.maximize(hill, [4.0, -3.0], jac=lambda v: -2 * (v - 1), **options)
    for name, options in {"rate 0.1": {"learning_rate": 0.1}, "line search": {}}.items()
}
display = DescentPathDisplay.from_function(hill, climbs, kind="surface", colorbar=False)

# %%
# Famous functions
# ----------------
# Four that optimizers are tried on: Rosenbrock's bent valley, Beale's plateaus, Himmelblau's four
# minima, Rastrigin's egg box. All start at the same place and have 2000 steps at most.


def beale(p):
    x, y = p
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def himmelblau(p):
    x, y = p
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def rastrigin(p):
    return 10 * len(p) + np.sum(np.square(p) - 10 * np.cos(2 * np.pi * np.asarray(p)))


problems = {
    "Rosenbrock": (rosen, rosen_der, [-1.5, 1.8], (-2, 2), (-1, 3), 1e-3),
    "Beale": (beale, None, [1.0, 1.2], (-1, 4), (-1.5, 1.7), 1e-2),
    "Himmelblau": (himmelblau, None, [-0.5, -1.0], (-5, 5), (-5, 5), 1e-2),
    "Rastrigin": (rastrigin, None, [2.3, -1.7], (-3, 3), (-3, 3), 2e-3),
}
figure, axes = plt.subplots(2, 2, figsize=(11, 9), layout="constrained")
for ax, (title, (fun, jac, start, xlim, ylim, rate)) in zip(
    axes.flat, problems.items(), strict=True
):
    common = {"jac": jac, "max_iter": 2000, "gtol": 1e-6}
    paths = {
        "default": skgd.minimize(fun, start, **common),
        "gd": skgd.minimize(fun, start, learning_rate=rate, **common),
        "momentum": skgd.minimize(
            fun, start, learning_rate=rate / 5, optimizer="momentum", **common
        ),
        "adam": skgd.minimize(fun, start, learning_rate=0.05, optimizer="adam", **common),
    }
    named = {f"{name}: {result.fun:.1e}": result for name, result in paths.items()}
    DescentPathDisplay.from_function(
        fun, named, xlim=xlim, ylim=ylim, ax=ax, colorbar=False, line_kw={"marker": ""}
    )
    ax.set_title(title)

# %%
# On Rastrigin's function every descent ends in the pit it starts in, or near it. Restarts help.

restarted = skgd.minimize(
    rastrigin, [2.3, -1.7], n_restarts=30, restart_scale=1.0, random_state=0, gtol=1e-6
)
print(f"one start: {restarted.runs[0].fun:.3f}   31 starts: {restarted.fun:.3f}")

if __name__ == "__main__":
    plt.show()
