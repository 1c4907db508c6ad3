"""Times of exact fits beside scikit-learn, HiGHS and statsmodels at equal precision, and of paths.

Run ``python benchmarks/exactness.py times path``. The tolerance of each peer is tightened until its
objective is as close to the optimum as is asked of ours; the fastest of those that get there
counts. If none does, the closest stands there.
"""

import time
import warnings
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np
from scipy.optimize import linprog
from sklearn import linear_model
from threadpoolctl import threadpool_limits

import reference
from exactness_cases import LOSSES, PENALTIES, TOLERANCES, is_available, question, time_limit
from exactness_data import CONDITIONS, PATHS, SIZES, sized
from measure import THREADS, in_turns
from skgd import BatchGDRegressor, losses
from speed import numpy_only

try:
    from statsmodels import api as statsmodels
except ImportError:
    statsmodels = None

#: Tolerances that a peer tries, iterations that it may take, and seconds of a fit.
PEER_TOLERANCES, ITERATIONS, LIMIT = (1e-4, 1e-6, 1e-8, 1e-10, 1e-12, 1e-14), 1_000_000, 120

#: Rounds of fits that take less than a number of seconds; the first is not counted.
ROUNDS = ((0.1, 8), (1, 4), (10, 2))

#: Rows up to which problems without a peer have a reference, too.
WITH_REFERENCE = 5000

#: Strengths of a path, the least in units of the one at which all coefficients are zero.
STRENGTHS, LEAST = 50, 1e-3

#: Of HuberRegressor: the threshold in units of its scale.
HUBER = 1.35


def of_model(make, asked, tol):
    """Return coefficients and intercept of a model of scikit-learn."""
    model = make(asked, tol).fit(asked.X, asked.y)
    return model.coef_, model.intercept_


def linear(asked, tol):
    return linear_model.LinearRegression()


def ridge(asked, tol, solver="cholesky"):
    return linear_model.Ridge(len(asked.y) * asked.l2, solver=solver)


def lasso(asked, tol):
    return linear_model.Lasso(asked.l1, tol=tol, max_iter=ITERATIONS)


def elastic_net(asked, tol):
    strength = asked.l1 + asked.l2
    return linear_model.ElasticNet(
        strength, l1_ratio=asked.l1 / strength, tol=tol, max_iter=ITERATIONS
    )


def positive(asked, tol):
    return linear_model.LinearRegression(positive=True)


def huber(asked, tol):
    strength = len(asked.y) * asked.l2 * HUBER / asked.loss.epsilon
    return linear_model.HuberRegressor(epsilon=HUBER, alpha=strength, tol=tol, max_iter=ITERATIONS)


def with_scale(asked):
    """Return the question with the threshold that HuberRegressor finds."""
    model = huber(asked, 1e-12).fit(asked.X, asked.y)
    epsilon = float(HUBER * model.scale_)
    return replace(
        asked,
        loss=losses.Huber(epsilon),
        counterpart=reference.Huber(epsilon),
        l2=float(model.alpha * model.scale_ / len(asked.y)),
    )


def quantile(asked, tol):
    level = getattr(asked.loss, "level", 0.5)
    factor = 1 if hasattr(asked.loss, "level") else 0.5  # the absolute error is twice the pinball
    options = {
        "primal_feasibility_tolerance": max(tol, 1e-10),
        "dual_feasibility_tolerance": max(tol, 1e-10),
        "time_limit": LIMIT,
    }
    return linear_model.QuantileRegressor(
        quantile=level, alpha=factor * asked.l1, solver_options=options
    )


def poisson(asked, tol, solver="newton-cholesky"):
    return linear_model.PoissonRegressor(alpha=asked.l2, tol=tol, solver=solver, max_iter=10_000)


def gamma(asked, tol, solver="newton-cholesky"):
    return linear_model.GammaRegressor(alpha=asked.l2, tol=tol, solver=solver, max_iter=10_000)


def dual_programme(asked, tol):
    """Return the fit of a kinked loss without or with an l1 penalty as the dual linear programme.

    It maximises -sum_i (y_i u_i + epsilon |u_i|) / n over the derivatives u; the coefficients are
    the multipliers of sum_i u_i x_i / n = 0, or of its bounds by the l1 strength.
    """
    hinges, n = asked.counterpart, len(asked.y)
    X = np.column_stack([asked.X, np.ones(n)]) / n
    halves = [1, -1] if hinges.epsilon else [1]  # u, or its positive and negative parts
    costs = np.concatenate([half * asked.y + hinges.epsilon for half in halves]) / n
    A = np.vstack([half * X for half in halves]).T
    bounds = [(0, hinges.upper)] * n + [(0, -hinges.lower)] * n
    bounds = bounds if hinges.epsilon else [(hinges.lower, hinges.upper)] * n
    limits = {"A_eq": A, "b_eq": np.zeros(len(A))}
    if asked.l1:
        bound = np.full(2 * len(A) - 2, asked.l1)
        limits = {"A_eq": A[-1:], "b_eq": [0], "A_ub": np.vstack([A[:-1], -A[:-1]]), "b_ub": bound}
    options = {"time_limit": LIMIT, "dual_feasibility_tolerance": max(tol, 1e-10)}
    options["primal_feasibility_tolerance"] = max(tol, 1e-10)
    found = linprog(costs, bounds=bounds, method="highs", options=options, **limits)
    if not found.success:
        raise ValueError(found.message)
    equal = found.eqlin.marginals
    if not asked.l1:
        return equal[:-1], equal[-1]
    above, below = np.split(found.ineqlin.marginals, 2)
    return above - below, equal[-1]


