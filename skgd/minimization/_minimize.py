"""The public face: any function, minimised or maximised."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult
from sklearn.utils import check_random_state

from skgd import optimizers, schedules, step_rules
from skgd._utils.component import resolve_component
from skgd._utils.validation import (
    InvalidParameterError,
    check_bool,
    check_choice,
    check_integer,
    check_real,
    raise_invalid,
    suggest_closest,
)
from skgd.minimization._descent import Limits, descend
from skgd.minimization._function import QUOTIENTS, Function, Shown
from skgd.minimization._mini_batch import Batches, descend_by_batches
from skgd.minimization._pytree import Pytree
from skgd.minimization._result import RECORDS, Monitor, result_of
from skgd.minimization._steps import BestStep, ExactStep, ScheduledStep, SearchedStep
from skgd.regressors._config import check_random_state as check_seed
from skgd.regressors._config import elementwise_names, schedule_of

#: The largest partial derivative that is small enough, by where the gradient comes from: estimated
#: ones are no more exact than this.
GTOL = {"given": 1e-10, "central": 1e-7, "forward": 1e-5}

#: What ``learning_rate`` may be.
LearningRate = (
    float | str | schedules.Schedule | step_rules.StepRule | Callable[..., Any] | Sequence[float]
)

#: The rate that is a name, but no schedule's; and the names of schedules that make sense here.
EXACT = "exact"
UNSUITED = (schedules.Adaptive, schedules.Optimal, step_rules.PassiveAggressive)
NAMES = [
    name
    for name, rate in {**schedules.SCHEDULES, **step_rules.STEP_RULES}.items()
    if not issubclass(rate, UNSUITED)
]


#: The rules for directions along which a rate is searched for.
DIRECTIONS = {
    "gd": optimizers.GD,
    "cg": optimizers.ConjugateGradient,
    "lbfgs": optimizers.LBFGS,
}


@dataclass(frozen=True)
class Rule:
    """How to step: the optimizer, and a schedule, candidates, or "exact"."""

    optimizer: optimizers.Optimizer
    schedule: object

    def step(self, function, max_iter):
        """Return the step that descends on `function`."""
        if self.schedule == EXACT:
            return ExactStep(function, self.optimizer)
        if isinstance(self.schedule, list):
            return BestStep(function, self.optimizer, self.schedule)
        if isinstance(self.schedule, step_rules.LineSearch):
            return SearchedStep(function, self.optimizer, self.schedule)
        return ScheduledStep(function, self.optimizer, self.schedule, max_iter)


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
    hess: None = None,
    hessp: None = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    **unknown: Any,
) -> OptimizeResult:
    r"""Minimise a function of a number, an array, or several arrays by gradient descent.

    The default needs no learning rate: limited-memory BFGS with a line search for the strong Wolfe
    conditions. It also serves as ``scipy.optimize.minimize(fun, x0, method=skgd.minimize)``.

    Parameters
    ----------
    fun : callable
        Takes x, in the shape of `x0`, and `args`; returns a number. A point at which it raises, or
        returns NaN or infinity, counts as +∞, and a search goes on elsewhere.
    x0 : number, array-like, or list or dict of arrays
        Where to start.
    args : tuple, default=()
        Further arguments of `fun` and `jac`. With `batch_size` they are arrays with a row for each
        term of a sum, and both are called with some of the rows.
    jac : callable, True, None, "2-point" or "3-point", default=None
        The gradient, in the shape of `x0`; True says that `fun` returns the pair (value, gradient).
        Otherwise it is estimated by difference quotients, forward ("2-point") or central
        ("3-point", and None).
    batch_size : int, default=None
        Rows in a batch: stochastic descent, whose steps follow the gradient of a batch each. The
        best point after a pass is remembered and returned. After a pass without an improvement the
        rate is multiplied by 0.9, after one with an improvement it is again as at the start.
    learning_rate : float, schedule, callable, str or list of float, default="line_search"
        A number; a schedule of :mod:`skgd.schedules` or its name; a function of the step number;
        "line_search"; "exact", which for quadratic functions is the minimum along the line,
        :math:`g^\top g / g^\top G g`; or rates of which the best is taken at each step.
    optimizer : str or optimizer, default="auto"
        An object of :mod:`skgd.optimizers` or its name. "auto" is "lbfgs" beside "line_search",
        "cg" beside "exact", and plain descent, "gd", beside other rates. A rate that is searched
        for, or chosen from several, goes with these three only; a given rate with all but "lbfgs",
        "cg", "accelerated" and "newton_cg".
    max_iter : int, default=10_000
        Steps at most; with `batch_size`, passes.
    gtol : float, default=None
        Ends where no partial derivative is larger. By default 1e-10, or what an estimated gradient
        can tell: 1e-7 if by central quotients, 1e-5 if by forward ones.
    xtol : float, default=0.0
        Ends before a step that would be shorter.
    ftol : float, default=0.0
        Ends before a step that would change the value by less.
    step : float, default=None
        The step of difference quotients; see :func:`approx_gradient`.
    shuffle : bool, default=True
        Whether each pass visits the rows in a fresh random order.
    patience : int, default=100
        Passes in a row without an improvement that end the descent.
    n_restarts : int, default=0
        Further descents, from random starts; the best of all is returned, with all of them in
        ``runs``.
    restart_scale : float, default=1.0
        Standard deviation of the normal distribution around `x0` that starts are drawn from, in
        units of ``max(1, abs(x0))``.
    random_state : int, RandomState or None, default=None
        Source of row orders and starts; a number makes the outcome repeatable.
    callback : callable, default=None
        Called after every step, or pass, with x, or with an ``OptimizeResult`` of ``x`` and ``fun``
        if its only parameter is called ``intermediate_result``. It ends the descent by raising
        ``StopIteration``.
    record : {"path", "values"} or None, default="path"
        What the history holds: everything, everything but x and gradients, or nothing.
    hess, hessp, bounds, constraints : None or empty
        What SciPy passes on; anything else is refused.
    tol : float, default=None
        What SciPy calls `gtol` here.
    **unknown
        Refused.

    Returns
    -------
    scipy.optimize.OptimizeResult
        With ``x``, ``fun``, ``jac``, ``nit`` (steps or passes), ``nfev``, ``njev``, ``success``,
        ``status``, ``message`` and ``history``, a dict of arrays with a row for the start and one
        for each step: ``x``, ``fun``, ``jac``, ``gradient_norm`` and ``learning_rate``; with
        `batch_size` one for each pass, without gradients.

    Raises
    ------
    InvalidParameterError
        If a parameter is refused, or `fun` returns no number.
    ValueError
        If a gradient has another shape than x, or "exact" meets a function that is not quadratic.

    See Also
    --------
    maximize : The same, upwards.
    approx_gradient : Estimates a gradient.
    check_gradient : Finds mistakes in one.
    DescentPathDisplay : Draws the way of a descent.

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

    Textbook descent on x², whose history shows the way:

    >>> result = skgd.minimize(lambda x: x**2, 10.0, learning_rate=0.1, max_iter=50)
    >>> f"{result.x:.4e}", len(result.history["x"])
    ('1.4272e-04', 51)
    """
    options = Options.of(
        jac=jac,
        batch_size=batch_size,
        learning_rate=learning_rate,
        optimizer=optimizer,
        max_iter=max_iter,
        gtol=gtol,
        xtol=xtol,
        ftol=ftol,
        step=step,
        shuffle=shuffle,
        patience=patience,
        n_restarts=n_restarts,
        restart_scale=restart_scale,
        random_state=random_state,
        callback=callback,
        record=record,
        hess=hess,
        hessp=hessp,
        bounds=bounds,
        constraints=constraints,
        tol=tol,
        **unknown,
    )
    return run(fun, x0, args, options, sign=1)


def maximize(
    fun: Callable[..., Any], x0: Any, args: tuple[Any, ...] = (), **options: Any
) -> OptimizeResult:
    """Maximise a function by gradient ascent.

    All is as in :func:`minimize`, upwards: the ascent is the descent of the negative, and the
    result, its history and what a callback sees have the function's own signs.

    Parameters
    ----------
    fun : callable
        Takes x and `args`, returns a number. A point at which it raises, or returns NaN or
        infinity, counts as -∞.
    x0 : number, array-like, or list or dict of arrays
        Where to start.
    args : tuple, default=()
        Further arguments of `fun` and `jac`.
    **options
        Those of :func:`minimize`: ``jac``, ``learning_rate``, ``optimizer``, ….

    Returns
    -------
    scipy.optimize.OptimizeResult
        As of :func:`minimize`.

    See Also
    --------
    minimize : The same, downwards.

    Examples
    --------
    >>> import skgd
    >>> result = skgd.maximize(lambda v: -((v - 1) ** 2).sum(), [5.0, -3.0])
    >>> result.x.round(6), round(abs(result.fun), 6)
    (array([1., 1.]), 0.0)
    """
    return run(fun, x0, args, Options.of(**options), sign=-1)


@dataclass(frozen=True)
class Options:
    """What :func:`minimize` documents, checked; the defaults are the same."""

    jac: object = None
    batch_size: int | None = None
    learning_rate: object = "line_search"
    optimizer: object = "auto"
    max_iter: int = 10_000
    gtol: float | None = None
    xtol: float = 0.0
    ftol: float = 0.0
    step: float | None = None
    shuffle: bool = True
    patience: int = 100
    n_restarts: int = 0
    restart_scale: float = 1.0
    random_state: object = None
    callback: object = None
    record: str | None = "path"
    hess: None = None
    hessp: None = None
    bounds: None = None
    constraints: tuple = ()
    tol: float | None = None

    @classmethod
    def of(cls, **given):
        """Return options by name, or refuse a name that there is none of."""
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                hint = suggest_closest(name, known)
                raise InvalidParameterError(
                    f"minimize has no option {name!r}. {hint or 'It has: ' + ', '.join(known)}"
                )
        return cls(**given)

    def __post_init__(self):
        if not (self.jac is True or callable(self.jac)):
            check_choice("jac", self.jac, list(QUOTIENTS))
        check_integer("max_iter", self.max_iter, low=1)
        check_integer("patience", self.patience, low=1)
        check_integer("n_restarts", self.n_restarts, low=0)
        for name in ("xtol", "ftol", "restart_scale"):
            check_real(name, getattr(self, name), low=0)
        for name in ("gtol", "tol"):
            if getattr(self, name) is not None:
                check_real(name, getattr(self, name), low=0)
        if self.step is not None:
            check_real("step", self.step, low=0, closed="neither")
        check_bool("shuffle", self.shuffle)
        check_seed(self.random_state)
        check_choice("record", self.record, RECORDS)
        if not (self.callback is None or callable(self.callback)):
            raise_invalid("callback", self.callback, "a function or None")
        self.check_unconstrained()

    def check_unconstrained(self):
        """Refuse what SciPy may pass on and descent makes nothing of."""
        for name in ("hess", "hessp"):
            if getattr(self, name) is not None:
                raise_invalid(
                    name, getattr(self, name), "None: descent makes no use of second derivatives"
                )
        limited = self.bounds is not None and np.size(self.bounds) > 0
        if limited or np.size(self.constraints) > 0:
            name = "bounds" if limited else "constraints"
            hint = "Use scipy.optimize.minimize with a method of its own that takes them."
            raise_invalid(
                name, getattr(self, name), "empty: descent here knows no limits of x", hint
            )

    def limits(self):
        """Return when a descent ends."""
        given = self.jac is True or callable(self.jac)
        kind = "given" if given else QUOTIENTS[self.jac]
        chosen = [tolerance for tolerance in (self.gtol, self.tol) if tolerance is not None]
        gtol = chosen[0] if chosen else GTOL[kind]
        return Limits(self.max_iter, gtol, self.xtol, self.ftol, self.patience)

    def rule(self):
        """Return how to step."""
        rate = rate_of(self.learning_rate)
        searches = is_searched(rate)
        if searches and self.batch_size is not None:
            raise_invalid(
                "learning_rate",
                self.learning_rate,
                "a number, a schedule or a function beside batch_size",
                "Searches need the whole sum at every step; without batch_size they have it.",
            )
        optimizer = self.optimizer
        if isinstance(optimizer, str) and optimizer == "auto":
            optimizer = default_optimizer(rate)
        known = {"auto": None, **optimizers.OPTIMIZERS, **DIRECTIONS}
        optimizer = resolve_component("optimizer", optimizer, known, optimizers.Optimizer)
        along_lines = isinstance(optimizer, tuple(DIRECTIONS.values()))
        elementwise = isinstance(optimizer, optimizers.ElementwiseOptimizer)
        if not (along_lines if searches else elementwise):
            raise_invalid(
                "optimizer",
                self.optimizer,
                f"{words(searches)} beside learning_rate={self.learning_rate!r}",
            )
        return Rule(optimizer, rate)


def default_optimizer(rate):
    """Return what "auto" stands for beside a rate."""
    if isinstance(rate, step_rules.LineSearch):
        return optimizers.LBFGS()
    return optimizers.ConjugateGradient() if rate == EXACT else optimizers.GD()


def words(searches):
    """Return the names of the optimizers that go with a rate."""
    if searches:
        return "'auto', 'gd', 'cg' or 'lbfgs'"
    return f"'auto' or one of {elementwise_names()}"


def rate_of(rate):
    """Return a schedule, a list of candidates, or "exact"."""
    if isinstance(rate, str) and rate == EXACT:
        return rate
    if isinstance(rate, (list, tuple, np.ndarray)):
        candidates = list(np.asarray(rate, dtype=object).ravel())
        if not candidates:
            raise_invalid("learning_rate", rate, "at least one candidate")
        for candidate in candidates:
            check_real("learning_rate", candidate, low=0, closed="neither")
        return [float(candidate) for candidate in candidates]
    if isinstance(rate, str):
        check_choice("learning_rate", rate, [EXACT, *NAMES])
    schedule = schedule_of(rate)
    if isinstance(schedule, UNSUITED):
        hint = "This one looks at a penalty, at rows, or at stalls of a regressor."
        raise_invalid(
            "learning_rate", rate, "a schedule that follows from the number of the step", hint
        )
    return schedule


def is_searched(rate):
    """Tell whether the function itself decides on a rate."""
    return isinstance(rate, (list, str, step_rules.LineSearch))


def run(fun, x0, args, options, sign):
    """Return the result of a descent, or of the best of several."""
    if not callable(fun):
        raise_invalid("fun", fun, "a function")
    args = args if isinstance(args, tuple) else (args,)
    layout, rule, limits = Pytree(x0), options.rule(), options.limits()
    rng = check_random_state(options.random_state)
    arrays = None if options.batch_size is None else checked_arrays(args, options.batch_size)
    starts = [layout.start]
    spread = options.restart_scale * np.maximum(1, np.abs(layout.start))
    starts += [
        layout.start + spread * rng.normal(size=layout.size) for _ in range(options.n_restarts)
    ]
    runs = []
    for start in starts:
        made = [Function(fun, options.jac, args, layout, sign, options.step) for _ in range(2)]
        function = made[0]
        watch = Monitor(function, options.record, options.callback)
        # What a function does out of bounds is found out from its values, not from warnings.
        with np.errstate(all="ignore"):
            if arrays is None:
                step = rule.step(function, limits.max_iter)
                outcome = descend(function, start, step, limits, watch)
            else:
                order = rng if options.shuffle else None
                data = Batches(made[1], arrays, options.batch_size, order)
                outcome = descend_by_batches(function, start, data, rule, limits, watch)
        runs.append(result_of(function, *outcome, watch))
    best = min(runs, key=lambda result: sign * result.fun)
    if options.n_restarts:
        best = OptimizeResult(best, runs=runs)
        best.nfev, best.njev = (sum(result[name] for result in runs) for name in ("nfev", "njev"))
    return best


def checked_arrays(args, batch_size):
    """Return the arguments as arrays with a row for each term of a sum, or refuse them."""
    check_integer("batch_size", batch_size, low=1)
    arrays = tuple(np.asarray(arg) for arg in args)
    if not arrays or any(array.ndim == 0 for array in arrays):
        raise_invalid("args", args, "arrays with a row for each term of the sum, beside batch_size")
    rows = [len(array) for array in arrays]
    if len(set(rows)) > 1 or not rows[0]:
        raise_invalid(
            "args", Shown(f"{rows} rows"), "arrays of one length, at least 1, beside batch_size"
        )
    return arrays
