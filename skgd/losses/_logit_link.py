"""Losses with a logit link: the linear predictor is the logarithm of the odds."""

from typing import Any

import numpy as np

from skgd._utils.component import component
from skgd.losses._base import Loss, check_domain


@component
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
        # -y log(mu) - (1 - y) log(1 - mu), without overflow, less its minimum over mu; 0 log 0 = 0.
        cross_entropy = (1 - y) * np.maximum(p, 0) - y * np.minimum(p, 0)
        cross_entropy = cross_entropy + np.log1p(np.exp(-np.abs(p)))
        is_zero, is_one = 1 - np.sign(y), 1 - np.sign(1 - y)
        entropy = -y * np.log(y + is_zero) - (1 - y) * np.log(1 - y + is_one)
        return np.maximum(cross_entropy - entropy, 0)  # rounding may make it negative

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