def of_statsmodels(make, asked, tol):
    """Return coefficients and intercept of a model of statsmodels."""
    params = make(np.column_stack([asked.X, np.ones(len(asked.y))]), asked, tol).params
    return params[:-1], params[-1]


def quantreg(X, asked, tol):
    model = statsmodels.QuantReg(asked.y, X)
    return model.fit(q=getattr(asked.loss, "level", 0.5), p_tol=tol, max_iter=10_000)


def glm(family, X, asked, tol):
    made = getattr(statsmodels.families, family)(statsmodels.families.links.Log())
    return statsmodels.GLM(asked.y, X, family=made).fit(tol=tol, maxiter=1000)


def sklearn_peers(**makers):
    return {name: partial(of_model, make) for name, make in makers.items()}


GLM_SOLVERS = ("newton-cholesky", "lbfgs")
QUANTILE_PEERS = sklearn_peers(QuantileRegressor=quantile) | {"HiGHS, dual": dual_programme}
COUNT_PEERS = sklearn_peers(
    **{f"PoissonRegressor, {s}": partial(poisson, solver=s) for s in GLM_SOLVERS}
)
AMOUNT_PEERS = sklearn_peers(
    **{f"GammaRegressor, {s}": partial(gamma, solver=s) for s in GLM_SOLVERS}
)

#: Fits of other libraries by loss and penalty: functions of a question and a tolerance.
PEERS = {
    ("squared_error", "none"): sklearn_peers(LinearRegression=linear),
    ("squared_error", "l2"): sklearn_peers(
        **{f"Ridge, {s}": partial(ridge, solver=s) for s in ("cholesky", "svd")}
    ),
    ("squared_error", "l1"): sklearn_peers(Lasso=lasso),
    ("squared_error", "elasticnet"): sklearn_peers(ElasticNet=elastic_net),
    ("squared_error", "positive"): sklearn_peers(LinearRegression=positive),
    ("huber", "none"): sklearn_peers(HuberRegressor=huber),
    ("huber", "l2"): sklearn_peers(HuberRegressor=huber),
    ("absolute_error", "none"): QUANTILE_PEERS,
    ("absolute_error", "l1"): QUANTILE_PEERS,
    ("quantile", "none"): QUANTILE_PEERS,
    ("quantile", "l1"): QUANTILE_PEERS,
    ("epsilon_insensitive", "none"): {"HiGHS, dual": dual_programme},
    ("epsilon_insensitive", "l1"): {"HiGHS, dual": dual_programme},
    ("poisson", "none"): COUNT_PEERS,
    ("poisson", "l2"): COUNT_PEERS,
    ("gamma", "none"): AMOUNT_PEERS,
    ("gamma", "l2"): AMOUNT_PEERS,
}
if statsmodels:
    for loss, make in {
        "absolute_error": quantreg,
        "quantile": quantreg,
        "poisson": partial(glm, "Poisson"),
        "gamma": partial(glm, "Gamma"),
    }.items():
        PEERS[loss, "none"] = PEERS[loss, "none"] | {"statsmodels": partial(of_statsmodels, make)}


def excess(asked, coef, intercept):
    """Return the excess of coefficients."""
    best = asked.reference()
    reached = asked.objective(np.ravel(coef), np.ravel(intercept)[0])
    return float((reached - best.objective) / best.best_constant)


def ours(asked):
    """Return coefficients and intercept of our fit."""
    model = asked.model().fit(asked.X, asked.y)
    return model.coef_, model.intercept_


def timed(fit):
    """Return what a fit returns, and its seconds; None and the limit if it fails."""
    start = time.perf_counter()
    with (
        suppress(ArithmeticError, TimeoutError, ValueError, np.linalg.LinAlgError),
        time_limit(LIMIT),
        warnings.catch_warnings(),
        threadpool_limits(THREADS),
    ):
        warnings.simplefilter("ignore")
        fitted = fit()
        return fitted, time.perf_counter() - start
    return None, LIMIT


def tighten(peer, asked, tolerance):
    """Return the loosest tolerance at which a peer is within, with excess and seconds.

    If there is none, the excess is the least one.
    """
    tried = []
    for tol in PEER_TOLERANCES:
        fitted, seconds = timed(partial(peer, asked, tol))
        tried.append((excess(asked, *fitted) if fitted else np.inf, seconds, tol))
        if tried[-1][0] <= tolerance or not fitted:
            break
    return min(tried)


