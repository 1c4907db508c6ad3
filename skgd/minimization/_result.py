"""History, callback and result of a descent on a function."""

import inspect
import math

import numpy as np
from scipy.optimize import OptimizeResult

#: What a history can contain: all columns, all but x and gradients, or none.
RECORDS = ("path", "values", None)


class Monitor:
    """Records the history of a descent, and runs the callback.

    Parameters
    ----------
    function : ScalarFunction
        The function to minimise.
    record : {"path", "values"} or None
        What to record: points, values or nothing.
    callback : callable or None
        Takes x, or an ``intermediate_result``; ends the descent by raising StopIteration.
    verbose : bool or int, default=0
        Whether to print a line for each point.
    """

    def __init__(self, function, record, callback, verbose=0):
        self.pytree, self.sign = function.pytree, function.sign
        self.content, self.callback = record, callback
        self.verbose, self.n_recorded = verbose, 0
        self.points, self.values, self.norms, self.rates = [], [], [], []
        self.passes_result = callback is not None and takes_intermediate_result(callback)

    def record(self, point, norm, rate):
        """Record a point, its gradient norm and the learning rate of the step that led to it."""
        if self.verbose:
            print(format_step(self.n_recorded, self.sign * point.value, norm, rate))
        self.n_recorded += 1
        if self.content is not None:
            if self.content == "path":
                self.points.append(point)
            self.values.append(point.value)
            self.norms.append(norm)
            self.rates.append(rate)

    def run_callback(self, point):
        """Call the callback, if any; return whether it raised StopIteration."""
        if self.callback is None:
            return False
        x = self.pytree.unflatten(point.theta.copy())
        try:
            if self.passes_result:
                self.callback(intermediate_result=OptimizeResult(x=x, fun=self.sign * point.value))
            else:
                self.callback(x)
        except StopIteration:
            return True
        return False

    def history(self):
        """Return a dict of arrays with one entry for the start and one for each later point."""
        if self.content is None:
            return {}
        history = {}
        if self.content == "path":
            history["x"] = self.pytree.unflatten(stack_rows([p.theta for p in self.points]))
        history["fun"] = self.sign * np.array(self.values)
        if self.content == "path" and self.points[0].gradient is not None:
            gradients = stack_rows([point.gradient for point in self.points])
            history["jac"] = self.pytree.unflatten(self.sign * gradients)
        if not np.isnan(self.norms).all():
            history["gradient_norm"] = np.array(self.norms)
        return history | {"learning_rate": np.array(self.rates)}


def format_step(number, value, norm, rate):
    """Return a line of ``verbose=1``; numbers that are not known, NaN, are left out."""
    parts = [f"step {number:>5d}  fun {value:<11.6g}"]
    parts += [
        f"{label} {part:<11.6g}"
        for label, part in [("gradient", norm), ("rate", rate)]
        if part == part
    ]
    return "  ".join(parts).rstrip()


def stack_rows(vectors):
    """Return vectors as the rows of an array; several times as fast as ``np.array``."""
    return np.concatenate(vectors).reshape(len(vectors), -1)


def takes_intermediate_result(callback):
    """Return whether the only parameter of a callback is ``intermediate_result``, as in SciPy."""
    try:
        return set(inspect.signature(callback).parameters) == {"intermediate_result"}
    except (TypeError, ValueError):
        return False


def build_result(function, point, nit, reason, monitor):
    """Return the result of a descent that ended at `point` after `nit` steps or epochs."""
    gradient = np.full_like(point.theta, math.nan) if point.gradient is None else point.gradient
    return OptimizeResult(
        x=function.pytree.unflatten(point.theta),
        fun=function.sign * point.value,
        jac=function.pytree.unflatten(function.sign * gradient),
        nit=nit,
        nfev=function.nfev,
        njev=function.njev,
        success=reason.is_success,
        status=list(type(reason)).index(reason),
        message=reason.format(failure=function.failure),
        history=monitor.history(),
    )
