"""Fits with and without each mechanism that exists for speed or for accuracy alone.

Run ``python benchmarks/mechanisms.py``, or with words that a mechanism's name contains, such as
``python benchmarks/mechanisms.py shuffle prefetch``. All of them take less than ten minutes.

Each fit runs with the mechanism and with it switched off, alternately, on the same data. Where the
mechanism is compiled into a loop, two processes are timed alternately instead. A ratio is the time
without the mechanism over the time with it; the last columns are the objectives reached.
"""

import ast
import io
import math
import os
import statistics
import sys
import time
import tokenize
import warnings
from collections.abc import Callable
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import skgd
from measure import THREADS, machine
from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from speed import dense, stored

# Hooks: everything in skgd that is replaced, by name. Each function returns what replaces what.


def no_numba():
    return {"skgd._utils.numba_support.has_numba": lambda: False}


def numpy_shuffle():
    return {"skgd.solvers.row_order.MIN_COMPILED_SHUFFLE": math.inf}


def no_prefetch():
    from numba import njit

    return {"skgd.solvers.compiled.rows.prefetch_item": njit(lambda array, index: None)}


def counted_references():
    from numba import njit

    return {"skgd.solvers.compiled.jit.without_refcount": njit(lambda value: value)}


def signed_columns():
    from numba import njit

    return {"skgd.solvers.compiled.rows.column_of": njit(lambda rows, e: rows.indices[e])}


def no_triangular():
    return {"skgd.solvers.sgd.triangular.TriangularSGD.applies_to": lambda problem: False}


def no_lazy_triangular():
    return {"skgd.solvers.sgd.lazy_sparse.is_linear": lambda problem: False}


def no_lazy():
    return {"skgd.solvers.sgd.lazy_sparse.LazySparseSGD.applies_to": lambda problem: False}


def single_epochs():
    name = "skgd.solvers.speculative_epochs.SpeculativeEpochs"
    return {f"{name}.count_epochs": lambda self, position, n_epochs: 0}


def numpy_svrg():
    from skgd.solvers.svrg_epoch import svrg_epoch

    return {"skgd.solvers.svrg.choose_epoch": lambda: svrg_epoch}


def no_subsample():
    return {"skgd.solvers.proximal_newton.subsample_step": lambda objective, point: None}


def whole_hessians():
    name = "skgd.objectives.incremental_hessian.IncrementalHessian"
    return {f"{name}.update": lambda self, design, weights: self.from_design(design, weights)}


def no_hessian_root():
    return {
        "skgd.objectives.empirical_risk.Objective.hessian_root": lambda self, point, output: None
    }


def one_thread():
    def in_turn(function, items, together):
        with threadpool_limits(1):
            return together(map(function, items))

    return {"skgd.data.second_moments.map_reduce_in_threads": in_turn}


def threads_of_blas():
    return {"skgd.data.second_moments.MIN_PARALLEL_SIZE": math.inf}


def no_second_moments():
    return {"skgd.data.in_memory.InMemoryData.has_cheap_second_moments": False}


#: Pairs of fits of a case: at most, and at least; seconds after which no more are made.
ROUNDS, MIN_ROUNDS, SECONDS = 15, 3, 2.5

PACKAGE = Path(skgd.__file__).parent


@dataclass
class Case:
    """A fit to measure.

    Parameters
    ----------
    name : str
        The case.
    data : callable
        Returns X and y.
    fit : callable
        Takes X and y, returns a fitted model.
    score : callable
        Takes X, y and the model; returns the number printed beside the time.
    """

    name: str
    data: Callable
    fit: Callable
    score: Callable = None

    def __post_init__(self):
        self.score = self.score or objective


