r"""Fraction of a loss that a model explains, from sums over chunks.

.. math:: D^2 = 1 - \frac{\sum_i s_i\, \ell(p_i, y_i)}{\sum_i s_i\, \ell(c, y_i)}

:math:`c` is the best constant linear predictor, to which the offset of the row is added. For
squared error it is R², whose constant is the mean of y also where there is an offset.
"""

from dataclasses import dataclass

import numpy as np

from skgd._utils.component import is_built_in
from skgd.data.feature_moments import FeatureMoments
from skgd.losses import SquaredError

#: Doublings of an interval that is to contain the best constant, and halvings of it afterwards.
MAX_DOUBLINGS, MAX_HALVINGS = 64, 128


@dataclass(frozen=True)
class D2Sums:
    """Sums that determine D²; sums of different chunks can be added.

    Parameters
    ----------
    loss : array of shape (k,)
        Weighted sums of the losses of the predictions, for each of the k outputs.
    null_loss : array of shape (k,), or FeatureMoments
        Weighted sums of the losses of the best constant; for squared error the moments of the
        targets, from which they follow, so that the constant need not be known before the pass.
    """

    loss: np.ndarray
    null_loss: np.ndarray | FeatureMoments

    @classmethod
    def from_chunk(cls, chunk, loss, constant, predict):
        """Return the sums over the rows of an :class:`~skgd.data.InMemoryData`.

        Parameters
        ----------
        chunk : InMemoryData
            The rows.
        loss : Loss
            The loss.
        constant : array of shape () or (k,), or None
            The best constant linear predictor; None for squared error.
        predict : callable
            Returns the linear predictors of X and its offset.
        """
        y, weights, offset = as_columns(chunk)
        p = predict(chunk.X, chunk.offset).reshape(y.shape)
        if constant is None:
            return cls(weights @ loss.value(p, y), FeatureMoments.from_rows(y, weights))
        return cls(weights @ loss.value(p, y), weights @ loss.value(constant + offset, y))

    def __add__(self, other):
        return D2Sums(self.loss + other.loss, self.null_loss + other.null_loss)

    @property
    def score(self):
        """D² averaged over the outputs; minus infinity if it is not finite.

        Where no loss is left to explain, it is 1 for exact predictions and 0 otherwise, as R² is in
        scikit-learn. The loss of the best constant is divided by in absolute value, so that models
        are ranked correctly also by a loss with negative values.
        """
        null_loss = self.null_loss
        if isinstance(null_loss, FeatureMoments):
            null_loss = 0.5 * null_loss.deviations
        excess = self.loss - null_loss
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = -excess / np.abs(null_loss)
        scores = np.where(null_loss == 0, np.where(excess == 0, 1.0, 0.0), scores)
        return float(np.mean(np.where(np.isfinite(scores), scores, -np.inf)))


def as_columns(chunk):
    """Return the targets and offsets, of shape (n, k), and the weights of a chunk, at float64."""
    y = chunk.y.astype(float, copy=False).reshape(len(chunk), -1)
    offset = np.zeros_like(y) if chunk.offset is None else chunk.offset.reshape(y.shape)
    weights = np.ones(len(y)) if chunk.weights is None else chunk.weights
    return y, weights.astype(float, copy=False), offset.astype(float, copy=False)


def best_constant(loss, chunk):
    r"""Return the constant linear predictor of the least loss, of shape (k,).

    :math:`\sum_i s_i\, \partial \ell(c, y_i) / \partial p` increases with c. Its change of sign is
    found by bisection, from an interval around ``loss.intercept_only``, which may be approximate.

    Parameters
    ----------
    loss : Loss
        The loss.
    chunk : InMemoryData
        Targets, weights and offsets.
    """
    y, weights, offset = as_columns(chunk)

    def compute(function, constant):
        return weights @ function(constant + offset, y)

    start = np.asarray(loss.intercept_only(y, weights), dtype=float)
    spread = np.ptp(y, axis=0)
    low, high, step = start, start, np.where(spread > 0, spread, 1.0)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(MAX_DOUBLINGS):
            is_low, is_high = compute(loss.gradient, low) <= 0, compute(loss.gradient, high) >= 0
            if np.all(is_low & is_high):
                break
            low, high = np.where(is_low, low, low - step), np.where(is_high, high, high + step)
            step = 2 * step
        for _ in range(MAX_HALVINGS):
            middle = low + 0.5 * (high - low)
            if np.all((middle == low) | (middle == high)):
                break
            is_below = compute(loss.gradient, middle) < 0
            low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
        candidates = np.stack([start, low, high])
        losses = np.stack([compute(loss.value, candidate) for candidate in candidates])
    losses = np.where(np.isnan(losses), np.inf, losses)
    return np.take_along_axis(candidates, losses.argmin(axis=0)[None], axis=0)[0]


def find_null_constant(loss, data):
    """Return the constant of the null model on `data`, or None for squared error.

    In chunked data, it is exact for losses that the mean of the targets minimises; for other losses
    it is that of the sample.
    """
    if type(loss) is SquaredError:
        return None
    is_mean = loss.quadratic or (loss.has_link() and is_built_in(loss))
    if data.is_chunked and is_mean:
        moments = data.map_reduce(target_moments)
        means, deviations = moments.mean.reshape(2, -1), moments.deviations.reshape(2, -1)
        if not (means[1].any() or deviations[1].any()):  # no offsets
            return loss.intercept_only(means[:1])
    return best_constant(loss, data.sample)


def target_moments(chunk):
    """Return the moments of the targets and of the offsets of a chunk."""
    y, weights, offset = as_columns(chunk)
    return FeatureMoments.from_rows(np.hstack([y, offset]), weights)


def make_scorer(loss, data):
    """Return the function that maps a function ``X, offset -> linear predictors`` to its D²."""
    constant = find_null_constant(loss, data)
    return lambda predict: data.map_reduce(D2Sums.from_chunk, loss, constant, predict).score
