"""The public functions `minimize` and `maximize`, and the validation of their options."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import OptimizeResult
from sklearn.utils import check_random_state

from skgd import optimizers, schedules, step_rules
from skgd._utils import validation
from skgd._utils.component import resolve_component
from skgd.minimization._descent import descend
from skgd.minimization._function import DIFFERENCE_METHODS, ScalarFunction, Verbatim
from skgd.minimization._mini_batch import MiniBatches, descend_by_batches
from skgd.minimization._pytree import Pytree
from skgd.minimization._result import RECORDS, Monitor, build_result
from skgd.minimization._steps import BestCandidateStep, ExactStep, LineSearchStep, ScheduledStep
from skgd.regressors._config import (
    check_bool_or_integer,
    check_seed,
    list_elementwise_optimizers,
    parse_learning_rate,
)

#: Default gtol, by the source of the gradient. An estimated gradient is not accurate enough for a
#: smaller one.
DEFAULT_GTOL = {"user": 1e-10, "central": 1e-7, "forward": 1e-5}

#: Types of ``learning_rate``.
LearningRate = (
    float | str | schedules.Schedule | step_rules.StepRule | Callable[..., Any] | Sequence[float]
)

#: The learning rate that minimises a quadratic function along a line; it is not a schedule.
EXACT = "exact"

#: Schedules that depend on a penalty, on single rows or on a regressor's stopping criterion.
UNSUPPORTED_SCHEDULES = (schedules.Adaptive, schedules.Optimal, step_rules.PassiveAggressive)
SCHEDULE_NAMES = [
    name
    for name, cls in {**schedules.SCHEDULES, **step_rules.STEP_RULES}.items()
    if not issubclass(cls, UNSUPPORTED_SCHEDULES)
]

#: Optimizers whose directions are used with a line search, an exact rate or several rates.
DIRECTIONAL_OPTIMIZERS = {
    "gd": optimizers.GD,
    "cg": optimizers.ConjugateGradient,
    "lbfgs": optimizers.LBFGS,
}


class UpdateRule(NamedTuple):
    """How a step follows from a gradient.

    Parameters
    ----------
    optimizer : Optimizer
        The optimizer.
    learning_rate : Schedule, list of float or "exact"
        A schedule, candidates, or the minimum along the line.
    """

    optimizer: optimizers.Optimizer
    learning_rate: object

    def build_step(self, function, max_iter):
        """Return the step for a descent on `function`."""
        if self.learning_rate == EXACT:
            return ExactStep(function, self.optimizer)
        if isinstance(self.learning_rate, list):
            return BestCandidateStep(function, self.optimizer, self.learning_rate)
        if isinstance(self.learning_rate, step_rules.LineSearch):
            return LineSearchStep(function, self.optimizer, self.learning_rate)
        return ScheduledStep(function, self.optimizer, self.learning_rate, max_iter)


def minimize(
    fun: Callable[..., Any],
    x0: Any,
    args: tuple[Any, ...] = (),
    *,
    jac: Callable[..., Any] | bool | str | None = None,
    batch_size: int | None = None,
    learning_rate: LearningRate = "line_search",
    optimizer: str | optimizers.Optimizer = "auto",
    max_iter: int = 10_000,
    gtol: float | None = None,
    xtol: float = 0.0,
    ftol: float = 0.0,
    step: float | None = None,
    shuffle: bool = True,
    patience: int = 100,
    n_restarts: int = 0,
    restart_scale: float = 1.0,
    random_state: int | np.random.RandomState | None = None,
    callback: Callable[..., Any] | None = None,
    record: str | None = "path",
    verbose: bool | int = 0,
    hess: None = None,
    hessp: None = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    **unknown: Any,
) -> OptimizeResult:
    r"""Minimise a function of a number, an array, or several arrays by gradient descent.

    The default needs no learning rate: limited-memory BFGS with a line search for the strong Wolfe
    conditions. It is also a ``method`` of SciPy:
    ``scipy.optimize.minimize(fun, x0, method=skgd.minimize)``.

    Parameters
    ----------
    fun : callable
        Takes x, in the shape of `x0`, and `args`; returns a number. If it raises an
        ``ArithmeticError`` or a ``ValueError``, or returns NaN or infinity, its value counts as +∞,
        and a line search continues at other points. Other errors end the descent.
    x0 : number, array-like, or list or dict of arrays
        The starting point.
    args : tuple, default=()
        Further arguments of `fun` and `jac`. With `batch_size` they are arrays with a row for each
        term of a sum, and both functions are called with some of the rows.
    jac : callable, True, None, "2-point" or "3-point", default=None
        The gradient, in the shape of `x0`; True means that `fun` returns the pair (value,
        gradient). Otherwise the gradient is estimated by finite differences: forward ("2-point") or
        central ("3-point" and None).
    batch_size : int, default=None
        Number of rows in a mini-batch; each step then uses the gradient of one batch. The result is
        the best point at the end of an epoch. The learning rate is multiplied by 0.9 after each
        epoch that does not improve on the best value, and reset after one that does.
    learning_rate : float, schedule, callable, str or list of float, default="line_search"
        A number; a schedule of :mod:`skgd.schedules` or its name; a function of the step number;
        "line_search"; "exact", the minimum along the line of a quadratic function,
        :math:`g^\top g / g^\top G g` for the gradient g and the Hessian G; or a list of rates, of
        which each step uses the best.
    optimizer : str or optimizer, default="auto"
        An object of :mod:`skgd.optimizers` or its name. "auto" is "lbfgs" with "line_search", "cg"
        with "exact", and plain gradient descent, "gd", with other learning rates. "line_search",
        "exact" and a list of rates require one of these three; the other learning rates work with
        all optimizers but "lbfgs", "cg", "accelerated" and "proximal_newton".
    max_iter : int, default=10_000
        Maximum number of steps; with `batch_size`, of epochs.
    gtol : float, default=None
        Stop when no partial derivative exceeds this in absolute value. The default is 1e-10, or
        the accuracy of an estimated gradient: 1e-7 for central and 1e-5 for forward differences.
    xtol : float, default=0.0
        Stop before a step that is shorter than this.
    ftol : float, default=0.0
        Stop before a step that changes the value by less than this.
    step : float, default=None
        The step of the finite differences; see :func:`approx_gradient`.
    shuffle : bool, default=True
        Whether each epoch uses the rows in a new random order.
    patience : int, default=100
        Stop after this number of consecutive epochs without an improvement.
    n_restarts : int, default=0
        Number of additional descents, from random starting points. The best result is returned, and
        its ``runs`` contains all of them.
    restart_scale : float, default=1.0
        Standard deviation of the normal distribution around `x0` from which starting points are
        drawn, in units of ``max(1, abs(x0))``.
    random_state : int, RandomState or None, default=None
        Source of row orders and starting points; an integer makes the result reproducible.
    callback : callable, default=None
        Called after every step, or epoch, with x, or with an ``OptimizeResult`` of ``x`` and
        ``fun`` if its only parameter is called ``intermediate_result``. It ends the descent by
        raising ``StopIteration``.
    record : {"path", "values"} or None, default="path"
        What the history contains: everything, everything except x and gradients, or nothing.
    verbose : bool or int, default=0
        Whether to print a line for each step, or epoch.
    hess, hessp, bounds, constraints : None or empty
        Passed by SciPy; other values raise an error.
    tol : float, default=None
        SciPy's name of `gtol`.
    **unknown
        Other options raise an error.

    Returns
    -------
    scipy.optimize.OptimizeResult
        With ``x``, ``fun``, ``jac``, ``nit`` (number of steps or epochs), ``nfev``, ``njev``,
        ``success``, ``status``, ``message`` and ``history``. The history is a dict of arrays with
        one entry for the start and one for each step: ``x``, ``fun``, ``jac``, ``gradient_norm``
        and ``learning_rate``; with `batch_size`, one for each epoch, and without gradients.

    Raises
    ------
    InvalidParameterError
        If a parameter is invalid, or `fun` does not return a number.
    ValueError
        If a gradient has another shape than x, or the learning rate is "exact" and the function is
        not a quadratic with positive curvature.

    See Also
    --------
    maximize : Maximise a function.
    approx_gradient : Estimate a gradient.
    check_gradient : Compare a gradient with finite differences.
    DescentPathDisplay : Plot the path of a descent.

    References
    ----------
    J. Nocedal, S. J. Wright, "Numerical Optimization", 2006, chapters 3, 5 and 7.

    Examples
    --------
    >>> import skgd
    >>> from scipy.optimize import rosen, rosen_der
    >>> result = skgd.minimize(rosen, [-1.2, 1.0], jac=rosen_der)
    >>> result.success, result.x.round(6)
    (True, array([1., 1.]))

    Gradient descent on x² with a constant learning rate, and its history:

    >>> result = skgd.minimize(lambda x: x**2, 10.0, learning_rate=0.1, max_iter=50)
    >>> f"{result.x:.4e}", len(result.history["x"])
    ('1.4272e-04', 51)
    """
    options = locals() | unknown
    for name in ("fun", "x0", "args", "unknown"):
        del options[name]
    return run_restarts(fun, x0, args, MinimizeOptions(**options), sign=1)


def maximize(
    fun: Callable[..., Any], x0: Any, args: tuple[Any, ...] = (), **options: Any
) -> OptimizeResult:
    """Maximise a function by gradient ascent.

    This is :func:`minimize` applied to the negative function. The result, its history and the
    arguments of the callback have the signs of the function itself.

    Parameters
    ----------
    fun : callable
        Takes x and `args`, returns a number. If it raises an ``ArithmeticError`` or a
        ``ValueError``, or returns NaN or infinity, its value counts as -∞.
    x0 : number, array-like, or list or dict of arrays
        The starting point.
    args : tuple, default=()
        Further arguments of `fun` and `jac`.
    **options
        The options of :func:`minimize`: ``jac``, ``learning_rate``, ``optimizer``, ….

    Returns
    -------
    scipy.optimize.OptimizeResult
        As for :func:`minimize`.

    See Also
    --------
    minimize : Minimise a function.

    Examples
    --------
    >>> import skgd
    >>> result = skgd.maximize(lambda v: -((v - 1) ** 2).sum(), [5.0, -3.0])
    >>> result.x.round(6), round(abs(result.fun), 6)
    (array([1., 1.]), 0.0)
    """
    return run_restarts(fun, x0, args, MinimizeOptions(**options), sign=-1)


class MinimizeOptions(SimpleNamespace):
    """The validated options of :func:`minimize`, with its defaults."""

    def __init__(self, **options):
        defaults = minimize.__kwdefaults__
        for name in options:
            if name not in defaults:
                listing = f"Its options are: {', '.join(defaults)}."
                hint = validation.suggest_closest(name, defaults) or listing
                raise validation.InvalidParameterError(f"minimize has no option {name!r}. {hint}")
        super().__init__(**(defaults | options))
        self.check()
        self.check_unconstrained()

    def check(self):
        """Raise an error if an option is invalid."""
        if not (self.jac is True or callable(self.jac)):
            validation.check_choice("jac", self.jac, list(DIFFERENCE_METHODS))
        for name, low in {"max_iter": 1, "patience": 1, "n_restarts": 0}.items():
            validation.check_integer(name, getattr(self, name), low=low)
        for name in ("xtol", "ftol", "restart_scale"):
            validation.check_real(name, getattr(self, name), low=0)
        for name in ("gtol", "tol"):
            validation.check_real(name, getattr(self, name), low=0, allow_none=True)
        validation.check_real("step", self.step, low=0, closed="neither", allow_none=True)
        validation.check_bool("shuffle", self.shuffle)
        check_seed("random_state", self.random_state)
        check_bool_or_integer("verbose", self.verbose, low=0, integers="[0, inf),")
        validation.check_choice("record", self.record, RECORDS)
        if not (self.callback is None or callable(self.callback)):
            validation.raise_invalid("callback", self.callback, "a function or None")

    def check_unconstrained(self):
        """Raise an error for options of SciPy's methods that gradient descent does not support."""
        for name in ("hess", "hessp"):
            if getattr(self, name) is not None:
                constraint = "None: second derivatives are not used"
                validation.raise_invalid(name, getattr(self, name), constraint)
        for name in ("bounds", "constraints"):
            value = getattr(self, name)
            if value is not None and np.size(value) > 0:
                constraint = "empty: only unconstrained minimisation"
                hint = "Use a method of scipy.optimize.minimize that supports them."
                validation.raise_invalid(name, value, constraint, hint)

    @property
    def gradient_tolerance(self):
        """Tolerance for the largest absolute partial derivative."""
        if self.gtol is not None or self.tol is not None:
            return self.tol if self.gtol is None else self.gtol
        has_jac = self.jac is True or callable(self.jac)
        return DEFAULT_GTOL["user" if has_jac else DIFFERENCE_METHODS[self.jac]]

    def update_rule(self):
        """Return the optimizer and the learning rate, or raise an error if they do not combine."""
        learning_rate = resolve_learning_rate(self.learning_rate)
        # These learning rates evaluate the function along a line.
        directional = isinstance(learning_rate, (list, str, step_rules.LineSearch))
        if directional and self.batch_size is not None:
            constraint = "a number, a schedule or a function with batch_size"
            hint = "The others evaluate the whole sum at every step; use them without batch_size."
            validation.raise_invalid("learning_rate", self.learning_rate, constraint, hint)
        optimizer = self.optimizer
        if isinstance(optimizer, str) and optimizer == "auto":
            optimizer = default_optimizer(learning_rate)
        known = {"auto": None, **optimizers.OPTIMIZERS, **DIRECTIONAL_OPTIMIZERS}
        optimizer = resolve_component("optimizer", optimizer, known, optimizers.Optimizer)
        if directional:
            supported = tuple(DIRECTIONAL_OPTIMIZERS.values())
            names = "'auto', 'gd', 'cg' or 'lbfgs'"
        else:
            supported = optimizers.ElementwiseOptimizer
            names = f"'auto' or one of {list_elementwise_optimizers()}"
        if not isinstance(optimizer, supported):
            constraint = f"{names} with learning_rate={self.learning_rate!r}"
            validation.raise_invalid("optimizer", self.optimizer, constraint)
        return UpdateRule(optimizer, learning_rate)


