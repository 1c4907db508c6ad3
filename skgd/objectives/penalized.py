"""The penalty of an objective."""

from skgd import penalties
from skgd.objectives.line_restriction import LineRestriction


class Penalized:
    r"""Base class of objectives with an elastic-net penalty.

    .. math:: \sum_j l_{1j} |\theta_j| + \tfrac12 l_{2j} \theta_j^2

    Subclasses have the strengths as attributes `l1` and `l2`.
    """

    def penalty(self, theta):
        """Return the penalty of `theta`."""
        return penalties.value(theta, self.l1, self.l2)

    def l1_penalty(self, theta):
        """Return the l1 term of the penalty of `theta`."""
        return penalties.value(theta, self.l1, 0.0)

    def min_subgradient_norm(self, point):
        """Return the norm of the smallest subgradient at `point`; zero at the minimum."""
        return penalties.min_subgradient_norm(point.theta, point.gradient, self.l1)

    def restrict_to_line(self, point, target):
        """Return the :class:`LineRestriction` from `point` to the parameters `target`."""
        return LineRestriction(self, point, target)
