"""Cases of the benchmark of exactness: what is fitted, its certified optimum, and the excess."""

import hashlib
import itertools
import signal
import time
import warnings
from collections import namedtuple
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

import reference
from exactness_data import KINDS, make
from measure import THREADS
from skgd import BatchGDRegressor, losses

#: Strengths of the penalties, in units of a typical gradient and of a typical curvature.
STRENGTH = 0.02

#: Where certified optima are kept between two runs.
REFERENCES = Path(__file__).parent / ".references"

#: The targets that a loss needs, and functions of a typical error that return the loss and its
#: counterpart among the references.
LOSSES = {
    "squared_error": ("number", lambda unit: (losses.SquaredError(), reference.Squared())),
    "huber": ("number", lambda unit: (losses.Huber(unit), reference.Huber(unit))),
    "squared_epsilon_insensitive": (
        "number",
        lambda unit: (
            losses.SquaredEpsilonInsensitive(unit),
            reference.SquaredEpsilonInsensitive(unit),
        ),
    ),
    "log_cosh": ("number", lambda unit: (losses.LogCosh(), reference.LogCosh())),
    "absolute_error": ("number", lambda unit: (losses.AbsoluteError(), reference.Hinges(-1, 1))),
    "quantile": ("number", lambda unit: (losses.Quantile(0.75), reference.Hinges(-0.75, 0.25))),
    "epsilon_insensitive": (
        "number",
        lambda unit: (losses.EpsilonInsensitive(unit), reference.Hinges(-1, 1, unit)),
    ),
    "poisson": ("count", lambda unit: (losses.Poisson(), reference.Poisson())),
    "gamma": ("amount", lambda unit: (losses.Gamma(), reference.Gamma())),
}

#: Largest excess of losses with and without kinks, in units of the loss of the best constant.
KINKED = ("absolute_error", "quantile", "epsilon_insensitive")
TOLERANCES = {name: 1e-8 if name in KINKED else 1e-9 for name in LOSSES}

#: Whether each penalty has an l1 part and an l2 part.
PENALTIES = {"none": (0, 0), "l2": (0, 1), "l1": (1, 0), "elasticnet": (1, 1), "positive": (0, 0)}

FACTORS = {
    "kind": list(KINDS),
    "loss": list(LOSSES),
    "penalty": list(PENALTIES),
    "rows": ["dense", "csr"],
    "weights": ["unweighted", "weights"],
    "intercept": ["intercept", "no-intercept"],
    "columns": ["standardize", "raw"],
}

Case = namedtuple("Case", FACTORS)

CASES = [Case(*levels) for levels in itertools.product(*FACTORS.values())]


def spread_out(cases, seed=0, candidates=30):
    """Yield the cases in an order in which early ones cover all pairs of levels.

    Each kind of data meets each loss once before any of these pairs comes again; among some random
    candidates, the case with most pairs of levels that are new comes first.
    """
    rng = np.random.default_rng(seed)
    groups = {}
    for index in rng.permutation(len(cases)):
        groups.setdefault(cases[index][:2], []).append(cases[index])
    seen = set()
    while groups:
        for key in list(groups):
            best = max(groups[key][:candidates], key=lambda case: len(pairs(case) - seen))
            groups[key].remove(best)
            seen |= pairs(best)
            yield best
        groups = {key: group for key, group in groups.items() if group}


def pairs(case):
    """Return the pairs of levels of a case."""
    return set(itertools.combinations(zip(case._fields, case, strict=True), 2))


def is_available(penalty):
    """Return whether the regressor has the penalty or constraint."""
    return penalty != "positive" or "positive" in BatchGDRegressor().get_params()


@dataclass(frozen=True)
class Question:
    """A minimisation.

    Parameters
    ----------
    X, y, weights : arrays
        Rows, targets and weights; the latter None if they are equal.
    loss, counterpart : objects
        A loss of skgd, and the same among the references.
    l1, l2 : float
        Strengths of the penalty.
    fit_intercept, positive : bool
        Whether there is an intercept, and whether the coefficients have to be positive.
    """

    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None
    loss: object
    counterpart: object
    l1: float
    l2: float
    fit_intercept: bool
    positive: bool

    def objective(self, coef, intercept):
        """Return the objective in extended precision; infinite outside of the constraint."""
        X, y, coef = (np.asarray(array, np.longdouble) for array in (self.X, self.y, coef))
        if self.positive and (coef < 0).any():
            return np.inf
        value = self.counterpart.value(X @ coef + np.longdouble(intercept), y)
        penalty = self.l1 * np.abs(coef).sum() + self.l2 * (coef @ coef) / 2
        return np.average(value, weights=self.weights) + penalty

    def reference(self):
        """Return the certified optimum, which is computed at most once and then read from disk."""
        parts = [getattr(self, field.name) for field in fields(self)]
        key = b"".join(
            part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode()
            for part in parts
        )
        path = REFERENCES / f"{hashlib.sha256(key).hexdigest()[:32]}.npz"
        if path.exists():
            with np.load(path) as stored:
                return reference.Reference(**stored)
        found = reference.fit(
            self.counterpart,
            self.X,
            self.y,
            self.weights,
            l1=self.l1,
            l2=self.l2,
            fit_intercept=self.fit_intercept,
            positive=self.positive,
        )
        path.parent.mkdir(exist_ok=True)
        np.savez(path, **vars(found))
        return found

    def model(self, standardize=True):
        """Return the regressor with this loss and penalty, otherwise as it is."""
        strength = self.l1 + self.l2
        return BatchGDRegressor(
            self.loss,
            penalty="elasticnet",
            alpha=strength,
            l1_ratio=self.l1 / strength if strength else 0.0,
            fit_intercept=self.fit_intercept,
            standardize=standardize,
            **({"positive": True} if self.positive else {}),
        )


