"""Restriction of an objective to a line."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skgd.objectives.point import Point


@dataclass(frozen=True)
class LineRestriction:
    r"""The objective as a function of the step length, :math:`F(\theta + t (\theta' - \theta))`.

    The predictions of rows in memory are linear in t, so one product with the rows serves all step
    lengths. For other objectives one evaluation serves value, gradient and derivative.

    Parameters
    ----------
    objective : Objective or ChunkedObjective
        The objective F.
    point : Point
        Start of the step, with its predictions for rows in memory.
    target : array
        Parameters :math:`\theta'` at the end of the whole step.
    prediction_step : array of shape (n,) or (n, k), or None
        Change of the predictions by the whole step; None for chunked rows.
    """

    objective: object
    point: Point
    target: np.ndarray
    prediction_step: np.ndarray | None = None

    @cached_property
    def step(self):
        """The whole step."""
        return self.target - self.point.theta

    @cached_property
    def points(self):
        """Points that have been evaluated, by step length."""
        return {0.0: self.point}

    def _advance(self, length):
        """Return theta at a step length and, if they are known, its predictions."""
        length = self.target.dtype.type(length)
        theta = self.target  # whose zeros are exact
        if length != 1:
            theta = self.objective.project(self.point.theta + length * self.step)
        if self.prediction_step is None:
            return (theta,)
        return theta, self.point.predictions + length * self.prediction_step

    def largest_length(self):
        """Return the largest step length within the bounds, at least 1."""
        if not self.objective.has_bounds:
            return np.inf
        theta, step = self.point.theta, self.step
        room = np.where(step > 0, self.objective.upper - theta, theta - self.objective.lower)
        is_moving = step != 0
        lengths = np.where(is_moving, room, np.inf) / np.where(is_moving, np.abs(step), 1)
        return max(float(lengths.min()), 1.0)

    def value(self, length):
        """Return the value of the objective at a step length."""
        if length in self.points or self.prediction_step is None:
            return self.evaluate(length).value
        return self.objective.value(*self._advance(length))

    def evaluate(self, length):
        """Return the :class:`~skgd.objectives.Point` at a step length."""
        if length not in self.points:
            self.points[length] = self.objective.evaluate(*self._advance(length))
        return self.points[length]

    def derivative(self, length):
        """Return the derivative by the step length: to the right at 0, elsewhere to the left."""
        objective = self.objective
        if length in self.points or self.prediction_step is None:
            theta, _, gradient, _ = self.evaluate(length)
            by_length = np.vdot(gradient, self.step)
        else:
            theta, predictions = self._advance(length)
            derivatives = objective.loss.gradient(predictions, objective.y)
            by_length = np.vdot(objective.weight_rows(derivatives), self.prediction_step)
            by_length += np.vdot(objective.l2 * theta, self.step)
        side = np.sign(self.step) if length == 0 else -np.sign(self.step)
        sign = np.where(theta != 0, np.sign(theta), side)
        return float(by_length + np.vdot(objective.l1 * sign, self.step))
