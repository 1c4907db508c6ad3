"""Learning-rate range test: short fits at many learning rates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import indexable

from skgd._utils.validation import check_integer, raise_invalid
from skgd.regressors._callbacks import remove_callbacks
from skgd.regressors._config import (
    check_bool_or_integer,
    list_elementwise_optimizers,
    resolve_optimizer,
)

if TYPE_CHECKING:
    from skgd._utils.typing import ArrayLike, MatrixLike

#: Ratio of consecutive rates, and the smallest and the largest rate relative to the largest stable
#: one.
RATE_RATIO, MIN_RELATIVE_RATE, MAX_RELATIVE_RATE = 2**0.5, 2.0**-12, 2.0

#: Largest suggested rate relative to the largest stable one. For gradient descent this is 1 / L,
#: with the Lipschitz constant L of the gradient.
SAFE_FRACTION = 0.5

#: Share of the largest decrease of the objective that the suggested rate achieves. The decreases of
#: small batches are noisy and nearly equal over a factor of ten or more.
MIN_RELATIVE_DECREASE = 0.99

#: The largest stable rate is determined to this factor.
BISECTION_FACTOR = 1.02

#: Smallest rate that is tried, and rate above which the search for an unstable one is given up.
MIN_RATE, MAX_RATE = 1e-30, 1e30

#: Default number of epochs of a trial fit, with full batches and with smaller ones.
FULL_BATCH_EPOCHS, MINI_BATCH_EPOCHS = 100, 5

#: Parameters of every trial fit, besides the number of epochs, the rate and what is recorded. A
#: divergence is an error, so that no other model takes its place.
TRIAL_PARAMS = {
    "tol": None,
    "early_stopping": False,
    "warm_start": False,
    "verbose": 0,
    "on_divergence": "raise",
}


@dataclass(frozen=True)
class RangeTest:
    """Result of :func:`learning_rate_range_test`.

    Parameters
    ----------
    learning_rate : array of shape (n_rates,)
        The rates tried, in increasing order.
    objective : array of shape (n_rates,)
        The objective at the end of a short fit at each rate; infinite if the fit diverged.
    start : float
        The objective before the first update.
    largest_stable : float
        The largest rate at which the objective did not increase.
    suggestion : float
        Among the rates up to half the largest stable one, the largest that achieves 99 % of the
        largest decrease of the objective. With small batches it may be a small fraction of the
        largest stable rate, since the noise of the updates is proportional to the rate.

    Examples
    --------
    >>> import pandas as pd
    >>> from skgd import SGDRegressor, learning_rate_range_test
    >>> X, y = [[-1.0], [0.0], [1.0], [2.0]], [-1.0, 1.0, 1.0, 3.0]
    >>> result = learning_rate_range_test(SGDRegressor(random_state=0), X, y)
    >>> result
    RangeTest(start=..., largest_stable=..., suggestion=...)
    >>> result.suggestion <= result.largest_stable / 2
    True
    >>> list(pd.DataFrame(result.curve))
    ['learning_rate', 'objective']
    """

    learning_rate: np.ndarray = field(repr=False)
    objective: np.ndarray = field(repr=False)
    start: float
    largest_stable: float
    suggestion: float

    @property
    def curve(self) -> dict[str, np.ndarray]:
        """Rates and objectives as a dict of arrays, e.g. for a pandas DataFrame."""
        return {"learning_rate": self.learning_rate, "objective": self.objective}


def learning_rate_range_test(
    estimator: Any,
    X: MatrixLike,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    rates: ArrayLike | None = None,
    max_iter: int | None = None,
    verbose: bool | int = 0,
) -> RangeTest:
    """Fit for a few epochs at each of many learning rates, and suggest one.

    Each trial is a separate fit from zero at a constant rate, with the loss, penalty, optimizer,
    batch size and order of rows of the estimator. By default, bisection first determines the
    largest stable rate, at which the objective does not increase; the trials then range from
    :math:`2^{-12}` times to twice that rate. The test of Smith (2017) increases the rate within a
    single fit instead. That is faster, but the objective at each rate then depends on the rates
    before it.

    Parameters
    ----------
    estimator : estimator
        A regressor of skgd, or a pipeline that ends in one; it is not modified. Its
        ``learning_rate``, ``tol`` and early stopping are not used.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Training data.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Target values.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights.
    rates : array-like of shape (n_rates,), default=None
        The rates to try, in (0, inf); by default, those described above.
    max_iter : int, default=None
        Number of epochs of each trial, at least 1; None means 100 for full batches and 5 for
        smaller ones.
    verbose : bool or int, default=0
        Whether to print a line for each trial.

    Returns
    -------
    RangeTest
        The objective at each rate, the largest stable rate and the suggested one.

    Raises
    ------
    ValueError
        If the input or a parameter is invalid, the optimizer does not use a learning rate, none of
        the given rates is stable, or the objective increases at no rate.

    References
    ----------
    L. N. Smith, "Cyclical learning rates for training neural networks", 2017.

    Examples
    --------
    Gradient descent on the squared error is stable up to 2 / L, where L is the largest eigenvalue
    of the Hessian:

    >>> import numpy as np
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import BatchGDRegressor, learning_rate_range_test
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> result = learning_rate_range_test(BatchGDRegressor(optimizer="gd"), X, y)
    >>> L = np.linalg.eigvalsh(np.corrcoef(X.T)).max()
    >>> bool(abs(result.largest_stable * L / 2 - 1) < 0.05)
    True
    >>> round(result.suggestion, 2)
    0.25
    """
    trials = _TrialFits(estimator, X, y, sample_weight, max_iter, verbose)
    if rates is None:
        largest = trials.find_largest_stable()
        count = round(np.log(MAX_RELATIVE_RATE / MIN_RELATIVE_RATE) / np.log(RATE_RATIO))
        candidates = largest * MAX_RELATIVE_RATE * RATE_RATIO ** np.arange(-count, 1.0)
    else:
        candidates = check_rates(rates)
    objectives = np.array([trials.final_objective(rate) for rate in candidates])
    if rates is not None:
        largest = select_largest_stable(candidates, objectives, trials.start)
    safe = candidates <= SAFE_FRACTION * largest * BISECTION_FACTOR
    if not safe.any():
        safe = candidates <= largest
    decreases = np.where(safe, trials.start - objectives, -np.inf)
    suggestion = candidates[decreases >= MIN_RELATIVE_DECREASE * decreases.max()][-1]
    return RangeTest(candidates, objectives, trials.start, float(largest), float(suggestion))


def check_optimizer(estimator):
    """Raise an error if the estimator's optimizer does not use a learning rate."""
    optimizer = resolve_optimizer(estimator)
    if optimizer is not None and optimizer.searches_line:
        listing = ", ".join(map(repr, [*list_elementwise_optimizers(), "accelerated"]))
        constraint = f"'auto' or one of {listing} in a learning-rate range test"
        hint = "This one computes the length of each step itself: fit it with learning_rate='auto'."
        raise_invalid("optimizer", estimator.optimizer, constraint, hint)