@lru_cache(maxsize=1000)
def question(kind, loss, penalty, weighted, fit_intercept):
    """Return the minimisation of a case; strengths depend on the data."""
    target, make_losses = LOSSES[loss]
    X, y = make(kind, target)
    weights = None
    if weighted:  # representable in single precision
        weights = np.random.default_rng(len(y)).integers(0, 32, len(y)) / 8
    quartiles = np.quantile(y.astype(float), [0.25, 0.75])
    unit = float(2.0 ** np.round(np.log2(np.ptp(quartiles) / 4)))  # representable, too
    ours, theirs = make_losses(unit)
    l1, l2 = strengths(theirs, X, y, weights)
    has_l1, has_l2 = PENALTIES[penalty]
    return Question(
        X, y, weights, ours, theirs, has_l1 * l1, has_l2 * l2, fit_intercept, penalty == "positive"
    )


def strengths(loss, X, y, weights):
    """Return strengths of the l1 and l2 penalties that fit the median column."""
    best_constant, spread = reference.fit_constant(loss, y, weights)
    column = np.median(X.astype(float).std(axis=0))
    strength = STRENGTH * best_constant * column / spread
    return float(strength), float(strength * column / spread)


@dataclass(frozen=True)
class Result:
    """What a fit reached.

    Parameters
    ----------
    case : Case
        What was fitted.
    excess : float
        Objective above the optimum, in units of the loss of the best constant; infinite without a
        fit.
    gap : float
        Bound on the error of the excess.
    rounding : float
        Excess of the optimal coefficients, rounded to the precision of those of the fit.
    seconds : float
        CPU time of the fit.
    warning : str
        Text of the warnings, or of the error that ended the fit; "" without.
    failed : bool
        Whether there was an error, or the time was over.
    iterations : int
        Updates of the fit.
    """

    case: Case
    excess: float
    gap: float
    rounding: float
    seconds: float
    warning: str = ""
    failed: bool = False
    iterations: int = 0

    @property
    def is_within(self):
        return self.excess <= TOLERANCES[self.case.loss]


@contextmanager
def time_limit(seconds):
    """Raise a TimeoutError after so many seconds of CPU time."""

    def stop(signum, frame):
        raise TimeoutError(f"not finished after {seconds:g} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def run(case, limit):
    """Return what the regressor reaches on a case in a number of seconds."""
    asked = question(*case[:3], case.weights == "weights", case.intercept == "intercept")
    best = asked.reference()
    X = sparse.csr_matrix(asked.X) if case.rows == "csr" else asked.X
    model, error = asked.model(case.columns == "standardize"), ""
    start = time.process_time()
    with warnings.catch_warnings(record=True) as caught, threadpool_limits(THREADS):
        warnings.simplefilter("always")
        try:
            with time_limit(limit):
                model.fit(X, asked.y, sample_weight=asked.weights)
        except Exception as raised:
            error = f"{type(raised).__name__}: {raised}"
    seconds = time.process_time() - start
    gap = float(best.gap / best.best_constant)
    if error:
        return Result(case, np.inf, gap, np.nan, seconds, error, failed=True)
    told = {f"{warning.category.__name__}: {warning.message}" for warning in caught}

    def excess(coef, intercept):
        return float((asked.objective(coef, intercept) - best.objective) / best.best_constant)

    dtype = model.coef_.dtype
    rounding = excess(best.coef.astype(dtype), best.intercept.astype(dtype))
    reached = excess(np.ravel(model.coef_), np.ravel(model.intercept_)[0])
    return Result(
        case, reached, gap, rounding, seconds, " ".join(sorted(told)), iterations=model.n_iter_
    )