def default_optimizer(learning_rate):
    """Return the optimizer that "auto" means with a resolved learning rate."""
    if isinstance(learning_rate, step_rules.LineSearch):
        return optimizers.LBFGS()
    return optimizers.ConjugateGradient() if learning_rate == EXACT else optimizers.GD()


def resolve_learning_rate(learning_rate):
    """Return a schedule, a list of candidates, or "exact"."""
    if isinstance(learning_rate, str) and learning_rate == EXACT:
        return learning_rate
    if isinstance(learning_rate, (list, tuple, np.ndarray)):
        candidates = list(np.asarray(learning_rate, dtype=object).ravel())
        if not candidates:
            validation.raise_invalid("learning_rate", learning_rate, "at least one candidate")
        for candidate in candidates:
            validation.check_real("learning_rate", candidate, low=0, closed="neither")
        return [float(candidate) for candidate in candidates]
    if isinstance(learning_rate, str):
        validation.check_choice("learning_rate", learning_rate, [EXACT, *SCHEDULE_NAMES])
    schedule = parse_learning_rate(learning_rate)
    if isinstance(schedule, UNSUPPORTED_SCHEDULES):
        hint = "This one depends on a penalty, on single rows or on the stopping of a regressor."
        constraint = "a schedule of the step number alone"
        validation.raise_invalid("learning_rate", learning_rate, constraint, hint)
    return schedule


