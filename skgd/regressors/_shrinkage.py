"""Detection of a default penalty that is too strong for the units of the data."""

import warnings
from functools import partial

import numpy as np

from skgd.data.d2 import make_scorer
from skgd.data.sampling import choose_evenly_spaced

#: Rows on which a model without penalty is fitted.
MAX_ROWS = 10_000

#: Ratio of the penalty to the curvature of the loss, for a feature, from which on it is fitted.
MIN_RATIO = 0.25

#: Difference of the explained fraction of the loss that is worth a warning.
MIN_GAIN = 0.01


def shrinkage_message(estimator, task):
    """Return the text of the warning of a default penalty that hides most of the signal, or None.

    It does if a model without penalty explains more than twice as much of the loss. Only fits by
    ``learning_rate="auto"`` with ``standardize=True`` are examined, in which the units of the data
    do not matter otherwise.

    Parameters
    ----------
    estimator : BaseGDRegressor
        The fitted estimator.
    task : FitTask
        Its input.
    """
    config, moments, defaults = task.config, task.fit_state.moments, type(estimator)()
    is_default = estimator.penalty == defaults.penalty and estimator.alpha == defaults.alpha
    if config.has_explicit_rate or moments is None or not (is_default and config.penalty.l2):
        return None
    rows = task.data.sample
    rows = rows.select_rows(choose_evenly_spaced(len(rows), MAX_ROWS))
    scale = np.sqrt(moments.variance)
    if not is_strong(config, scale, predict(estimator, rows.X, rows.offset), rows):
        return None
    other = fit_without_penalty(estimator, rows)
    score = make_scorer(config.loss, rows)
    explained, possible = (score(partial(predict, model)) for model in (estimator, other))
    if possible < max(2 * explained, explained + MIN_GAIN):
        return None
    ratio = np.linalg.norm(scale * estimator.coef_) / np.linalg.norm(scale * other.coef_)
    return (
        f"The default penalty, alpha={estimator.alpha:g}, shrinks the coefficients to {ratio:.2g} "
        "times their size without a penalty, measured in standard deviations of the features. The "
        f"model explains {explained:.1%} of the loss of the training rows, and would explain "
        f"{possible:.1%} without the penalty, whose effect depends on the units of the features. "
        "Set penalty=None or a smaller alpha, or scale the features. To keep this penalty, set "
        f"penalty=penalties.L2(alpha={estimator.alpha:g})."
    )


def predict(model, X, offset):
    """Return the linear predictors of checked rows."""
    intercept = model.intercept_ if model.coef_.ndim > 1 else model.intercept_[0]
    return X @ model.coef_.T + intercept + (0 if offset is None else offset)


def is_strong(config, scale, p, rows):
    """Return whether the l2 penalty is comparable to the curvature of the loss for some feature.

    The curvature is the mean difference quotient of the gradient over the size of the errors, which
    losses with kinks have, too.
    """
    y, weights = rows.y, np.ones(len(rows)) if rows.weights is None else rows.weights
    step = 1.0 if config.loss.has_link() else float(np.std(p - y))
    if not step > 0:
        return False
    rise = config.loss.gradient(p + step, y) - config.loss.gradient(p - step, y)
    curvature = float(np.mean(weights @ rise)) / (2 * step * len(rows))
    return bool(np.any((scale > 0) & (config.penalty.l2 > MIN_RATIO * curvature * scale**2)))


def fit_without_penalty(estimator, rows):
    """Return an estimator with the same parameters, but no penalty, fitted to the rows."""
    params = estimator.get_params(deep=False)
    params |= {"penalty": None, "record": None, "verbose": 0, "warm_start": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = type(estimator)(**params | {"random_state": 0})
        y = rows.y if estimator.loss_.n_outputs is None else rows.y[:, 0]
        return model.fit(rows.X, y, sample_weight=rows.weights, offset=rows.offset)
