"""Pointwise losses: value, slope and curvature bound as functions of the prediction.

Each class holds one formula of a prediction ``p`` (the linear predictor ``x @ coef + intercept``)
and a target ``y``; both may be arrays or scalars. Where the model is of a function of the mean, the
link, :meth:`Loss.inverse_link` leads back from ``p``. A new loss is a frozen dataclass deriving
from :class:`Loss`, in the room of its kin, plus one line in ``LOSSES``; the shared tests find it
there.
"""

from skgd.losses._base import Loss
from skgd.losses._base import weighted_quantile as weighted_quantile
from skgd.losses._log_link import Gamma, Poisson
from skgd.losses._nonsmooth import AbsoluteError, EpsilonInsensitive, Quantile
from skgd.losses._nonsmooth import MoreauEnvelope as MoreauEnvelope
from skgd.losses._smooth import Huber, LogCosh, SquaredEpsilonInsensitive, SquaredError

__all__ = [
    "AbsoluteError",
    "EpsilonInsensitive",
    "Gamma",
    "Huber",
    "LogCosh",
    "Loss",
    "Poisson",
    "Quantile",
    "SquaredEpsilonInsensitive",
    "SquaredError",
]

#: Losses by the names that estimators accept.
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
}
