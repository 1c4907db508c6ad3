"""Quadratic models of an objective."""

from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter

import numpy as np

from skgd.objectives.empirical_risk import Objective
from skgd.objectives.penalized import Penalized
from skgd.objectives.point import Point


@dataclass(frozen=True)
class QuadraticModel(Penalized):
    r"""A quadratic model of an objective around an anchor, evaluated without access to the rows.

    .. math::
        F(\theta_0 + \delta) = F(\theta_0) + g^\top \delta + \tfrac12 \delta^\top H \delta

    plus the change of the l1 term, within the bounds of F. For squared error the model is exact up
    to rounding. Where squaring the data loses too many digits, `is_accurate` is False, and solvers
    evaluate the objective itself.

    Parameters
    ----------
    objective : Objective
        The objective F.
    anchor : Point
        The point :math:`\theta_0`, with value and gradient g.
    hessian : array of shape (d + 1, d + 1)
        Hessian H of the smooth part, the same for every output.
    is_accurate : bool, default=False
        Whether the minimiser of the model needs no correction.
    """

    objective: Objective
    anchor: Point
    hessian: np.ndarray
    is_accurate: bool = False

    quadratic = True
    l1 = property(attrgetter("objective.l1"), doc="Strengths of the l1 norm.")
    l2 = property(attrgetter("objective.l2"), doc="Strengths of half the squared l2 norm.")
    lower = property(attrgetter("objective.lower"), doc="Lower bounds.")
    upper = property(attrgetter("objective.upper"), doc="Upper bounds.")
    design = property(attrgetter("objective.design"), doc="The design matrix of the objective.")

    @cached_property
    def root(self):
        """Square root of the Hessian; see :meth:`skgd.objectives.Objective.hessian_root`."""
        return self.objective.hessian_root(self.anchor, 0)

    @classmethod
    def from_second_moments(cls, objective, second_moments):
        """Return the model of a squared error, anchored at the best constant model."""
        design = objective.design
        theta = np.zeros((*second_moments.y_mean.shape, len(objective.l2)), objective.l2.dtype)
        theta[..., -1] = second_moments.y_mean * design.fit_intercept
        intercept = theta[..., -1].astype(float)
        gradient = second_moments.gradient(design.scaling, intercept, design.fit_intercept)
        hessian = second_moments.hessian(design.scaling, design.fit_intercept)
        hessian += np.diag(objective.l2)
        anchor = Point(theta, second_moments.value(intercept), gradient.astype(theta.dtype))
        is_accurate = second_moments.is_accurate_for(theta.dtype)
        return cls(objective, anchor, hessian, is_accurate)

    def value(self, theta):
        """Return the value of the model at `theta`."""
        return self.evaluate(theta).value

    def evaluate(self, theta):
        """Return the :class:`~skgd.objectives.Point` of the model at `theta`."""
        delta = theta - self.anchor.theta
        gradient_change = (delta @ self.hessian).astype(theta.dtype)
        increase = np.sum((self.anchor.gradient + 0.5 * gradient_change) * delta, dtype=float)
        l1_increase = self.l1_penalty(theta) - self.l1_penalty(self.anchor.theta)
        value = self.anchor.value + float(increase) + l1_increase
        return Point(theta, value, self.anchor.gradient + gradient_change)

    def directional_curvature(self, direction):
        """Return the second derivative along `direction`, of shape (1,) or (k, 1)."""
        return np.sum(direction * (direction @ self.hessian), axis=-1, keepdims=True)

    def hessian_product(self, vector, bound=1.0):
        """Return the Hessian times `vector`; `bound` is accepted for compatibility, and ignored."""
        return (self.hessian @ vector).astype(vector.dtype)

    def scale(self, factor):
        """Return the model times a factor, for an objective without a penalty."""
        theta, value, gradient, _ = self.anchor
        anchor = Point(theta, factor * value, (factor * gradient).astype(theta.dtype))
        return replace(self, anchor=anchor, hessian=factor * self.hessian)