@dataclass
class Mechanism:
    """A mechanism, its code, and how to switch it off.

    Parameters
    ----------
    name : str
        What it is.
    code : dict
        Names of functions, classes, methods and constants by file, separated by spaces; without
        names the whole file counts.
    off : callable or None
        Returns the replacements without which it runs; None where no time is measured.
    cases : list of Case
        What to measure.
    numba : bool, default=True
        Whether Numba compiles in both variants.
    compiled_in : bool, default=False
        Whether the replacements must be made before anything is compiled.
    threads : int or None, default=1
        Threads of BLAS; None leaves the default.
    """

    name: str
    code: dict
    off: Callable | None
    cases: list
    numba: bool = True
    compiled_in: bool = False
    threads: int | None = THREADS


def objective(X, y, model):
    """Return the mean loss plus the penalty."""
    loss = np.mean(model.loss_.value(model.predict(X), y), dtype=float)
    return loss + model.penalty_.value(model.coef_.astype(float))


# Cases

SIZES = {5: 200_000, 20: 100_000, 64: 60_000, 100: 50_000, 1000: 10_000}

#: Data sets are large and come in the order of the cases.
dense, stored = lru_cache(2)(dense), lru_cache(2)(stored)


def walks(n, d):
    """Return rows whose columns are correlated, with a condition number of about 4 d² / π²."""
    X, y = dense(n, d)
    return np.cumsum(X, axis=1), y


def fit(model, X, y):
    return clone(model).fit(X, y)


def fit_often(model, times, X, y):
    """Fit several times, where a single fit is too short to be timed."""
    return [fit(model, X, y) for _ in range(times)][-1]


def sgd(name, data, epochs=3, **params):
    params = {"tol": None, "random_state": 0, "eta0": 0.001, **params}
    return Case(name, data, partial(fit, SGDRegressor(max_iter=epochs, **params)))


def mini_batches(name, data, epochs=3, size=32):
    """Mini-batches at a fixed rate, so that the compiled loops run."""
    model = MiniBatchGDRegressor(
        batch_size=size,
        learning_rate=0.01,
        standardize=False,
        max_iter=epochs,
        tol=None,
        random_state=0,
    )
    return Case(name, data, partial(fit, model))


def automatic(name, data, **params):
    """Mini-batches by SVRG, as with nothing set."""
    return Case(name, data, partial(fit, MiniBatchGDRegressor(random_state=0, **params)))


def batch(name, data, **params):
    return Case(name, data, partial(fit, BatchGDRegressor(**params)))


def tiny():
    model = SGDRegressor(max_iter=5, tol=None, random_state=0)
    return Case("20 × 3, 5 epochs, 50 fits", partial(dense, 20, 3), partial(fit_often, model, 50))


def search():
    """Twenty rates by five folds."""
    pipe = make_pipeline(StandardScaler(), SGDRegressor(max_iter=1000, tol=1e-3, random_state=0))
    rates = {"sgdregressor__eta0": np.geomspace(1e-4, 0.05, 20)}
    return Case(
        "GridSearchCV on diabetes, 20 rates × 5 folds",
        partial(load_diabetes, return_X_y=True),
        partial(fit, GridSearchCV(pipe, rates, cv=5)),
        lambda X, y, model: model.best_score_,
    )


def stream(name, rows, **params):
    """A stream of batches of so many rows."""

    def learn(X, y):
        model = MiniBatchGDRegressor(**params)
        for start in range(0, len(X), rows):
            model.partial_fit(X[start : start + rows], y[start : start + rows])
        return model

    return Case(name, partial(dense, 4000, 300), learn)


def certified(name):
    """A problem of NIST; its score is the number of correct digits of the worst coefficient."""
    sys.path.append(str(Path(__file__).parents[1]))
    from tests.helpers.certified import PROBLEMS

    problem = PROBLEMS[name]

    def digits(X, y, model):
        coef = np.append(model.intercept_, model.coef_)[-len(problem.coef) :]
        return -np.log10(max(np.abs(coef / np.array(problem.coef) - 1).max(), 1e-16))

    model = BatchGDRegressor(fit_intercept=problem.fit_intercept)
    return Case(f"{name}, digits", problem.numbers, partial(fit, model), digits)