def check_rates(rates):
    """Return rates in increasing order, or raise an error."""
    rates = np.unique(np.asarray(rates, dtype=float))
    if not rates.size or not (np.isfinite(rates) & (rates > 0)).all():
        raise_invalid("rates", rates.tolist(), "positive finite numbers, at least one")
    return rates


def select_largest_stable(rates, objectives, start):
    """Return the largest of the rates below the first unstable one."""
    unstable = np.flatnonzero(objectives > start)
    first = unstable[0] if unstable.size else len(rates)
    if first == 0:
        raise ValueError(
            f"The objective increases even at the smallest of the rates, {rates[0]:g}. Use smaller "
            "rates, or rates=None."
        )
    return rates[first - 1]


class _TrialFits:
    """Short fits of one estimator to the same data at different rates.

    Attributes
    ----------
    start : float
        The objective before the first update.
    """

    def __init__(self, estimator, X, y, sample_weight, max_iter, verbose):
        check_bool_or_integer("verbose", verbose, low=0, integers="[0, inf),")
        self.verbose, self.n_trials = verbose, 0
        indexable(X, y)
        if hasattr(estimator, "steps"):
            *transformers, (_, last) = estimator.steps
            if transformers:
                X = clone(estimator[:-1]).fit_transform(X, y)
            estimator = last
        if not hasattr(type(estimator), "history_"):
            raise TypeError(
                "learning_rate_range_test needs a regressor of skgd, or a pipeline that ends in "
                f"one; got {type(estimator).__name__}."
            )
        if max_iter is None:
            max_iter = FULL_BATCH_EPOCHS if estimator._is_full_batch else MINI_BATCH_EPOCHS
        check_integer("max_iter", max_iter, low=1)
        check_optimizer(estimator)
        if not estimator._accepts_unused_params:
            estimator = clone(estimator).set_params(eta0=None, power_t=None)
        self.estimator = remove_callbacks(clone(estimator))
        self.estimator.set_params(max_iter=max_iter, record="objective", **TRIAL_PARAMS)
        if getattr(self.estimator, "random_state", 0) is None:
            self.estimator.random_state = 0  # the same order of rows at every rate
        self.data = {"X": X, "y": y, "sample_weight": sample_weight}
        # This rate cannot diverge, so an error here is an error of the input or of a parameter.
        self.start = float(self.objectives(MIN_RATE)[0])

    def objectives(self, rate):
        """Fit at a rate; return the objective at the start and after each epoch."""
        model = self.estimator.set_params(learning_rate=float(rate)).fit(**self.data)
        return model.history_["objective"]

    def final_objective(self, rate):
        """Return the objective after a fit at a rate; infinite if the fit diverged."""
        try:
            objective = self.objectives(rate)[-1]
        except ValueError:
            objective = np.inf
        objective = objective if np.isfinite(objective) else np.inf
        self.n_trials += 1
        if self.verbose:
            print(f"trial {self.n_trials:>3d}  rate {rate:<11.6g}  objective {objective:.6g}")
        return objective

    def is_stable(self, rate):
        """Return whether the objective does not increase at a rate."""
        return self.final_objective(rate) <= self.start

    def find_largest_stable(self):
        """Return the largest stable rate, by bisection between powers of ten."""
        low = high = 1.0
        if self.is_stable(1.0):
            while self.is_stable(high := 10 * low):
                low = high
                if low > MAX_RATE:
                    raise ValueError(
                        "The objective does not increase at any learning rate. Are all targets "
                        "equal?"
                    )
        else:
            while not self.is_stable(low := high / 10):
                high = low
        while high > BISECTION_FACTOR * low:
            middle = np.sqrt(low * high)
            low, high = (middle, high) if self.is_stable(middle) else (low, middle)
        return low
