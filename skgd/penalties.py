r"""Penalties on the coefficients and their proximal operators.

Every penalty is :math:`l_1 \lVert w \rVert_1 + \tfrac12 l_2 \lVert w \rVert^2`; a class defines the
strengths :math:`l_1` and :math:`l_2`. The intercept is never penalised. To add a named penalty,
define a class here, decorated with ``@component(name=...)``, and add it to ``__all__``.
"""

from typing import Any, ClassVar

import numpy as np

from skgd._utils.component import Component, checked, component
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
    A user-defined penalty defines the two strengths:

    >>> from dataclasses import dataclass
    >>> from skgd.penalties import Penalty
    >>> @dataclass(frozen=True)
    ... class Halves(Penalty):
    ...     l1 = property(lambda self: self.alpha / 2)
    ...     l2 = property(lambda self: self.alpha / 2)
    >>> Halves(alpha=1.0).value([3.0, -4.0])
    9.75
    """

    registry: ClassVar[dict[str, type["Penalty"]]] = {}  # filled by @component(name=...)
    alpha: float = checked(check_real, default=1e-4, low=0)

    @property
    def l1(self) -> float:
        """Strength of the l1 norm of the coefficients."""
        return 0.0

    @property
    def l2(self) -> float:
        """Strength of half the squared l2 norm of the coefficients."""
        return 0.0

    def value(self, coef: Any) -> float:
        """Return the value of the penalty.

        Parameters
        ----------
        coef : array
            Coefficients of any shape.

        Returns
        -------
        float
        """
        return value(coef, self.l1, self.l2)


@component(name="l2")
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
        """Strength of half the squared l2 norm of the coefficients."""
        return self.alpha


@component(name="l1")
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
        """Strength of the l1 norm of the coefficients."""
        return self.alpha


@component(name="elasticnet")
class ElasticNet(Penalty):
    r"""Elastic-net penalty, a mixture of the l1 and l2 penalties.

    It sets some coefficients to exactly zero and shrinks the others.

    .. math:: \alpha \Bigl(\rho \lVert w \rVert_1 + \tfrac{1 - \rho}{2} \lVert w \rVert^2\Bigr)

    Parameters
    ----------
    alpha : float, default=0.0001
        Strength of the penalty, in [0, inf).
    l1_ratio : float, default=0.15
        Mixing parameter :math:`\rho`, in [0, 1]: 0 is the l2 penalty, 1 the l1 penalty.

    Examples
    --------
    >>> from skgd.penalties import ElasticNet
    >>> ElasticNet(alpha=1.0, l1_ratio=0.5).value([3.0, -4.0])
    9.75
    """

    l1_ratio: float = checked(check_real, default=0.15, low=0, high=1, closed="both")

    @property
    def l1(self) -> float:
        """Strength of the l1 norm of the coefficients."""
        return self.alpha * self.l1_ratio

    @property
    def l2(self) -> float:
        """Strength of half the squared l2 norm of the coefficients."""
        return self.alpha * (1 - self.l1_ratio)


def value(coef, l1, l2):
    """Return ``sum(l1 |w| + l2 w²/2)``.

    Parameters
    ----------
    coef : array
        Coefficients w of any shape.
    l1, l2 : float or array
        Strengths; arrays, which broadcast to the shape of `coef`, hold one per coefficient.

    Returns
    -------
    float
    """
    return float(np.sum(terms(np.asarray(coef), l1, l2)))


def terms(coef, l1, l2):
    """Return the term ``l1 |w| + l2 w²/2`` of each coefficient; see :func:`value`."""
    return l1 * np.abs(coef) + 0.5 * l2 * coef**2


def soft_threshold(coef, threshold):
    """Return the proximal operator of ``threshold * |w|``, elementwise: sign(w) max(|w| - t, 0)."""
    return np.sign(coef) * np.maximum(np.abs(coef) - threshold, 0)


def min_subgradient_norm(theta, gradient, l1):
    """Return the Euclidean norm of the smallest subgradient of ``f(theta) + sum(l1 |theta|)``.

    It is zero exactly at a minimum of the convex objective.

    Parameters
    ----------
    theta : array
        Coefficients.
    gradient : array
        Gradient of the smooth part f at `theta`, of the same shape.
    l1 : float or array
        Strength of the l1 norm; an array holds one strength per coefficient.

    Returns
    -------
    float
    """
    at_nonzero = gradient + l1 * np.sign(theta)
    at_zero = soft_threshold(gradient, l1)  # the subdifferential of l1 |w| at 0 is [-l1, l1]
    return float(np.linalg.norm(np.where(theta != 0, at_nonzero, at_zero)))


def soft_threshold_cumulative(coef, l1_total, l1_applied):
    """Return `coef` after the cumulative l1 penalty of stochastic updates.

    Soft thresholding in every update leaves few exact zeros, since the noise of single rows moves
    coefficients away from zero again. Here each coefficient is shrunk by the difference of the
    total penalty of all updates so far, u, and the penalty that it has actually received, q. It
    never changes sign.

    Parameters
    ----------
    coef : array
        Coefficients.
    l1_total : array
        Sum of learning rate times l1 strength over all updates so far (u, not negative), of the
        same shape.
    l1_applied : array
        Sum of the signed changes of each coefficient by the penalty so far (q), of the same shape.

    Returns
    -------
    array
        The shrunk coefficients; the caller adds their change to `l1_applied`.

    References
    ----------
    Y. Tsuruoka, J. Tsujii, S. Ananiadou, "Stochastic gradient descent training for l1-regularized
    log-linear models with cumulative penalty", ACL 2009.
    """
    positive = np.maximum(coef - (l1_total + l1_applied), 0)
    negative = np.minimum(coef + (l1_total - l1_applied), 0)
    return (coef > 0) * positive + (coef < 0) * negative


#: Penalty classes by the names that estimators accept, in the order of their definition.
PENALTIES = Penalty.registry
