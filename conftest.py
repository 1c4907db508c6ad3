"""What pytest leaves alone: compiled loops, where there is nothing to compile them with."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("numba") else ["skgd/solvers/compiled/*"]