TEXT = partial(stored, 100_000, 20_000, 50)
SHORT_TEXT = partial(stored, 5_000, 20_000, 50)
ONE_PERCENT = partial(stored, 200_000, 2_000, 20)
NUMPY_ROWS = {5: 20_000, 20: 20_000, 100: 20_000, 1000: 5_000}


PARALLEL_MOMENTS = {
    "_utils/threads.py": "",
    "data/second_moments.py": "SecondMoments.from_rows_in_parallel",
}
MOMENTS = [
    batch(f"{n:,} × {d}", partial(dense, n, d))
    for n, d in ((1_000_000, 20), (200_000, 100), (20_000, 1000))
]


def mechanisms():
    """Return all mechanisms."""
    return [
        Mechanism(
            "compiled PCG64 shuffle",
            {"solvers/compiled/shuffle.py": ""},
            numpy_shuffle,
            [
                *(sgd(f"SGD, d = {d}", partial(dense, SIZES[d], d), 5) for d in (5, 20, 100)),
                mini_batches("mini-batch of 32, d = 20", partial(dense, 100_000, 20), 5),
            ],
        ),
        Mechanism(
            "prefetch",
            {
                "solvers/compiled/rows.py": "PREFETCH_DISTANCE CACHE_LINE MAX_LINES prefetch_item "
                "prefetch _prefetch prefetch_indptr _prefetch_indptr row_at"
            },
            no_prefetch,
            [
                sgd("SGD, 200,000 × 20", partial(dense, 200_000, 20)),
                sgd("SGD, 200,000 × 100", partial(dense, 200_000, 100)),
                sgd("SGD, 20,000 × 20 (in the cache)", partial(dense, 20_000, 20), 20),
                sgd("SGD, CSR 1 %, 200,000 × 2,000", ONE_PERCENT),
                mini_batches("mini-batch of 32, 200,000 × 20", partial(dense, 200_000, 20)),
            ],
            compiled_in=True,
        ),
        Mechanism(
            "arrays without reference counts",
            {"solvers/compiled/jit.py": "without_refcount _drop_owner"},
            counted_references,
            [
                sgd("SGD, 200,000 × 5", partial(dense, 200_000, 5)),
                sgd("SGD, 200,000 × 20", partial(dense, 200_000, 20)),
                sgd("SGD, CSR 1 %, 200,000 × 2,000", ONE_PERCENT),
                mini_batches("mini-batch of 32, 200,000 × 20", partial(dense, 200_000, 20)),
            ],
            compiled_in=True,
        ),
        Mechanism(
            "unsigned columns",
            {"solvers/compiled/rows.py": "column_of"},
            signed_columns,
            [
                sgd("SGD, CSR 1 %, 200,000 × 2,000", ONE_PERCENT),
                sgd("SGD, CSR 1 %, l1", ONE_PERCENT, penalty="l1"),
            ],
            compiled_in=True,
        ),
        Mechanism(
            "triangular SGD, NumPy",
            {"solvers/sgd/triangular.py": ""},
            no_triangular,
            [
                sgd(f"SGD, {n} × {d}, one epoch", partial(dense, n, d), 1)
                for d, n in NUMPY_ROWS.items()
            ],
            numba=False,
        ),
        Mechanism(
            "lazy triangular SGD, NumPy",
            {"solvers/sgd/lazy_triangular.py": ""},
            no_lazy_triangular,
            [
                sgd("CSR, 5,000 × 20,000, 50 a row", SHORT_TEXT, 1),
                sgd("CSR, 20,000 × 2,000, 20 a row", partial(stored, 20_000, 2_000, 20), 1),
            ],
            numba=False,
        ),
        Mechanism(
            "lazy sparse SGD, NumPy",
            {"solvers/sgd/lazy_sparse.py": ""},
            no_lazy,
            [
                sgd("CSR, 5,000 × 20,000, 50 a row", SHORT_TEXT, 1),
                sgd("CSR, l1, 5,000 × 20,000", SHORT_TEXT, 1, penalty="l1"),
                sgd("CSR, huber, 5,000 × 20,000", SHORT_TEXT, 1, loss="huber"),
                sgd("CSR, huber, 10,000 × 500", partial(stored, 10_000, 500, 20), 1, loss="huber"),
                mini_batches("CSR, mini-batch of 32, 5,000 × 20,000", SHORT_TEXT, 1),
            ],
            numba=False,
        ),
        Mechanism(
            "lazy sparse SGD, compiled",
            {"solvers/compiled/lazy_sparse.py": "", "solvers/compiled/lazy_coordinate.py": ""},
            no_lazy,
            [
                sgd("CSR, l2, 100,000 × 20,000, 50 a row", TEXT, 1),
                sgd("CSR, l1, 100,000 × 20,000, 50 a row", TEXT, 1, penalty="l1"),
                sgd("CSR, l2, 200,000 × 200", partial(stored, 200_000, 200, 20), 1),
                sgd("CSR, l1, 200,000 × 200", partial(stored, 200_000, 200, 20), 1, penalty="l1"),
                mini_batches("CSR, mini-batch of 32, 100,000 × 20,000", TEXT, 1),
                mini_batches(
                    "CSR, mini-batch of 32, 50,000 × 200,000",
                    partial(stored, 50_000, 200_000, 50),
                    1,
                ),
            ],
        ),
        Mechanism(
            "speculative epochs",
            {
                "solvers/speculative_epochs.py": "",
                "solvers/descent.py": "DescentLoop.run_speculative_epochs",
                "solvers/compiled/epochs.py": "copy_array copy_arrays _copy_arrays_loop",
                "solvers/compiled/solver.py": "EpochTrace",
            },
            single_epochs,
            [
                tiny(),
                search(),
                sgd("SGD, 1000 × 10, 50 epochs", partial(dense, 1000, 10), 50),
                sgd("SGD, 20,000 × 20, 20 epochs", partial(dense, 20_000, 20), 20),
            ],
        ),
        Mechanism(
            "SVRG epochs, compiled",
            {"solvers/compiled/svrg_epoch.py": ""},
            numpy_svrg,
            [
                automatic("mini-batch of 32, 50,000 × 20", partial(dense, 50_000, 20)),
                automatic("mini-batch of 1, 50,000 × 20", partial(dense, 50_000, 20), batch_size=1),
                automatic(
                    "mini-batch of 32, huber, 20,000 × 100",
                    partial(dense, 20_000, 100),
                    loss="huber",
                ),
                automatic(
                    "mini-batch of 32, CSR, 20,000 × 2,000",
                    partial(stored, 20_000, 2_000, 20),
                    max_iter=20,
                ),
            ],
        ),
        Mechanism(
            "Newton's method on a sample first",
            {
                "solvers/proximal_newton.py": "SUBSAMPLE_ROWS MIN_SUBSAMPLE_GAIN subsample_step",
                "objectives/empirical_risk.py": "MIN_SUBSAMPLE_ROWS Objective.random_subsample",
                "objectives/chunked.py": "ChunkedObjective.random_subsample",
            },
            no_subsample,
            [
                batch("huber, 100,000 × 50", partial(dense, 100_000, 50), loss="huber"),
                batch("huber, 400,000 × 10", partial(dense, 400_000, 10), loss="huber"),
                batch("quantile, 100,000 × 20", partial(dense, 100_000, 20), loss="quantile"),
            ],
        ),
        Mechanism(
            "incremental Hessian",
            {"objectives/incremental_hessian.py": ""},
            whole_hessians,
            [
                batch("huber, 100,000 × 50", partial(dense, 100_000, 50), loss="huber"),
                batch("quantile, 100,000 × 20", partial(dense, 100_000, 20), loss="quantile"),
                batch("quantile, 50,000 × 100", partial(dense, 50_000, 100), loss="quantile"),
                batch("log_cosh, 100,000 × 50", partial(dense, 100_000, 50), loss="log_cosh"),
            ],
        ),
        Mechanism(
            "square root of the Hessian",
            {
                "data/design.py": "weighted_root relative_rounding",
                "objectives/empirical_risk.py": "hessian_root",
            },
            no_hessian_root,
            [certified(name) for name in ("Filip", "Longley", "Wampler1", "Wampler5", "Pontius")],
        ),
        Mechanism(
            "implicit SGD, compiled",
            {"solvers/compiled/implicit_sgd.py": ""},
            no_numba,
            [
                stream("huber, 4,000 × 300 in batches of 100", 100, loss="huber"),
                stream("huber, 4,000 × 300 in single rows", 1, loss="huber"),
            ],
        ),
        Mechanism(
            "second moments in threads, not one",
            {
                "_utils/threads.py": "",
                "data/second_moments.py": "SecondMoments.from_rows_in_parallel",
            },
            one_thread,
            MOMENTS,
            threads=None,
        ),
        Mechanism(
            "second moments in threads, not those of BLAS",
            {
                "_utils/threads.py": "",
                "data/second_moments.py": "SecondMoments.from_rows_in_parallel",
            },
            threads_of_blas,
            MOMENTS,
            threads=None,
        ),
        Mechanism(
            "second moments",
            {"data/second_moments.py": ""},
            no_second_moments,
            [
                batch("442 × 10 (diabetes)", partial(load_diabetes, return_X_y=True)),
                *(batch(f"{SIZES[d]} × {d}", partial(dense, SIZES[d], d)) for d in (20, 100, 1000)),
                batch("random walks, 50,000 × 100", partial(walks, 50_000, 100)),
                batch("random walks, 5,000 × 300", partial(walks, 5_000, 300)),
                batch("l1, 100,000 × 20", partial(dense, 100_000, 20), penalty="l1", alpha=0.01),
            ],
        ),
    ]


