"""Loss functions of a prediction and a target, with their derivatives.

Each class defines one loss ``value(p, y)`` of the linear predictor ``p = x @ coef + intercept`` and
the target ``y``; both may be arrays or scalars. For a model with a link function,
:meth:`Loss.inverse_link` maps ``p`` to the prediction. To add a loss, define a class that derives
from :class:`Loss` in the module of related losses, decorated with ``@component(name=...)``, and add
it to ``__all__`` there; the shared tests run over the registry ``LOSSES``.
"""

from skgd.losses._base import Loss
from skgd.losses._base import intercept_with_offset as intercept_with_offset
from skgd.losses._base import weighted_quantile as weighted_quantile
from skgd.losses._smooth import *
from skgd.losses._nonsmooth import *
from skgd.losses._nonsmooth import MoreauEnvelope as MoreauEnvelope
from skgd.losses._log_link import *
from skgd.losses._logit_link import *
from skgd.losses import _log_link, _logit_link, _nonsmooth, _smooth

__all__ = ["Loss", *_smooth.__all__, *_nonsmooth.__all__, *_log_link.__all__, *_logit_link.__all__]

#: Loss classes by the names that estimators accept, in the order of their definition.
LOSSES = Loss.registry
