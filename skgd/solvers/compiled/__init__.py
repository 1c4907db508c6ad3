"""Epochs of stochastic updates as loops over rows, compiled by Numba.

Nothing here is imported before a fit needs it, and only if Numba is installed. The formulas of
losses, step rules and optimizers are not repeated here:
:mod:`skgd.solvers.compiled.component_methods` compiles the components' own methods into the loops.
"""