# Measuring


@contextmanager
def replaced(replacements):
    """Replace attributes of skgd."""
    with ExitStack() as stack:
        for target, new in replacements.items():
            stack.enter_context(patch(target, new))
        yield


def timed(mechanism, case, without):
    """Return the seconds of a fit, and its score."""
    X, y = case.data()
    hooks = {} if mechanism.numba else no_numba()
    if without and not mechanism.compiled_in:
        hooks |= mechanism.off()
    with replaced(hooks), threadpool_limits(mechanism.threads), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        model = case.fit(X, y)
        return time.perf_counter() - start, case.score(X, y, model)


def compare(with_mechanism, without_mechanism):
    """Run both alternately; return the seconds and the last score of each.

    The first pair warms up and is not counted. Which one is first changes from pair to pair.
    """
    tasks = with_mechanism, without_mechanism
    seconds, scores = ([], []), [task()[1] for task in tasks]
    start = time.perf_counter()
    for number in range(ROUNDS):
        if number >= MIN_ROUNDS and time.perf_counter() - start > SECONDS:
            break
        for k in (0, 1) if number % 2 else (1, 0):
            elapsed, scores[k] = tasks[k]()
            seconds[k].append(elapsed)
    return seconds, scores


class Worker:
    """A process of its own, in which a mechanism that is compiled in is on or off throughout.

    Parameters
    ----------
    mechanism : Mechanism
        What is measured.
    cache : str or None
        Where Numba keeps machine code without the mechanism; None means with it, and its usual
        place.
    """

    def __init__(self, mechanism, cache):
        context = get_context("spawn")
        self.pipe, there = context.Pipe()
        self.process = context.Process(
            target=serve, args=(there, mechanism.name, cache is not None), daemon=True
        )
        with patch.dict(os.environ, {} if cache is None else {"NUMBA_CACHE_DIR": cache}):
            self.process.start()
        there.close()

    def run(self, number):
        """Return the seconds of the fit of a case, and its score."""
        self.pipe.send(number)
        return self.pipe.recv()

    def close(self):
        """End the process."""
        self.pipe.send(None)
        self.process.join()


