"""The penalty of an objective, and its bounds."""

from functools import cached_property

import numpy as np

from skgd import penalties
from skgd.objectives.line_restriction import LineRestriction


class Penalized:
    r"""Base class of objectives with an elastic-net penalty and bounds on the parameters.

    .. math:: \sum_j l_{1j} |\theta_j| + \tfrac12 l_{2j} \theta_j^2, \qquad
              lower_j \le \theta_j \le upper_j

    Subclasses have the strengths as attributes `l1` and `l2`, and the bounds as `lower` and
    `upper`. Values do not include the bounds: parameters are kept within them by projection.
    """

    def __post_init__(self):
        """Replace bounds of None by infinite ones."""
        for name, bound in (("lower", -np.inf), ("upper", np.inf)):
            if getattr(self, name) is None:
                object.__setattr__(self, name, np.full_like(self.l2, bound))

    @cached_property
    def has_bounds(self):
        """Whether a parameter is bounded."""
        return penalties.has_bounds(self)

    @property
    def has_smooth_penalty(self):
        """Whether there is neither an l1 term nor a bound, so that no proximal step is needed."""
        return not (self.l1.any() or self.has_bounds)

    def project(self, theta):
        """Return the parameters within the bounds that are closest to `theta`."""
        return np.clip(theta, self.lower, self.upper) if self.has_bounds else theta

    def penalty(self, theta):
        """Return the penalty of `theta`."""
        return penalties.value(theta, self.l1, self.l2)

    def l1_penalty(self, theta):
        """Return the l1 term of the penalty of `theta`."""
        return penalties.value(theta, self.l1, 0.0)

    def proximal_operator(self, theta, rate):
        """Return the proximal operator of the l1 term, times `rate`, and the bounds."""
        if not self.has_bounds:
            return penalties.soft_threshold(theta, rate * self.l1)
        return penalties.proximal_operator(theta, rate * self.l1, self.lower, self.upper)

    def min_subgradient_norm(self, point):
        """Return the norm of the smallest subgradient at `point`; zero at the minimum."""
        return float(np.linalg.norm(self.min_subgradient(point)))

    def min_subgradient(self, point):
        """Return the smallest subgradient at `point`; zero where a bound is active."""
        bounds = (self.lower, self.upper) if self.has_bounds else ()
        return penalties.min_subgradient(point.theta, point.gradient, self.l1, *bounds)

    def restrict_to_line(self, point, target):
        """Return the :class:`LineRestriction` from `point` to the parameters `target`."""
        return LineRestriction(self, point, target)
