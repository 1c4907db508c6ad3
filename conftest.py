"""Do not collect the compiled loops where Numba is not installed."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("numba") else ["skgd/solvers/compiled/*"]
