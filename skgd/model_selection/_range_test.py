"""A search for the learning rate: short fits over a range of rates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import indexable

from skgd._utils.validation import check_integer, raise_invalid
from skgd.optimizers import SEARCHING
from skgd.regressors._callbacks import without_callbacks
from skgd.regressors._config import elementwise_names, resolve_optimizer

if TYPE_CHECKING:
    from skgd._utils.typing import ArrayLike, MatrixLike

#: Rates are tried at steps of this factor, from `SLOWEST` times the largest stable one to twice it.
STEP, SLOWEST = 2**0.5, 2.0**-12

#: A rate is safe if it is at most this share of the largest stable one: for plain descent, 1 / L.
SAFE = 0.5

#: How exactly the largest stable rate is found, as a factor.
EXACTNESS = 1.02

#: Rates beyond these are not tried.
SMALLEST, LARGEST = 1e-30, 1e30

#: Epochs of a trial: updates of full batches, passes of the others.
UPDATES, PASSES = 100, 5


@dataclass(frozen=True)
class RangeTest:
    """What :func:`learning_rate_range_test` found.

    Parameters
    ----------
    learning_rate : array of shape (n_rates,)
        The rates tried, in rising order.
    objective : array of shape (n_rates,)
        The objective that a short fit at each ended with; infinite where it diverged.
    start : float
        The objective before the first update.
    largest_stable : float
        The largest rate at which the objective did not rise.
    suggestion : float
        The rate of the least objective among those up to half the largest stable one.

    Examples
    --------
    >>> import pandas as pd
    >>> from skgd import SGDRegressor, learning_rate_range_test
    >>> X, y = [[-1.0], [0.0], [1.0], [2.0]], [-1.0, 1.0, 1.0, 3.0]
    >>> found = learning_rate_range_test(SGDRegressor(random_state=0), X, y)
    >>> found
    RangeTest(start=..., largest_stable=..., suggestion=...)
    >>> found.suggestion <= found.largest_stable / 2
    True
    >>> list(pd.DataFrame(found.curve))
    ['learning_rate', 'objective']
    """

    learning_rate: np.ndarray = field(repr=False)
    objective: np.ndarray = field(repr=False)
    start: float
    largest_stable: float
    suggestion: float

    @property
    def curve(self) -> dict[str, np.ndarray]:
        """Rates and objectives as a dict of arrays, from which pandas makes a table."""
        return {"learning_rate": self.learning_rate, "objective": self.objective}


def learning_rate_range_test(
    estimator: Any,
    X: MatrixLike,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    rates: ArrayLike | None = None,
    max_iter: int | None = None,
) -> RangeTest:
    """Fit for a few epochs at each of many learning rates, and suggest one.

    Each trial is a fit of its own, from zero, at a constant rate; loss, penalty, optimizer, batch
    size and the order of the rows are those of the estimator. The rates are found by themselves:
    those from which on descent no longer falls are bracketed first, and the trials then run from
    far below to just above. The test of Smith (2017) raises the rate within a single fit instead,
    which is quicker, but the objective at each rate then depends on the rates before.

    Parameters
    ----------
    estimator : estimator
        A regressor of skgd, or a pipeline that ends in one; it is not changed. Its
        ``learning_rate``, ``tol`` and early stopping are not used.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Rows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows.
    rates : array-like of shape (n_rates,), default=None
        The rates to try, positive; the default finds them.
    max_iter : int, default=None
        Epochs of each trial, at least 1; None means 100 updates of full batches, and 5 passes of
        the other regressors.

    Returns
    -------
    RangeTest
        The curve, the largest stable rate and the suggested one.

    Raises
    ------
    ValueError
        If the input or a parameter is refused, the optimizer finds its own rates, none of the
        given rates is stable, or the objective does not depend on the rate.

    References
    ----------
    L. N. Smith, "Cyclical learning rates for training neural networks", 2017.

    Examples
    --------
    Descent on squared error is stable up to 2 / L, where L is the largest eigenvalue of the
    Hessian:

    >>> import numpy as np
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import BatchGDRegressor, learning_rate_range_test
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> found = learning_rate_range_test(BatchGDRegressor(optimizer="gd"), X, y)
    >>> largest = np.linalg.eigvalsh(np.corrcoef(X.T)).max()
    >>> bool(abs(found.largest_stable * largest / 2 - 1) < 0.05)
    True
    >>> round(found.suggestion, 2)
    0.25
    """
    trials = _Trials(estimator, X, y, sample_weight, max_iter)
    if rates is None:
        largest = trials.largest_stable()
        count = round(np.log(2 / SLOWEST) / np.log(STEP))
        tried = largest * 2 * STEP ** np.arange(-count, 1.0)
    else:
        tried = checked_rates(rates)
        largest = None
    objectives = np.array([trials.objective(rate) for rate in tried])
    if largest is None:
        largest = largest_of(tried, objectives, trials.start)
    stable = tried <= SAFE * largest * EXACTNESS
    if not stable.any():
        stable = tried <= largest
    best = np.flatnonzero(stable)[np.argmin(objectives[stable])]
    return RangeTest(tried, objectives, trials.start, float(largest), float(tried[best]))


def check_rates_matter(estimator):
    """Refuse an estimator whose optimizer takes no rate."""
    if isinstance(resolve_optimizer(estimator), SEARCHING):
        listing = ", ".join(map(repr, [*elementwise_names(), "accelerated"]))
        raise_invalid(
            "optimizer",
            estimator.optimizer,
            f"'auto' or one of {listing} in a test of learning rates",
            "This one finds the length of each step itself: fit it with learning_rate='auto'.",
        )


def checked_rates(rates):
    """Return rates in rising order, or refuse them."""
    rates = np.unique(np.asarray(rates, dtype=float))
    if not rates.size or not (np.isfinite(rates) & (rates > 0)).all():
        raise_invalid("rates", rates.tolist(), "positive finite numbers, one at least")
    return rates


def largest_of(rates, objectives, start):
    """Return the largest of the rates below the first that is not stable."""
    unstable = np.flatnonzero(objectives > start)
    first = unstable[0] if unstable.size else len(rates)
    if first == 0:
        raise ValueError(
            f"The objective rises already at the smallest of the rates, {rates[0]:g}. Give smaller "
            "rates, or none."
        )
    return rates[first - 1]


class _Trials:
    """Short fits of one estimator on given rows, at any rate."""

    def __init__(self, estimator, X, y, sample_weight, max_iter):
        indexable(X, y)
        if hasattr(estimator, "steps"):
            *before, (_, last) = estimator.steps
            if before:
                X = clone(estimator[:-1]).fit_transform(X, y)
            estimator = last
        if not hasattr(type(estimator), "history_"):
            raise TypeError(
                "learning_rate_range_test needs a regressor of skgd, or a pipeline that ends in "
                f"one; got {type(estimator).__name__}."
            )
        if max_iter is None:
            max_iter = UPDATES if estimator._full_batch else PASSES
        check_integer("max_iter", max_iter, low=1)
        check_rates_matter(estimator)
        if not estimator._flat_beside_objects:
            estimator = clone(estimator).set_params(eta0=None, power_t=None)
        self.estimator = without_callbacks(clone(estimator)).set_params(
            max_iter=max_iter,
            tol=None,
            early_stopping=False,
            warm_start=False,
            record="objective",
            verbose=0,
        )
        if getattr(self.estimator, "random_state", 0) is None:
            self.estimator.random_state = 0  # the same order of the rows at every rate
        self.rows = {"X": X, "y": y, "sample_weight": sample_weight}
        # What is refused at the smallest rate, which moves nothing, is refused for good.
        self.start = float(self.fitted(SMALLEST).history_["objective"][0])

    def fitted(self, rate):
        """Return the model after a trial."""
        return self.estimator.set_params(learning_rate=float(rate)).fit(**self.rows)

    def objective(self, rate):
        """Return the objective after a trial; infinite if it diverged."""
        try:
            last = self.fitted(rate).history_["objective"][-1]
        except ValueError:
            return np.inf
        return last if np.isfinite(last) else np.inf

    def stable(self, rate):
        """Tell whether the objective does not rise at a rate."""
        return self.objective(rate) <= self.start

    def largest_stable(self):
        """Return the largest stable rate, by bisection between powers of ten."""
        low = high = 1.0
        if self.stable(1.0):
            while self.stable(high := 10 * low):
                low = high
                if low > LARGEST:
                    raise ValueError(
                        "The objective does not rise at any learning rate. Are the targets all "
                        "the same?"
                    )
        else:
            while not self.stable(low := high / 10):
                high = low
        while high > EXACTNESS * low:
            middle = np.sqrt(low * high)
            low, high = (middle, high) if self.stable(middle) else (low, middle)
        return low
