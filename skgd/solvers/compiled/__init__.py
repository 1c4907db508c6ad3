"""Epochs of stochastic updates as compiled loops over rows.

Nothing here is imported before a fit needs it, and only where Numba is installed. The formulas are
those of the pieces: :mod:`skgd.solvers.compiled.formulas` compiles their methods into the loops.
"""