def serve(pipe, name, without):
    """Do what a :class:`Worker` asks for."""
    mechanism = next(mechanism for mechanism in mechanisms() if mechanism.name == name)
    with replaced(mechanism.off()) if without else nullcontext():
        for number in iter(pipe.recv, None):
            pipe.send(timed(mechanism, mechanism.cases[number], without))


def comparisons(mechanism):
    """Yield the cases of a mechanism, with what :func:`compare` returns."""
    if not mechanism.compiled_in:
        for case in mechanism.cases:
            yield case, compare(*(partial(timed, mechanism, case, off) for off in (False, True)))
        return
    with TemporaryDirectory() as cache:
        workers = Worker(mechanism, None), Worker(mechanism, cache)
        for number, case in enumerate(mechanism.cases):
            yield case, compare(*(partial(worker.run, number) for worker in workers))
        for worker in workers:
            worker.close()


def cells(seconds, scores):
    """Return medians, least times, their ratios and the scores."""
    medians, least = [list(map(summary, seconds)) for summary in (statistics.median, min)]
    times = [f"{1e3 * m:.1f} ({1e3 * s:.1f})" for m, s in zip(medians, least, strict=True)]
    ratios = f"{medians[1] / medians[0]:.2f} ({least[1] / least[0]:.2f})"
    return [*times, ratios, *(f"{score:.10g}" for score in scores)]


