"""Restriction of an objective to a line."""

from dataclasses import dataclass

import numpy as np

from skgd.objectives.point import Point


@dataclass(frozen=True)
class LineRestriction:
    r"""The objective as a function of the step length, :math:`F(\theta + t\, p)`.

    The predictions of rows in memory are linear in t, so one product with the rows serves all step
    lengths.

    Parameters
    ----------
    objective : Objective or ChunkedObjective
        The objective F.
    point : Point
        Start of the step, with its predictions for rows in memory.
    step : array
        The step p, shaped like theta.
    prediction_step : array of shape (n,) or (n, k), or None
        Change of the predictions by the whole step; None for chunked rows.
    """

    objective: object
    point: Point
    step: np.ndarray
    prediction_step: np.ndarray | None = None

    def _advance(self, length):
        """Return theta at a step length and, if they are known, its predictions."""
        length = self.step.dtype.type(length)
        theta = self.point.theta + length * self.step
        if self.prediction_step is None:
            return (theta,)
        return theta, self.point.predictions + length * self.prediction_step

    def value(self, length):
        """Return the value of the objective at a step length."""
        return self.objective.value(*self._advance(length))

    def evaluate(self, length):
        """Return the :class:`~skgd.objectives.Point` at a step length."""
        return self.objective.evaluate(*self._advance(length))
