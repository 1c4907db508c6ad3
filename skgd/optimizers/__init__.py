"""Update rules: gradient and memory in, step out.

An optimizer holds its hyper-parameters only; what it remembers lives outside it, in two arrays
shaped like the parameters. Elementwise rules (:class:`ElementwiseOptimizer`) serve batches of every
size. Whole-vector rules (:class:`BatchOptimizer`) look at the objective itself and need the full
batch; :class:`LBFGS` serves :func:`skgd.minimize` alone. A new optimizer is a frozen dataclass, in
the room of its family, plus one line in ``OPTIMIZERS``; the shared tests find it there.
"""

from skgd.optimizers._adaptive import AdaBelief, AdaGrad, Adam, AMSGrad, RMSprop
from skgd.optimizers._automatic import SVRG, ImplicitSGD
from skgd.optimizers._base import BatchOptimizer, ElementwiseOptimizer, Optimizer
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

#: Optimizers that find the length of each step themselves, and so take no rate.
SEARCHING = (ConjugateGradient, NewtonCG)

#: Optimizers that fits choose, never users: what they do depends on what else is left to the fit.
CHOSEN = (SVRG, ImplicitSGD)
