"""
Minimisation of functions
=========================

:func:`skgd.minimize` minimises functions of one or many variables. The examples show the estimation
of gradients, the choice of the step length, momentum, and functions with several minima.
"""

# %%
# Difference quotients
# --------------------
# A derivative is the limit of difference quotients, which :func:`~skgd.approx_gradient` computes.
# The slope of the secant of x² differs from that of the tangent by the step h; at h = 1e-5 the
# difference is not visible.

# sphinx_gallery_thumbnail_number = 3
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import rosen, rosen_der

import skgd
from skgd import DescentPathDisplay
from skgd.schedules import ExponentialDecay


def square(x):
    return x**2


def square_gradient(x):
    return 2 * x


figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
x = np.linspace(-0.5, 3, 100)
left.plot(x, square(x), color="0.6")
for slope, name in [
    (square_gradient(1.5), "tangent"),
    (skgd.approx_gradient(square, 1.5, step=0.5), "secant, h = 0.5"),
]:
    left.plot(x, square(1.5) + slope * (x - 1.5), label=name)
left.plot([1.5, 2.0], square(np.array([1.5, 2.0])), "ko", markersize=4)
left.set(xlabel="x", ylabel="x²", ylim=(-1, 8), title="Secant and tangent at 1.5")
left.legend()

x = np.arange(-10.0, 10)
quotients = [skgd.approx_gradient(square, at, step=1e-5) for at in x]
right.plot(x, square_gradient(x), "x", label="derivative 2x", markersize=8)
right.plot(x, quotients, "+", label="difference quotient, h = 1e-5", markersize=8)
right.set(xlabel="x", title="Derivative of x²")
legend = right.legend()

# %%
# One difference quotient per coordinate gives a gradient. :func:`~skgd.check_gradient` compares a
# user's gradient with it and returns the largest difference; if the gradient is wrong, the error
# names the coordinate with the largest one.


def squares(v):
    return np.sum(np.square(v))


skgd.check_gradient(squares, lambda v: 2 * v, np.array([-4.0, 10.0, 6.0]), step=1e-5)

# %%
# Paths and gradient fields
# -------------------------
# Gradient descent on x² + y² at a learning rate of 0.1: the path on the surface, and the negative
# gradient over contours.

result = skgd.minimize(squares, [9.0, 9.0], jac=square_gradient, learning_rate=0.1, max_iter=50)
display = DescentPathDisplay.from_function(squares, result, names="50 steps", kind="surface")

# %%

display = DescentPathDisplay.from_function(
    squares, xlim=(-10, 10), ylim=(-10, 10), resolution=25, gradient=True
)

# %%
# Fixed and adaptive step lengths
# -------------------------------
# Five fixed learning rates on x², starting at 10: at 0.01 convergence is slow; 0.5 reaches the
# minimum in one step; 0.9 oscillates around the minimum (its function values are those of 0.1, so
# that the curves coincide); 1.1 diverges. ``history`` contains the value after each step, and
# ``message`` reports the divergence.

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for rate in (0.01, 0.1, 0.5, 0.9, 1.1):
    result = skgd.minimize(square, 10.0, jac=square_gradient, learning_rate=rate, max_iter=20)
    ax.semilogy(np.maximum(result.history["fun"], 1e-9), marker=".", label=f"learning rate {rate}")
    print(f"learning rate {rate:4}: x = {result.x:9.4f}  {result.message[:60]}")
ax.set(xlabel="step", ylabel="x²", title="Fixed learning rates")
legend = ax.legend()

# %%
# A learning rate can also decrease over time, or be chosen at each step: the best of several, or
# the result of a line search, which is the default. If the function raises an error for a
# candidate, its value is taken as infinite.

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
candidates = [100, 10, 1, 0.1, 1e-2, 1e-3, 1e-4, 1e-5]
for name, rate in {
    "fixed, 0.01": 0.01,
    "decreasing": ExponentialDecay(eta0=0.2, decay=0.98),
    "best of eight": candidates,
    "line search": "line_search",
}.items():
    result = skgd.minimize(
        squares,
        [8.0, -10.0, -2.0],
        jac=square_gradient,
        learning_rate=rate,
        xtol=1e-7,
        max_iter=800,
    )
    ax.loglog(np.maximum(result.history["fun"], 1e-16), label=f"{name}: {result.nit} steps")
ax.set(xlabel="step", ylabel="value", title="Step lengths")
legend = ax.legend()

# %%
# The history of a minimisation of (x − 3)² + 1: point, value and derivative.

