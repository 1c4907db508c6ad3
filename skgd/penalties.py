r"""Penalties on the coefficients, bounds on them, and their proximal operators.

Every penalty is :math:`\sum_j l_{1j} |w_j| + \tfrac12 l_{2j} w_j^2` subject to :math:`lower_j \le
w_j \le upper_j`; a class defines the strengths :math:`l_1` and :math:`l_2` and the bounds, numbers
or arrays with an entry per feature. The intercept is neither penalised nor bounded. To add a named
penalty, define a class here, decorated with ``@component(name=...)``, and add it to ``__all__``.
"""

from typing import Any, ClassVar

import numpy as np

from skgd._utils.component import Component, checked, component
from skgd._utils.validation import InvalidParameterError, check_real, per_feature, raise_invalid

__all__ = ["L1", "L2", "Bounds", "ElasticNet", "Penalty"]


@component
class Penalty(Component):
    r"""Base class of the penalties, :math:`\sum_j l_{1j} |w_j| + \tfrac12 l_{2j} w_j^2`.

    A penalty may also bound the coefficients, :math:`lower_j \le w_j \le upper_j`.

    Parameters
    ----------
    alpha : float, default=0.0001
        Strength of the penalty, in [0, inf).

    Examples
    --------
    A user-defined penalty defines the two strengths, as numbers or as arrays of shape
    (n_features,):

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
    def l1(self) -> Any:
        """Strength of the l1 norm, a number or an array of shape (n_features,)."""
        return 0.0

    @property
    def l2(self) -> Any:
        """Strength of half the squared l2 norm, a number or an array of shape (n_features,)."""
        return 0.0

    @property
    def lower(self) -> Any:
        """Lower bound of the coefficients, a number or an array of shape (n_features,)."""
        return -np.inf

    @property
    def upper(self) -> Any:
        """Upper bound of the coefficients, a number or an array of shape (n_features,)."""
        return np.inf

    def value(self, coef: Any) -> float:
        """Return the value of the penalty; infinity if the coefficients are not within the bounds.

        Parameters
        ----------
        coef : array
            Coefficients of shape (n_features,) or (n_outputs, n_features).

        Returns
        -------
        float
        """
        coef = np.asarray(coef)
        if np.any((coef < self.lower) | (coef > self.upper)):
            return np.inf
        is_nonzero = coef != 0  # an infinite strength times 0 is 0
        return value(coef, np.where(is_nonzero, self.l1, 0), np.where(is_nonzero, self.l2, 0))


class WeightedPenalty(Penalty):
    """Base class of the penalties with a factor of the strength for each feature."""

    weights: Any  # a field of the subclasses

    def __post_init__(self) -> None:
        super().__post_init__()
        weights = per_feature("weights", self.weights)
        if np.min(weights) < 0:
            raise_invalid("weights", self.weights, "a float or an array of floats in [0, inf]")
        object.__setattr__(self, "weights", weights)  # tuples are hashable

    def __repr__(self) -> str:
        return super().__repr__().replace(", weights=1.0)", ")")  # the default

    def _scale(self, strength):
        """Return a strength times the weights; infinite for infinite weights."""
        if self.weights == 1:
            return strength
        is_infinite = np.isinf(self.weights)
        return np.where(is_infinite, np.inf, strength * np.where(is_infinite, 0, self.weights))[()]


@component(name="l2")
class L2(WeightedPenalty):
    r"""Ridge penalty, :math:`\tfrac{\alpha}{2} \sum_j c_j w_j^2`.

    Parameters
    ----------
    alpha : float, default=0.0001
        Strength of the penalty, in [0, inf).
    weights : float or array of shape (n_features,), default=1.0
        Factor :math:`c_j` of the strength for each feature, in [0, inf]. A feature of weight 0 is
        not penalised; the coefficient of a feature of weight infinity is zero.

    Examples
    --------
    >>> from skgd.penalties import L2
    >>> L2(alpha=0.1).value([3.0, 4.0])
    1.25
    """

    weights: Any = 1.0

    @property
    def l2(self) -> Any:
        """Strength of half the squared l2 norm, a number or an array of shape (n_features,)."""
        return self._scale(self.alpha)


@component(name="l1")
class L1(WeightedPenalty):
    r"""Lasso penalty, :math:`\alpha \sum_j c_j |w_j|`, which sets coefficients to exactly zero.

    Parameters
    ----------
    alpha : float, default=0.0001
        Strength of the penalty, in [0, inf).
    weights : float or array of shape (n_features,), default=1.0
        Factor :math:`c_j` of the strength for each feature, in [0, inf]. A feature of weight 0 is
        not penalised; the coefficient of a feature of weight infinity is zero.

    Examples
    --------
    >>> from skgd.penalties import L1
    >>> L1(alpha=0.5).value([3.0, -4.0])
    3.5
    >>> L1(alpha=0.5, weights=[1, 0]).value([3.0, -4.0])
    1.5
    """

    weights: Any = 1.0

    @property
    def l1(self) -> Any:
        """Strength of the l1 norm, a number or an array of shape (n_features,)."""
        return self._scale(self.alpha)


@component(name="elasticnet")
class ElasticNet(WeightedPenalty):
    r"""Elastic-net penalty, a mixture of the l1 and l2 penalties.

    It sets some coefficients to exactly zero and shrinks the others.

    .. math:: \alpha \sum_j c_j \Bigl(\rho |w_j| + \tfrac{1 - \rho}{2} w_j^2\Bigr)

    Parameters
    ----------
    alpha : float, default=0.0001
        Strength of the penalty, in [0, inf).
    l1_ratio : float, default=0.15
        Mixing parameter :math:`\rho`, in [0, 1]: 0 is the l2 penalty, 1 the l1 penalty.
    weights : float or array of shape (n_features,), default=1.0
        Factor :math:`c_j` of the strength for each feature, in [0, inf]. A feature of weight 0 is
        not penalised; the coefficient of a feature of weight infinity is zero.

    Examples
    --------
    >>> from skgd.penalties import ElasticNet
    >>> ElasticNet(alpha=1.0, l1_ratio=0.5).value([3.0, -4.0])
    9.75
    """

    l1_ratio: float = checked(check_real, default=0.15, low=0, high=1, closed="both")
    weights: Any = 1.0

    @property
    def l1(self) -> Any:
        """Strength of the l1 norm, a number or an array of shape (n_features,)."""
        return self._scale(self.alpha * self.l1_ratio)

    @property
    def l2(self) -> Any:
        """Strength of half the squared l2 norm, a number or an array of shape (n_features,)."""
        return self._scale(self.alpha * (1 - self.l1_ratio))


@component
class Bounds(Penalty):
    r"""Bounds on the coefficients, :math:`lower_j \le w_j \le upper_j`, and a penalty on them.

    Parameters
    ----------
    lower : float or array of shape (n_features,), default=-inf
        Lower bounds, in [-inf, inf).
    upper : float or array of shape (n_features,), default=inf
        Upper bounds, in (-inf, inf], not below `lower`. A coefficient whose bounds are equal is
        fixed.
    penalty : Penalty or None, default=None
        Penalty on the coefficients, without bounds of its own; None means no penalty.

    Raises
    ------
    InvalidParameterError
        If a lower bound is above the upper bound, or a bound is NaN.

    Examples
    --------
    >>> from skgd.penalties import L1, Bounds
    >>> penalty = Bounds(lower=0, upper=[1, 2], penalty=L1(alpha=0.5))
    >>> penalty.value([1.0, 2.0]), penalty.value([2.0, 1.0])
    (1.5, inf)
    """

    def _get_alpha(self) -> float:
        """Strength of `penalty`; 0 without one."""
        return self.penalty.alpha if self.penalty else 0.0

    alpha: ClassVar[Any] = property(_get_alpha)  # type: ignore[misc]
    lower: Any = -np.inf
    upper: Any = np.inf
    penalty: Penalty | None = None

    def __post_init__(self) -> None:
        for name, forbidden in (("lower", np.inf), ("upper", -np.inf)):
            bounds = per_feature(name, getattr(self, name))
            if np.any(np.equal(bounds, forbidden)):
                raise_invalid(
                    name, getattr(self, name), f"a float or floats other than {forbidden}"
                )
            object.__setattr__(self, name, bounds)  # tuples are hashable
        check_order(self.lower, self.upper)
        if self.penalty is None:
            return
        if not isinstance(self.penalty, Penalty) or has_bounds(self.penalty):
            raise_invalid(
                "penalty",
                self.penalty,
                "None or an object of skgd.penalties without bounds of its own",
                "Set all bounds in one object.",
            )

    @property
    def l1(self) -> Any:
        """Strength of the l1 norm, a number or an array of shape (n_features,)."""
        return self.penalty.l1 if self.penalty else 0.0

    @property
    def l2(self) -> Any:
        """Strength of half the squared l2 norm, a number or an array of shape (n_features,)."""
        return self.penalty.l2 if self.penalty else 0.0


def check_order(lower, upper):
    """Raise if a lower bound is above the upper bound."""
    if np.ndim(lower) and np.ndim(upper) and len(lower) != len(upper):
        raise InvalidParameterError(
            f"lower and upper must have one number per feature each; got {len(lower)} and "
            f"{len(upper)} numbers."
        )
    lower, upper = np.broadcast_arrays(lower, upper)
    for j in np.flatnonzero(lower > upper)[:1]:
        feature = f" for feature {j}" if lower.ndim else ""
        raise_invalid("lower", float(lower.flat[j]), f"at most upper={upper.flat[j]:g}{feature}")


def has_bounds(penalty):
    """Return whether a penalty bounds any coefficient."""
    return bool(np.any(np.isfinite(penalty.lower)) or np.any(np.isfinite(penalty.upper)))


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


def proximal_operator(coef, threshold, lower, upper):
    """Return the proximal operator of ``threshold * |w|`` on [lower, upper], elementwise.

    It is the soft threshold, projected on the bounds: an elementwise convex function increases
    away from its minimum.
    """
    return np.clip(soft_threshold(coef, threshold), lower, upper)


def min_subgradient_norm(theta, gradient, l1, lower=None, upper=None):
    """Return the Euclidean norm of the smallest subgradient of ``f(theta) + sum(l1 |theta|)``.

    At a bound only a descent direction that points inwards counts. The norm is zero exactly at a
    minimum of the convex objective within the bounds.

    Parameters
    ----------
    theta : array
        Coefficients.
    gradient : array
        Gradient of the smooth part f at `theta`, of the same shape.
    l1 : float or array
        Strength of the l1 norm; an array holds one strength per coefficient.
    lower, upper : float, array or None, default=None
        Bounds of the coefficients, which `theta` satisfies; None means that there are none.

    Returns
    -------
    float
    """
    return float(np.linalg.norm(min_subgradient(theta, gradient, l1, lower, upper)))


def min_subgradient(theta, gradient, l1, lower=None, upper=None):
    """Return the smallest subgradient, whose norm :func:`min_subgradient_norm` is."""
    at_nonzero = gradient + l1 * np.sign(theta)
    at_zero = soft_threshold(gradient, l1)  # the subdifferential of l1 |w| at 0 is [-l1, l1]
    subgradient = np.where(theta != 0, at_nonzero, at_zero)
    if lower is None:
        return subgradient
    subgradient = np.where(theta <= lower, np.minimum(subgradient, 0), subgradient)
    return np.where(theta >= upper, np.maximum(subgradient, 0), subgradient)


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


def sign_bounds(lower, upper):
    """Return the bounds of coefficients whose bounds exclude 0, and infinite ones of the others.

    Stochastic updates project on them before the cumulative l1 penalty, which would otherwise be
    that of a sign that the coefficient cannot have. After it they project on all bounds. A bound of
    0 has to wait until then: noise that is cut off before would not balance that of the other sign.
    """
    excludes_zero = (lower > 0) | (upper < 0)
    return np.where(excludes_zero, lower, -np.inf), np.where(excludes_zero, upper, np.inf)


#: Penalty classes by the names that estimators accept, in the order of their definition.
PENALTIES = Penalty.registry
