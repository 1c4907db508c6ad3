"""How far automatic full-batch fits are from certified optima, on 20 kinds of difficult data.

Run ``python benchmarks/exactness.py``: a sample of cases in which each pair of loss, penalty, kind
of data, dense or sparse rows, weights, intercept and ``standardize`` occurs. An excess is the
objective less its minimum, in units of the loss of the best constant, which is zero in a model
without an intercept; minima are those of ``reference.py``, with a bound on their error. They are
kept in ``benchmarks/.references``, because all of them take hours. Some options:

    --sample 50 --seed 1     other cases, or fewer
    --loss huber             cases of a loss, or of several; the same for --penalty and --kind
    --all                    all cases
    --case CASE              one case, by its name in the list of the worst
    times                    times of fits beside other libraries, at --sizes small medium large
    path                     times of a path of l1 strengths beside lasso_path
"""

import argparse
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # measure this checkout, not what is installed

from exactness_cases import CASES, FACTORS, LOSSES, PENALTIES, Case, is_available, run, spread_out
from exactness_data import SIZES
from exactness_times import path, times
from measure import machine

#: Cases of a sample; enough for all pairs.
SAMPLE = 200

#: Seconds after which a fit is given up, and cases that are listed.
LIMIT, WORST = 10, 20


def chosen_cases(options):
    """Return the cases that the options ask for."""
    if options.case:
        case = tuple(options.case.split("/"))
        if case not in CASES:
            raise SystemExit(f"{options.case} is not a case: give one level of each of {FACTORS}")
        return [Case(*case)]
    wanted = {name: getattr(options, name) or levels for name, levels in FACTORS.items()}
    cases = [case for case in CASES if all(getattr(case, name) in wanted[name] for name in wanted)]
    ordered = spread_out(cases, options.seed)
    return list(ordered if options.all else islice(ordered, options.sample))


def describe(result):
    """Return a line on a result."""
    told = result.warning and f"  {result.warning}"
    return (
        f"  {result.excess:9.1e} ± {result.gap:.0e}  (rounded optimum {result.rounding:7.0e})"
        f" {result.seconds:7.3f} s {result.iterations:6d} updates  --case {'/'.join(result.case)}"
        f"{told}"
    )


def kinds_of(result):
    """Yield the columns of the table in which a result counts."""
    yield "cases"
    if result.failed:
        yield "failed"
        return
    if result.is_within:
        yield "within"
    if result.warning:
        yield "warned"
        if result.is_within:
            yield "warned, within"
    elif not result.is_within:
        yield "silently out"


COLUMNS = ("cases", "within", "warned", "warned, within", "silently out", "failed")


def print_row(name, results):
    """Print the counts of some results."""
    counts = Counter(kind for result in results for kind in kinds_of(result))
    slowest = max(result.seconds for result in results)
    cells = "".join(f"{counts[column]:>{len(column) + 2}}" for column in COLUMNS)
    print(f"{name:42}{cells}{slowest:10.2f} s")


def grid(options):
    """Print what the fits of some cases reach."""
    cases = chosen_cases(options)
    print(f"{len(cases)} of {len(CASES)} cases")
    missing = [case for case in cases if not is_available(case.penalty)]
    if missing:
        print(f"{len(missing)} cases left out: the regressor has no parameter positive")
    results = []
    for case in cases:
        if case not in missing:
            results.append(run(case, options.limit))
            if options.case or not results[-1].is_within or results[-1].warning:
                print(describe(results[-1]), flush=True)
    if results and not options.case:
        print_tables(results)


def print_tables(results):
    """Print the counts by loss and penalty, and the worst cases."""
    print(f"\n{'':42}" + "".join(f"  {column}" for column in COLUMNS) + "     slowest")
    for loss in LOSSES:
        for penalty in PENALTIES:
            some = [r for r in results if (r.case.loss, r.case.penalty) == (loss, penalty)]
            if some:
                print_row(f"{loss}, {penalty}", some)
    print_row("all", results)
    for name in ("kind", "rows", "weights", "intercept", "columns"):
        for level in FACTORS[name]:
            some = [r for r in results if getattr(r.case, name) == level]
            if some:
                print_row(level, some)
    wrong = [r for r in results if not r.is_within]
    least, gap = min(r.excess for r in results), max(r.gap for r in results)
    print(f"\nsmallest excess {least:.1e}, largest bound on the error of an excess {gap:.1e}")
    print(f"{len(wrong)} cases are not within; the worst of them")
    for result in sorted(wrong, key=lambda r: -r.excess)[:WORST]:
        print(describe(result))


PARTS = {"grid": grid, "times": times, "path": path}


def main():
    """Run the parts that the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in FACTORS:
        parser.add_argument(f"--{name}", nargs="+", choices=FACTORS[name], metavar=name.upper())
    parser.add_argument("--sample", type=int, default=SAMPLE)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--case")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds of a fit")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[], metavar="PART")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["small", "medium"])
    options = parser.parse_args()
    print(machine())
    for part in options.parts or (["grid"] if len(sys.argv) > 1 else PARTS):
        PARTS[part](options)


if __name__ == "__main__":
    main()
