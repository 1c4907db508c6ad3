"""Quadratic models of an objective."""

from dataclasses import dataclass, replace

import numpy as np

from skgd.objectives.empirical_risk import Objective
from skgd.objectives.point import Point


@dataclass(frozen=True)
class QuadraticModel:
    r"""A quadratic model of an objective around a point, which costs no pass over the rows.

    .. math::
        F(\theta_0 + \delta) = F(\theta_0) + g^\top \delta + \tfrac12 \delta^\top H \delta

    (and the l1 term as it is). For squared error it is the objective itself. The digits that
    squaring the data cost come back by expanding anew, around the point that was reached, with the
    gradient from the rows.

    Parameters
    ----------
    objective : Objective
        What is modelled.
    anchor : Point
        The point expanded around.
    hess : array of shape (d + 1, d + 1)
        Second derivatives of the smooth part, the same for every output.
    accurate : bool, default=False
        Whether no digits are to be brought back.
    """

    objective: Objective
    anchor: Point
    hess: np.ndarray
    accurate: bool = False

    quadratic = True

    @classmethod
    def from_second_moments(cls, objective, gram):
        """Return a squared error as its expansion around the best constant model."""
        design = objective.design
        theta = np.zeros((*gram.y_mean.shape, len(objective.l2)), objective.l2.dtype)
        theta[..., -1] = gram.y_mean * design.fit_intercept
        intercept = theta[..., -1].astype(float)
        gradient = gram.gradient(design.scaling, intercept, design.fit_intercept)
        hess = gram.hessian(design.scaling, design.fit_intercept) + np.diag(objective.l2)
        anchor = Point(theta, gram.value(intercept), gradient.astype(theta.dtype))
        return cls(objective, anchor, hess.astype(theta.dtype), gram.accurate(theta.dtype))

    @property
    def l1(self):
        """Strengths of the l1 norm."""
        return self.objective.l1

    @property
    def l2(self):
        """Strengths of half the squared l2 norm."""
        return self.objective.l2

    def l1_value(self, theta):
        """Return the part of the penalty that is not smooth."""
        return self.objective.l1_value(theta)

    def value(self, theta):
        """Return the objective at `theta`."""
        return self.evaluate(theta).value

    def evaluate(self, theta):
        """Return the :class:`Point` at `theta`."""
        moved = theta - self.anchor.theta
        bent = moved @ self.hess
        rise = np.sum((self.anchor.gradient + 0.5 * bent) * moved, dtype=float)
        value = (
            self.anchor.value
            + float(rise)
            + self.l1_value(theta)
            - self.l1_value(self.anchor.theta)
        )
        return Point(theta, value, self.anchor.gradient + bent)

    def min_subgradient_norm(self, point):
        """Return the norm of the smallest subgradient at `point`: zero at the minimum."""
        return self.objective.min_subgradient_norm(point)

    def directional_curvature(self, direction):
        """Return the second derivative along `direction`, of each output."""
        return np.sum(direction * (direction @ self.hess), axis=-1, keepdims=True)

    def hessian_product(self, vector, bound=1.0):
        """Return the Hessian times `vector`."""
        return self.hess @ vector

    def recentre(self, point):
        """Return the expansion around another point, whose gradient came from the rows."""
        return replace(self, anchor=point)
