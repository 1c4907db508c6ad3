r"""Penalties on the coefficients: value and proximal step. The intercept is never penalised.

Whatever its class, a penalty lowers to two numbers, the strengths of :math:`\lVert w \rVert_1` and
:math:`\tfrac12 \lVert w \rVert^2`. A new name for a mixture of the two is a class here plus one
line in ``PENALTIES``.
"""

from typing import Any

import numpy as np

from skgd._utils.component import Component, component
from skgd._utils.validation import check_real

__all__ = ["L1", "L2", "ElasticNet", "Penalty"]


@component
class Penalty(Component):
    r"""Base class of the penalties, :math:`l_1 \lVert w \rVert_1 + \tfrac12 l_2 \lVert w \rVert^2`.

    Parameters
    ----------
    alpha : float, default=0.0001
        Strength of the penalty, in [0, inf).

    Examples
    --------
    A penalty of your own says what it amounts to, in two numbers:

    >>> from dataclasses import dataclass
    >>> from skgd.penalties import Penalty
    >>> @dataclass(frozen=True)
    ... class Halves(Penalty):
    ...     l1 = property(lambda self: self.alpha / 2)
    ...     l2 = property(lambda self: self.alpha / 2)
    >>> Halves(alpha=1.0).value([3.0, -4.0])
    9.75
    """

    alpha: float = 1e-4

    def __post_init__(self) -> None:
        check_real("alpha", self.alpha, low=0)

    @property
    def l1(self) -> float:
        """Strength of the l1 norm."""
        return 0.0

    @property
    def l2(self) -> float:
        """Strength of half the squared l2 norm."""
        return 0.0

    def value(self, coef: Any) -> float:
        """Return the penalty of `coef`.

        Parameters
        ----------
        coef : array
            Coefficients of any shape.

        Returns
        -------
        float
        """
        return value(coef, self.l1, self.l2)


@component
class L2(Penalty):
    r"""Ridge penalty, :math:`\tfrac{\alpha}{2} \lVert w \rVert^2`.

    Parameters
    ----------
    alpha : float, default=0.0001
        Strength of the penalty, in [0, inf).

    Examples
    --------
    >>> from skgd.penalties import L2
    >>> L2(alpha=0.1).value([3.0, 4.0])
    1.25
    """

    @property
    def l2(self) -> float:
        """Strength of half the squared l2 norm."""
        return self.alpha


@component
class L1(Penalty):
    r"""Lasso penalty, :math:`\alpha \lVert w \rVert_1`, which sets coefficients to exactly zero.

    Parameters
    ----------
    alpha : float, default=0.0001
        Strength of the penalty, in [0, inf).

    Examples
    --------
    >>> from skgd.penalties import L1
    >>> L1(alpha=0.5).value([3.0, -4.0])
    3.5
    """

    @property
    def l1(self) -> float:
        """Strength of the l1 norm."""
        return self.alpha


@component
class ElasticNet(Penalty):
    r"""Mixture of both, which sets coefficients to zero and shrinks the rest.

    .. math:: \alpha \Bigl(\rho \lVert w \rVert_1 + \tfrac{1 - \rho}{2} \lVert w \rVert^2\Bigr)

    Parameters
    ----------
    alpha : float, default=0.0001
        Strength of the penalty, in [0, inf).
    l1_ratio : float, default=0.15
        The share :math:`\rho` of the l1 norm, in [0, 1].

    Examples
    --------
    >>> from skgd.penalties import ElasticNet
    >>> ElasticNet(alpha=1.0, l1_ratio=0.5).value([3.0, -4.0])
    9.75
    """

    l1_ratio: float = 0.15

    def __post_init__(self) -> None:
        super().__post_init__()
        check_real("l1_ratio", self.l1_ratio, low=0, high=1, closed="both")

    @property
    def l1(self) -> float:
        """Strength of the l1 norm."""
        return self.alpha * self.l1_ratio

    @property
    def l2(self) -> float:
        """Strength of half the squared l2 norm."""
        return self.alpha * (1 - self.l1_ratio)


def value(coef, l1, l2):
    """Return ``sum(l1 |w| + l2 w²/2)``; the strengths are numbers, or one a coefficient."""
    coef = np.asarray(coef)
    return float(np.sum(l1 * np.abs(coef) + 0.5 * l2 * coef**2))


def soft_threshold(coef, threshold):
    """Return the proximal step of the l1 norm: every coefficient moved to zero by `threshold`."""
    return np.sign(coef) * np.maximum(np.abs(coef) - threshold, 0)


def min_subgradient_norm(theta, gradient, l1):
    """Return the norm of the smallest subgradient, given that of the smooth part."""
    pulled, held = gradient + l1 * np.sign(theta), soft_threshold(gradient, l1)
    return float(np.linalg.norm(np.where(theta != 0, pulled, held)))


def soft_threshold_cumulative(coef, l1_total, l1_applied):
    """Return `coef` moved towards zero by the shrinkage owed so far and not yet paid.

    Stochastic updates spread the l1 penalty over many small steps. Each coefficient owes what the
    steps so far have added up to, and has paid what it was moved by: the noise of single rows
    cannot hold it away from zero, and it never changes sign.

    Parameters
    ----------
    coef, owed, paid : arrays of one shape
        Coefficients; total shrinkage so far (not negative); total signed movement so far.

    Returns
    -------
    array
        The coefficients after shrinking; the caller adds their change to `l1_applied`.

    References
    ----------
    Y. Tsuruoka, J. Tsujii, S. Ananiadou, "Stochastic gradient descent training for l1-regularized
    log-linear models with cumulative penalty", ACL 2009.
    """
    positive = np.maximum(coef - (l1_total + l1_applied), 0)
    negative = np.minimum(coef + (l1_total - l1_applied), 0)
    return (coef > 0) * positive + (coef < 0) * negative


#: Penalties by the names that estimators accept.
PENALTIES = {"l2": L2, "l1": L1, "elasticnet": ElasticNet}
