"""Restriction of an objective to a line."""

from dataclasses import dataclass

import numpy as np

from skgd.objectives.point import Point


@dataclass(frozen=True)
class LineRestriction:
    r"""The objective as a function of the step length, :math:`F(\theta + t\, p)`.

    The predictions are linear in t, so one product with the rows serves all step lengths.

    Parameters
    ----------
    objective : Objective
        The objective F.
    point : Point
        Start of the step, with its predictions.
    step : array
        The step p, shaped like theta.
    prediction_step : array of shape (n,) or (n, k)
        Change of the predictions by the whole step.
    """

    objective: object
    point: Point
    step: np.ndarray
    prediction_step: np.ndarray

    def _advance(self, length):
        """Return theta and its predictions at a step length."""
        length = self.step.dtype.type(length)
        theta = self.point.theta + length * self.step
        return theta, self.point.predictions + length * self.prediction_step

    def value(self, length):
        """Return the value of the objective at a step length."""
        theta, predictions = self._advance(length)
        return self.objective.value_from_predictions(predictions, theta)

    def evaluate(self, length):
        """Return the :class:`~skgd.objectives.Point` at a step length."""
        return self.objective.evaluate(*self._advance(length))
