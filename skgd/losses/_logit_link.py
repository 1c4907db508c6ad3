"""Losses with a logit link: the linear predictor is the logarithm of the odds."""

from typing import Any

import numpy as np

from skgd._utils.component import component
from skgd.losses._base import Loss, check_domain

__all__ = ["Binomial"]


@component(name="binomial")
class Binomial(Loss):
    r"""Half the binomial deviance for the mean :math:`\mu = 1 / (1 + e^{-p})` (logit link).

    .. math:: \ell(p, y) = y \log \frac{y}{\mu} + (1 - y) \log \frac{1 - y}{1 - \mu}

    For fractions, y in [0, 1]: shares of successes, with the numbers of trials as sample weights,
    or probabilities. ``predict`` returns the mean :math:`\mu`. For targets 0 and 1 it is the loss
    of logistic regression. The second derivative is :math:`\mu (1 - \mu) \le \tfrac14`.

    References
    ----------
    P. McCullagh, J. A. Nelder, "Generalized Linear Models", 1989.

    L. E. Papke, J. M. Wooldridge, "Econometric Methods for Fractional Response Variables", 1996.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import Binomial
    >>> loss, p = Binomial(), np.array([-2.0, 0.0, 3.0])
    >>> loss.value(p, 0.25).round(3)
    array([0.065, 0.131, 1.736])
    >>> loss.gradient(p, 0.25).round(3)
    array([-0.131,  0.25 ,  0.703])
    >>> loss.inverse_link(p).round(3)
    array([0.119, 0.5  , 0.953])
    """

    gradient_lipschitz = 0.25
    lipschitz = 1.0

    def value(self, p: Any, y: Any) -> Any:
        # With u = p - logit(y) and c = 1 - y for u > 0, else c = y, it is
        # c |u| + log(1 + c (exp(-|u|) - 1)). Accurate predictions lose no digits to cancellation,
        # and nothing overflows. Targets 0 and 1, whose logits are infinite, are replaced by 1/2
        # there, and have the logistic loss.
        is_end = 1 - np.sign(y * (1 - y))
        inner = y + is_end * (0.5 - y)
        u = p - np.log(inner / (1 - inner))
        c = 0.5 - np.sign(u) * (inner - 0.5)
        divergence = c * np.abs(u) + np.log1p(c * np.expm1(-np.abs(u)))
        logistic = np.maximum(p * (1 - 2 * y), 0) + np.log1p(np.exp(-np.abs(p)))
        return (1 - is_end) * np.maximum(divergence, 0) + is_end * logistic

    def gradient(self, p: Any, y: Any) -> Any:
        return np.exp(np.minimum(p, 0)) / (1 + np.exp(-np.abs(p))) - y

    def hessian(self, p: Any, y: Any) -> Any:
        odds = np.exp(-np.abs(p))
        return odds / (1 + odds) ** 2

    def intercept_only(self, y: Any, weights: Any = None) -> Any:
        mean = np.average(y, axis=0, weights=weights)
        # If all targets are 0, or all are 1, the optimum is infinite. Use a mean half a row away.
        mean = np.where(mean > 0, mean, 0.5 / len(y))
        mean = np.where(mean < 1, mean, 1 - 0.5 / len(y))
        return (np.log(mean) - np.log1p(-mean))[()]

    def inverse_link(self, p: Any) -> Any:
        return np.exp(np.minimum(p, 0)) / (1 + np.exp(-np.abs(p)))

    def check_targets(self, y: Any) -> None:
        y = np.asarray(y)
        check_domain(self, y, (y >= 0) & (y <= 1), "a fraction 0 <= y <= 1")