def run_restarts(fun, x0, args, options, sign):
    """Return the result of a descent, or the best result of several from different starts."""
    if not callable(fun):
        validation.raise_invalid("fun", fun, "a function")
    args = args if isinstance(args, tuple) else (args,)
    pytree, rule = Pytree(x0), options.update_rule()
    rng = check_random_state(options.random_state)
    arrays = None if options.batch_size is None else check_arrays(args, options.batch_size)
    scale = options.restart_scale * np.maximum(1, np.abs(pytree.vector))
    offsets = scale * rng.normal(size=(options.n_restarts, pytree.size))
    starts = [pytree.vector, *(pytree.vector + offsets)]
    function_args = (fun, options.jac, args, pytree, sign, options.step)
    runs = []
    for start in starts:
        function = ScalarFunction(*function_args)
        monitor = Monitor(function, options.record, options.callback, options.verbose)
        # Overflow in `fun` is detected from non-finite values, so NumPy's warnings are silenced.
        with np.errstate(all="ignore"):
            if arrays is None:
                step = rule.build_step(function, options.max_iter)
                outcome = descend(function, start, step, options, monitor)
            else:
                batch_function = ScalarFunction(*function_args)
                batch_rng = rng if options.shuffle else None
                batches = MiniBatches(batch_function, arrays, options.batch_size, batch_rng)
                outcome = descend_by_batches(function, start, batches, rule, options, monitor)
        runs.append(build_result(function, *outcome, monitor))
    best = min(runs, key=lambda result: sign * result.fun)
    if options.n_restarts:
        best = OptimizeResult(best, runs=runs)
        best.nfev, best.njev = (sum(result[name] for result in runs) for name in ("nfev", "njev"))
    return best


def check_arrays(args, batch_size):
    """Return the arguments as arrays with a row for each term of a sum, or raise an error."""
    validation.check_integer("batch_size", batch_size, low=1)
    arrays = tuple(np.asarray(arg) for arg in args)
    if not arrays or any(array.ndim == 0 for array in arrays):
        constraint = "arrays with a row for each term of the sum, with batch_size"
        validation.raise_invalid("args", args, constraint)
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1 or not lengths[0]:
        allowed = "arrays of one length, at least 1, with batch_size"
        validation.raise_invalid("args", Verbatim(f"{lengths} rows"), allowed)
    return arrays
