"""An objective restricted to a line."""

from dataclasses import dataclass

import numpy as np

from skgd.objectives.point import Point


@dataclass(frozen=True)
class LineRestriction:
    """An objective along a step: one product with the rows serves all lengths of it.

    Parameters
    ----------
    objective : Objective
        What is looked at.
    point : Point
        Where the step starts, with its predictions.
    step : array
        A difference of parameters.
    ahead : array
        What it changes in the predictions.
    """

    objective: object
    point: Point
    step: np.ndarray
    ahead: np.ndarray

    def there(self, share):
        """Return parameters and predictions after a share of the step."""
        share = self.step.dtype.type(share)
        return self.point.theta + share * self.step, self.point.predictions + share * self.ahead

    def value(self, share):
        """Return the objective after a share of the step."""
        theta, predictions = self.there(share)
        return self.objective.value_of(predictions, theta)

    def evaluate(self, share):
        """Return the :class:`Point` after a share of the step."""
        return self.objective.evaluate(*self.there(share))
