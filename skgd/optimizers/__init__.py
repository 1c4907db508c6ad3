"""Optimizers: from a gradient and a state to a step and a new state.

An optimizer holds its hyper-parameters only; its state, a tuple of arrays, is passed to it and
returned. Elementwise optimizers (:class:`ElementwiseOptimizer`) serve batches of every size. Others
(:class:`BatchOptimizer`) need the gradient of the full batch; :class:`LBFGS` is for
:func:`skgd.minimize` only. To add an optimizer, define a class in the module of its family,
decorated with ``@component(name=...)``, and add it to ``__all__`` there; the shared tests run over
the registry ``OPTIMIZERS``.
"""

from skgd.optimizers._base import *
from skgd.optimizers._base import Optimizer
from skgd.optimizers._base import check_update as check_update
from skgd.optimizers._base import init_optimizer_state as init_optimizer_state
from skgd.optimizers._base import inner as inner
from skgd.optimizers._momentum import *
from skgd.optimizers._adaptive import *
from skgd.optimizers._full_batch import *
from skgd.optimizers._quasi_newton import *
from skgd.optimizers._automatic import SVRG, ImplicitSGD, StreamingNewton
from skgd.optimizers import _adaptive, _automatic, _base, _full_batch, _momentum, _quasi_newton

__all__ = _base.__all__ + _momentum.__all__ + _adaptive.__all__ + _full_batch.__all__
__all__ += _quasi_newton.__all__ + _automatic.__all__

#: Optimizer classes by the names that estimators accept, in the order of their definition.
OPTIMIZERS = Optimizer.registry

#: Optimizers that only ``"auto"`` chooses: they depend on the other automatic choices of a fit.
CHOSEN = (SVRG, ImplicitSGD, StreamingNewton)

#: Former names.
Snapshot, Implicit = SVRG, ImplicitSGD
