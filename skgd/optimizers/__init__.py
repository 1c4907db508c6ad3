"""Optimizers: from a gradient and a state to a step and a new state.

An optimizer holds its hyper-parameters only; its state, a tuple of arrays, is passed to it and
returned. Elementwise optimizers (:class:`ElementwiseOptimizer`) serve batches of every size. Others
(:class:`BatchOptimizer`) need the gradient of the full batch; :class:`LBFGS` is for
:func:`skgd.minimize` only. A new optimizer is a frozen dataclass, in the file of its family, and
one line in ``OPTIMIZERS``, which the shared tests read.
"""

from skgd.optimizers._adaptive import AdaBelief, AdaGrad, Adam, AMSGrad, RMSprop
from skgd.optimizers._automatic import SVRG, ImplicitSGD
from skgd.optimizers._base import BatchOptimizer, ElementwiseOptimizer, Optimizer
from skgd.optimizers._base import check_update as check_update
from skgd.optimizers._base import init_optimizer_state as init_optimizer_state
from skgd.optimizers._base import inner as inner
from skgd.optimizers._full_batch import Accelerated, ConjugateGradient, NewtonCG
from skgd.optimizers._momentum import GD, Lion, Momentum, Nesterov
from skgd.optimizers._quasi_newton import LBFGS

#: Former names.
Snapshot, Implicit = SVRG, ImplicitSGD

__all__ = [
    "GD",
    "LBFGS",
    "SVRG",
    "AMSGrad",
    "Accelerated",
    "AdaBelief",
    "AdaGrad",
    "Adam",
    "BatchOptimizer",
    "ConjugateGradient",
    "ElementwiseOptimizer",
    "ImplicitSGD",
    "Lion",
    "Momentum",
    "Nesterov",
    "NewtonCG",
    "Optimizer",
    "RMSprop",
]

#: Optimizers by the names that estimators accept.
OPTIMIZERS = {
    "gd": GD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": AdaGrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "amsgrad": AMSGrad,
    "adabelief": AdaBelief,
    "lion": Lion,
    "cg": ConjugateGradient,
    "accelerated": Accelerated,
    "newton_cg": NewtonCG,
}

#: Optimizers that search for the length of each step, and so accept no learning rate.
SEARCHING = (ConjugateGradient, NewtonCG)

#: Optimizers that only ``"auto"`` chooses: they depend on the other automatic choices of a fit.
CHOSEN = (SVRG, ImplicitSGD)
