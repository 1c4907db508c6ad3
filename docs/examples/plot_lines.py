"""
Fitting a straight line
=======================

Common tutorial problems of fitting a line: by full batches, by mini-batches, by single rows, and by
the normal equation, with the regressors of skgd and with :func:`skgd.minimize`. Tutorials often
minimise the mean squared error, whose gradient is twice that of skgd's loss, half the mean squared
error; the learning rates of skgd are therefore twice theirs.
"""

# %%
# Gradient tolerance
# ------------------
# Twenty points, a learning rate of 0.01, and ``gtol=1e-5``: the minimisation ends when no partial
# derivative exceeds 1e-5 in magnitude.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.linear_model import SGDRegressor as SklearnSGDRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skgd
from skgd import (
    BatchGDRegressor,
    ConvergenceDisplay,
    DescentPathDisplay,
    MiniBatchGDRegressor,
    SGDRegressor,
)
from skgd.plotting import REGRESSOR_COLOURS
from skgd.schedules import TimeDecay

x = np.arange(1.0, 21)
y = np.array([3, 4, 5, 5, 2, 4, 7, 8, 11, 8, 12, 11, 13, 13, 16, 17, 18, 17, 19, 21.0])


def cost(theta, x, y):
    return 0.5 * np.mean((theta[0] + theta[1] * x - y) ** 2)


def cost_gradient(theta, x, y):
    error = theta[0] + theta[1] * x - y
    return np.array([error.mean(), (error * x).mean()])


result = skgd.minimize(cost, [1.0, 1.0], (x, y), jac=cost_gradient, learning_rate=0.01, gtol=1e-5)
print(f"{result.nit} updates to {result.x}, cost {result.fun:.5f}")
display = DescentPathDisplay.from_function(
    lambda theta: cost(theta, x, y), result, names="4035 updates", xlim=(0, 1.2), ylim=(0.8, 1.2)
)
labels = display.ax_.set(xlabel="intercept", ylabel="slope")

# %%
# Batch size
# ----------
# y = 30x + 7 for x from −50 to 49, at the tutorials' learning rate of 0.001. With full batches the
# slope converges at once and the intercept slowly; mini-batches and single rows make many updates
# per epoch.

X = np.arange(-50.0, 50)[:, None]
target = 30 * X[:, 0] + 7
common = {"standardize": False, "tol": None, "record": "objective"}
models = {
    "full batch": BatchGDRegressor(learning_rate=0.002, optimizer="gd", max_iter=1001, **common),
    "batches of 10": MiniBatchGDRegressor(
        batch_size=10, learning_rate=0.002, max_iter=1001, random_state=0, **common
    ),
    "single rows": SGDRegressor(
        penalty=None, learning_rate=0.001, max_iter=1001, shuffle=False, **common
    ),
}
figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for name, model in models.items():
    model.fit(X, target)
    print(f"{name:13}: y = {model.coef_[0]:.8f} x + {model.intercept_[0]:.8f}")
    colour = REGRESSOR_COLOURS[type(model).__name__]
    objective = model.history_["objective"] + 1e-30
    ax.loglog(1 + model.history_["epoch"], objective, color=colour, label=name)
ax.set(xlabel="1 + epoch", ylabel="mean squared error / 2")
legend = ax.legend()

# %%
# Comparison with the normal equation
# -----------------------------------
# y = 4 + 3x plus noise. With a learning rate of 0.1 the result agrees with the normal equation;
# with 0.01 it has not converged after 1000 updates; 0.5 diverges, and the error message states the
# largest stable learning rate.

rng = np.random.RandomState(42)
X = 2 * rng.rand(100, 1)
y = 4 + 3 * X[:, 0] + rng.randn(100)
exact = LinearRegression().fit(X, y)
plain = {"optimizer": "gd", "standardize": False, "tol": None}

figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained", sharey=True)
colour = REGRESSOR_COLOURS["BatchGDRegressor"]
for ax, rate in zip(axes, (0.02, 0.1, 0.5), strict=True):
    ax.plot(X, y, ".", color="0.7")
    for steps in range(1, 11):
        try:
            model = BatchGDRegressor(learning_rate=2 * rate, max_iter=steps, **plain).fit(X, y)
        except ValueError:
            break
        ends = np.array([[0.0], [2.0]])
        ax.plot(ends, model.predict(ends), color=colour, alpha=0.1 + 0.09 * steps)
    ax.plot(ends, exact.predict(ends), "--", color="black")
    ax.set(xlabel="x", title=f"learning rate {rate}, ten updates", ylim=(0, 15))

# %%

for rate in (0.01, 0.1, 0.25, 0.5):
    try:
        model = BatchGDRegressor(learning_rate=2 * rate, max_iter=1000, **plain).fit(X, y)
        error = max(abs(model.coef_ - exact.coef_)[0], abs(model.intercept_[0] - exact.intercept_))
        print(f"learning rate {rate:4}: coefficients within {error:.0e} of the normal equation")
    except ValueError as exception:
        print(f"learning rate {rate:4}: {exception}")

# %%
# Stochastic gradient descent needs a decreasing learning rate, such as t0 / (t + t1). For full
# batches, a grid search selects a constant one. scikit-learn's SGDRegressor gives a similar result.

