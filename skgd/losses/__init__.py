"""Loss functions of a prediction and a target, with their derivatives.

Each class defines one loss ``value(p, y)`` of the linear predictor ``p = x @ coef + intercept`` and
the target ``y``; both may be arrays or scalars. For a model with a link function,
:meth:`Loss.inverse_link` maps ``p`` to the prediction. To add a loss, define a frozen dataclass
that derives from :class:`Loss` in the module of related losses and add one line to ``LOSSES``; the
shared tests run over this registry.
"""

from skgd.losses._base import Loss
from skgd.losses._base import intercept_with_offset as intercept_with_offset
from skgd.losses._base import weighted_quantile as weighted_quantile
from skgd.losses._log_link import Gamma, InverseGaussian, Poisson, Tweedie
from skgd.losses._logit_link import Binomial
from skgd.losses._nonsmooth import AbsoluteError, EpsilonInsensitive, Quantile
from skgd.losses._nonsmooth import MoreauEnvelope as MoreauEnvelope
from skgd.losses._smooth import Huber, LogCosh, SquaredEpsilonInsensitive, SquaredError

__all__ = [
    "AbsoluteError",
    "Binomial",
    "EpsilonInsensitive",
    "Gamma",
    "Huber",
    "InverseGaussian",
    "LogCosh",
    "Loss",
    "Poisson",
    "Quantile",
    "SquaredEpsilonInsensitive",
    "SquaredError",
    "Tweedie",
]

#: Loss classes by the names that estimators accept.
LOSSES = {
    "squared_error": SquaredError,
    "huber": Huber,
    "epsilon_insensitive": EpsilonInsensitive,
    "squared_epsilon_insensitive": SquaredEpsilonInsensitive,
    "absolute_error": AbsoluteError,
    "quantile": Quantile,
    "log_cosh": LogCosh,
    "poisson": Poisson,
    "gamma": Gamma,
    "inverse_gaussian": InverseGaussian,
    "tweedie": Tweedie,
    "binomial": Binomial,
}
