"""What a descent on a function leaves behind, and who looks on."""

import inspect
import math

import numpy as np
from scipy.optimize import OptimizeResult

#: What a history can hold; "path" is everything.
RECORDS = ("path", "values", None)


class Monitor:
    """Keeps the history of a descent, and calls the callback.

    Parameters
    ----------
    function : Function
        What is descended on.
    record : {"path", "values"} or None
        What to keep.
    callback : callable or None
        Takes x, or ``intermediate_result``; ends the descent by StopIteration.
    """

    def __init__(self, function, record, callback):
        self.layout, self.sign = function.layout, function.sign
        self.record, self.callback = record, callback
        self.points, self.norms, self.rates = [], [], []
        self.named = callback is not None and takes_result(callback)

    def sees(self, point, norm, rate):
        """Take in a point; return whether the callback asks for an end."""
        if self.record is not None:
            self.points.append(point if self.record == "path" else point.value)
            self.norms.append(norm)
            self.rates.append(rate)
        # Called after steps, not at the start.
        return self.callback is not None and rate == rate and self.asks(point)

    def asks(self, point):
        """Tell whether the callback asks for an end."""
        x = self.layout.unpack(point.theta.copy())
        try:
            if self.named:
                self.callback(intermediate_result=OptimizeResult(x=x, fun=self.sign * point.value))
            else:
                self.callback(x)
        except StopIteration:
            return True
        return False

    def history(self):
        """Return a dict of arrays with a row for the start and for every point after it."""
        if self.record is None:
            return {}
        columns = {"learning_rate": np.array(self.rates)}
        if not np.isnan(self.norms).all():
            columns = {"gradient_norm": np.array(self.norms)} | columns
        if self.record == "values":
            return {"fun": self.sign * np.array(self.points)} | columns
        path = stacked([point.theta for point in self.points])
        made = {
            "x": self.layout.unpack(path),
            "fun": self.sign * np.array([point.value for point in self.points]),
        }
        if self.points[0].gradient is not None:
            gradients = stacked([point.gradient for point in self.points])
            made["jac"] = self.layout.unpack(self.sign * gradients)
        return made | columns


def stacked(vectors):
    """Return vectors as the rows of an array; ``np.array`` takes several times as long."""
    return np.concatenate(vectors).reshape(len(vectors), -1)


def takes_result(callback):
    """Tell whether a callback's only parameter is ``intermediate_result``, as SciPy has it."""
    try:
        return set(inspect.signature(callback).parameters) == {"intermediate_result"}
    except (TypeError, ValueError):
        return False


def result_of(function, point, nit, ending, watch):
    """Return the result of a descent."""
    gradient = np.full_like(point.theta, math.nan) if point.gradient is None else point.gradient
    return OptimizeResult(
        x=function.layout.unpack(point.theta),
        fun=function.sign * point.value,
        jac=function.layout.unpack(function.sign * gradient),
        nit=nit,
        nfev=function.nfev,
        njev=function.njev,
        success=ending.is_success,
        status=list(type(ending)).index(ending),
        message=ending.format(failure=function.failure),
        history=watch.history(),
    )