def best_peer(asked, peers, tolerance):
    """Return name, fit and excess of the fastest peer that is within, otherwise of the closest."""
    found = {name: tighten(peer, asked, tolerance) for name, peer in peers.items()}
    within = {name: seconds for name, (off, seconds, _) in found.items() if off <= tolerance}
    name = min(within, key=within.get) if within else min(found, key=found.get)
    return name, partial(peers[name], asked, found[name][2]), found[name][0]


def compare(asked, peers, tolerance):
    """Return seconds and excess of ours, and name, seconds and excess of the best peer."""
    seconds = timed(partial(ours, asked))[1]
    name, off = "", np.nan
    tasks = {"ours": partial(ours, asked)}
    if peers:
        name, fit, off = best_peer(asked, peers, tolerance)
        tasks[name] = fit
        seconds = max(seconds, timed(fit)[1])
    if seconds >= LIMIT:
        return LIMIT, np.nan, name, np.nan, off
    rounds = next((rounds for least, rounds in ROUNDS if seconds < least), 1)
    found = in_turns(tasks, rounds)
    has_reference = peers or len(asked.y) <= WITH_REFERENCE
    reached = excess(asked, *found["ours"][1]) if has_reference else np.nan
    return found["ours"][0], reached, name, found[name][0] if name else np.nan, off


def times(options):
    """Print the times of all losses and penalties beside the best of the others."""
    print("\nmilliseconds and excess; * no other library gets within, so that its closest counts")
    measured = []
    for size in options.sizes:
        for loss in options.loss or LOSSES:
            for penalty in filter(is_available, options.penalty or PENALTIES):
                for number in CONDITIONS:
                    measured.append(print_times(SIZES[size], loss, penalty, number))
    for n, d in SIZES.values():
        slowest = max((row for row in measured if row[0] == n), default=None, key=lambda r: r[1])
        if slowest:
            print(f"slowest fit at {n:,} x {d}: {slowest[1]:.2f} s, {slowest[3]}")
    ratios = [row[2] for row in measured if np.isfinite(row[2])]
    print(f"{sum(ratio > 10 for ratio in ratios)} of {len(ratios)} ratios are above 10, ", end="")
    print(f"{sum(ratio < 1 for ratio in ratios)} below 1")


def print_times(size, loss, penalty, number):
    """Print a comparison; return the number of rows, our seconds, their ratio and a name."""
    name = f"{size[0]} x {size[1]}, condition {number:.0e}, {loss}, {penalty}"
    peers = PEERS.get((loss, penalty), {})
    asked = question(sized(*size, number), loss, penalty, False, True)
    if "HuberRegressor" in peers:
        asked = with_scale(asked)
    seconds, reached, peer, theirs, off = compare(asked, peers, TOLERANCES[loss])
    mark = "" if not peer or off <= TOLERANCES[loss] else "*"
    text = f"{name:64} {1e3 * seconds:9.1f} {reached:9.1e}"
    if peer:
        text += (
            f"   {peer:33} {1e3 * theirs:9.1f} {off:9.1e}{mark:1}  ratio {seconds / theirs:6.2f}"
        )
    print(text, flush=True)
    return size[0], seconds, seconds / theirs, name


def our_path(X, y, strengths):
    """Return coefficients and intercepts for strengths that decrease, each fit from the last."""
    model, found = BatchGDRegressor(penalty="l1", warm_start=True), []
    for strength in strengths:
        model.set_params(alpha=float(strength)).fit(X, y)
        found.append((model.coef_, model.intercept_))
    return found


def their_path(X, y, strengths):
    """Return the same by lasso_path, which needs centred rows."""
    centre, mean = X.mean(axis=0), y.mean()
    coefs = linear_model.lasso_path(X - centre, y - mean, alphas=strengths)[1].T
    return [(coef, mean - coef @ centre) for coef in coefs]


def path(options):
    """Print times and largest excess of paths of l1 strengths."""
    print(f"\npath of {STRENGTHS} l1 strengths, NumPy alone: seconds, and the largest excess")
    for n, d in PATHS:
        asked = question(sized(n, d, 1e3), "squared_error", "l1", False, True)
        X, y = asked.X, asked.y
        largest = np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / n
        strengths = np.geomspace(largest, LEAST * largest, STRENGTHS)
        tasks = {"ours": our_path, "lasso_path": their_path}
        with numpy_only():
            found = in_turns({k: partial(f, X, y, strengths) for k, f in tasks.items()}, 4)
        for name, (seconds, fits) in found.items():
            worst = max(
                excess(replace(asked, l1=float(l1)), *fitted)
                for l1, fitted in zip(strengths, fits, strict=True)
            )
            ratio = seconds / found["lasso_path"][0]
            print(f"{n} x {d}: {name:10} {seconds:8.3f} s  ratio {ratio:6.2f}  {worst:8.1e}")