parabola = skgd.minimize(
    lambda x: (x - 3) ** 2 + 1, 10.0, jac=lambda x: 2 * (x - 3), learning_rate=0.1, max_iter=30
)
figure, axes = plt.subplots(1, 3, figsize=(11, 3), layout="constrained")
for ax, column in zip(axes, ("x", "fun", "jac"), strict=True):
    ax.plot(parabola.history[column], ".-")
    ax.set(xlabel="step", title=column)

# %%
# Steepest descent and conjugate gradients
# ----------------------------------------
# On a quadratic function with Hessian G the optimal step length along the gradient g is gᵀg /
# (gᵀGg); ``learning_rate="exact"`` uses it. Steepest descent zigzags nevertheless, while conjugate
# gradients converge in as many steps as there are dimensions. A fixed learning rate is the
# slowest.

G = np.array([[1.0, 0.6], [0.6, 8.0]])
quadratic = {"fun": lambda v: 0.5 * v @ G @ v, "x0": [-9.0, 2.0], "jac": lambda v: G @ v}
paths = {
    "fixed learning rate": skgd.minimize(**quadratic, learning_rate=0.05, max_iter=60),
    "steepest descent": skgd.minimize(**quadratic, learning_rate="exact", optimizer="gd"),
    "conjugate gradients": skgd.minimize(**quadratic, learning_rate="exact"),
}
display = DescentPathDisplay.from_function(
    quadratic["fun"], paths, xlim=(-10, 3), ylim=(-3, 3), line_kw={"alpha": 0.9}
)

# %%
# Momentum
# --------
# Momentum adds a multiple of the previous step. On x² it overshoots; gradient descent converges
# without it.

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for name in ("gd", "momentum"):
    result = skgd.minimize(
        square, 10.0, jac=square_gradient, learning_rate=0.1, optimizer=name, max_iter=20
    )
    ax.plot(result.history["x"], ".-", label=f"{name}: ends at {result.x:.4f}")
ax.set(xlabel="step", ylabel="x", title="x² from 10, learning rate 0.1, momentum 0.9")
legend = ax.legend()

# %%
# Several minima
# --------------
# x⁴/4 − x³ + x² has minima at 0 and 2 and a maximum at 1. Gradient descent converges to the
# minimum on its side of the maximum; momentum may pass over the maximum; random restarts find both
# minima; and :func:`~skgd.maximize` converges to the maximum.


def quartic(x):
    return x**4 / 4 - x**3 + x**2


def quartic_gradient(x):
    return x**3 - 3 * x**2 + 2 * x


figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
x = np.linspace(-0.9, 3.2, 200)
ax.plot(x, quartic(x), color="0.7")
common = {"jac": quartic_gradient, "learning_rate": 0.05, "max_iter": 2000}
results = {
    "from 0.9": skgd.minimize(quartic, 0.9, **common),
    "from 1.1": skgd.minimize(quartic, 1.1, **common),
    "from 3 with momentum": skgd.minimize(quartic, 3.0, optimizer="momentum", **common),
    "maximize from 0.4": skgd.maximize(quartic, 0.4, **common),
}
for k, (name, result) in enumerate(results.items()):
    visited = result.history["x"][:80]
    ax.plot(
        visited, quartic(visited) + 0.05 * k, ".-", linewidth=0.7, label=f"{name}: {result.x:.3f}"
    )
restarted = skgd.minimize(quartic, 1.05, jac=quartic_gradient, n_restarts=9, random_state=0)
ends = np.array([run.x for run in restarted.runs])
ax.plot(ends, quartic(ends) - 0.1, "k^", label="results of ten random starts")
ax.set(xlabel="x", ylabel="f(x)", ylim=(-0.25, 2.6))
legend = ax.legend()

# %%
# Maximisation of −Σ(v − 1)², whose maximum is at v = 1.


def concave(v):
    return -np.sum(np.square(np.asarray(v) - 1))


maximised = {
    name: skgd.maximize(concave, [4.0, -3.0], jac=lambda v: -2 * (v - 1), **options)
    for name, options in {"learning rate 0.1": {"learning_rate": 0.1}, "line search": {}}.items()
}
display = DescentPathDisplay.from_function(concave, maximised, kind="surface", colorbar=False)

# %%
# Test functions
# --------------
# Four common test functions for optimisation: Rosenbrock's curved valley, Beale's function with
# flat regions, Himmelblau's function with four minima, and Rastrigin's function with many local
# minima. On each function all optimizers start at the same point and run at most 2000 steps.


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
# On Rastrigin's function every optimizer converges to a local minimum near its starting point.
# Random restarts find lower minima.

restarted = skgd.minimize(
    rastrigin, [2.3, -1.7], n_restarts=30, restart_scale=1.0, random_state=0, gtol=1e-6
)
print(f"one start: {restarted.runs[0].fun:.3f}   31 starts: {restarted.fun:.3f}")

if __name__ == "__main__":
    plt.show()