# Lines of code


def code_lines(path, names):
    """Return the lines of code of a file, or of what has some names: no comments or docstrings."""
    source = path.read_text()
    skipped = {getattr(tokenize, name) for name in ("COMMENT", "NL", "NEWLINE", "INDENT", "DEDENT")}
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skipped | {tokenize.ENDMARKER}:
            lines.update(range(token.start[0], token.end[0] + 1))
    tree = ast.parse(source)
    for node in ast.walk(tree):
        documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        if documented and ast.get_docstring(node, clean=False) is not None:
            lines -= span(node.body[0])
    if names:
        places = dict(definitions(tree))
        lines &= set.union(*(places[name] for name in names.split()))
    return len(lines)


def definitions(node, prefix=""):
    """Yield the names that a module or class defines, with their lines."""
    for part in node.body:
        if isinstance(part, (ast.FunctionDef, ast.ClassDef)):
            yield prefix + part.name, span(part)
            if isinstance(part, ast.ClassDef):
                yield from definitions(part, f"{part.name}.")
        elif isinstance(part, ast.Assign):
            names = [node.id for node in ast.walk(part) if isinstance(node, ast.Name)]
            for name in names:
                yield prefix + name, span(part)


def span(node):
    """Return the lines of a node, decorators included."""
    first = min([node.lineno, *(part.lineno for part in getattr(node, "decorator_list", []))])
    return set(range(first, node.end_lineno + 1))


if __name__ == "__main__":
    print(machine())
    print(
        "mechanism | files | lines of code | case | ms with, median (least) | ms without | "
        "without / with, medians (least) | objective with | objective without"
    )
    for mechanism in mechanisms():
        if all(word not in mechanism.name for word in sys.argv[1:] or [""]):
            continue
        lines = sum(code_lines(PACKAGE / path, names) for path, names in mechanism.code.items())
        head = [mechanism.name, ", ".join(mechanism.code), str(lines)]
        if mechanism.off is None:
            print(" | ".join([*head, "no time: nothing to measure"]), flush=True)
        for case, found in comparisons(mechanism):
            print(" | ".join([*head, case.name, *cells(*found)]), flush=True)