search = GridSearchCV(
    BatchGDRegressor(max_iter=1000, **plain), {"learning_rate": [0.002, 0.02, 0.2, 0.5]}
)
estimators = {
    "t0 / (t + t1)": SGDRegressor(
        penalty=None, learning_rate=TimeDecay(t0=10, t1=50), max_iter=50, tol=None, random_state=0
    ),
    "scikit-learn": SklearnSGDRegressor(
        penalty=None, eta0=0.1, max_iter=50, tol=None, random_state=0
    ),
    "grid search": search,
}
figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
for row, model in enumerate(estimators.values()):
    model.fit(X, y)
    fitted = getattr(model, "best_estimator_", model)
    ax.plot(fitted.coef_[0], row, "o", color="C0")
    ax.plot(fitted.intercept_[0], row, "s", color="C1")
ax.axvline(exact.coef_[0], color="C0", label="slope by the normal equation")
ax.axvline(exact.intercept_, color="C1", label="intercept by the normal equation")
ax.set_yticks(range(3), list(estimators))
ax.margins(y=0.3)
legend = ax.legend(loc="upper center", fontsize="small")

# %%
# Paths of the coefficients
# -------------------------
# Batch, mini-batch and stochastic gradient descent on the same data.

rng = np.random.RandomState(42)
X = 2 * rng.rand(100, 1)
y = 4 + 3 * X[:, 0] + 0.5 * rng.randn(100)
common = {"tol": None, "record": "path", "standardize": False}
models = {
    "batch": BatchGDRegressor(learning_rate=0.2, optimizer="gd", max_iter=100, **common),
    "mini-batch": MiniBatchGDRegressor(
        batch_size=10, learning_rate=0.05, max_iter=30, random_state=0, **common
    ),
    "stochastic": SGDRegressor(
        penalty=None, learning_rate=0.05, max_iter=5, random_state=0, **common
    ),
}
for model in models.values():
    model.fit(X, y)
display = DescentPathDisplay.from_estimator(models, X, y)

# %%
# History
# -------
# Two features. ``history_`` contains the objective before each of 500 updates.

rng = np.random.RandomState(42)
X = rng.randn(100, 2)
y = 3 * X[:, 0] - 2 * X[:, 1] + 5 + 0.5 * rng.randn(100)
model = BatchGDRegressor(learning_rate=0.2, max_iter=500, **plain).fit(X, y)
loss = 2 * model.history_["objective"][:500]
print(f"weights {model.coef_}, bias {model.intercept_[0]:.8f}")
figure, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
ax.loglog(1 + np.arange(500), loss, color=colour, label=f"from {loss[0]:.4f} to {loss[-1]:.4f}")
ax.set(xlabel="update", ylabel="mean squared error")
legend = ax.legend()

# %%
# Optimizers
# ----------
# Gradient descent; momentum for ill-conditioned objectives; RMSprop for features of different
# scales; Adam for both. All four converge.

rates = {"gd": 0.2, "momentum": 0.02, "rmsprop": 0.05, "adam": 0.2}
fits = {
    name: BatchGDRegressor(
        optimizer=name, learning_rate=rate, standardize=False, max_iter=200, tol=None
    ).fit(X, y)
    for name, rate in rates.items()
}
display = ConvergenceDisplay.from_estimator(fits)

# %%
# Feature scaling in a pipeline
# -----------------------------
# Five features with true coefficients 1 to 5: the same pipeline with scikit-learn's SGDRegressor
# and with skgd's.

rng = np.random.RandomState(42)
X = rng.randn(1000, 5)
y = X @ np.arange(1.0, 6) + 0.5 * rng.randn(1000)
figure, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for shift, name, regressor, colour in (
    (-0.2, "scikit-learn", SklearnSGDRegressor, "0.6"),
    (0.2, "skgd", SGDRegressor, REGRESSOR_COLOURS["SGDRegressor"]),
):
    pipeline = make_pipeline(StandardScaler(), regressor(random_state=42)).fit(X, y)
    ax.bar(np.arange(5) + shift, pipeline[-1].coef_, 0.4, color=colour, label=name)
ax.set(xlabel="feature", ylabel="coefficient")
legend = ax.legend()

# %%
# Mini-batches with skgd.minimize
# -------------------------------
# With ``batch_size``, :func:`skgd.minimize` minimises any finite sum, here one row at a time. The
# learning rate is multiplied by 0.9 after an epoch without improvement and reset after an epoch
# with one; the best point is returned.

rng = np.random.RandomState(0)
x = np.arange(101.0)
y = 3 * x + rng.uniform(-10, 20, 101)
result = skgd.minimize(
    cost,
    [0.0, 0.0],
    (x, y),
    jac=cost_gradient,
    batch_size=1,
    learning_rate=1e-4,
    max_iter=300,
    random_state=0,
)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
left.plot(x, y, ".", color="0.6")
left.plot(x, result.x[0] + result.x[1] * x, label=f"{result.x[0]:.1f} + {result.x[1]:.2f} x")
left.legend()
right.semilogy(result.history["learning_rate"], ".-")
right.set(xlabel="epoch", ylabel="learning rate")

if __name__ == "__main__":
    plt.show()
