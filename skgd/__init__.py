"""Gradient-descent regressors with the scikit-learn API: batch, mini-batch and stochastic."""

import sys

from skgd import exceptions, losses, optimizers, penalties, schedules, step_rules
from skgd._utils.saving import list_components, list_type_names
from skgd._utils.versions import show_versions
from skgd.callbacks import EarlyStopping
from skgd.minimization import approx_gradient, check_gradient, maximize, minimize
from skgd.model_selection import learning_rate_range_test
from skgd.plotting import (
    ConvergenceDisplay,
    DescentPathDisplay,
    LearningRateDisplay,
    ScheduleDisplay,
    SearchDisplay,
)
from skgd.regressors import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor, onnx

sys.modules["skgd.onnx"] = onnx  # `import skgd.onnx` works, as `import os.path` does

__version__ = "0.1.0.dev0"

#: Public modules that are not imported by ``from skgd import *``.
_MODULES = ["callbacks", "model_selection", "plotting"]

#: Names of the classes in files of fitted models: ``skops.io.load(file, trusted=TRUSTED_TYPES)``.
TRUSTED_TYPES: list[str] = list_type_names(
    [
        BatchGDRegressor,
        MiniBatchGDRegressor,
        SGDRegressor,
        *list_components(losses, penalties, schedules, step_rules, optimizers),
    ]
)

__all__ = [
    "TRUSTED_TYPES",
    "BatchGDRegressor",
    "ConvergenceDisplay",
    "DescentPathDisplay",
    "EarlyStopping",
    "LearningRateDisplay",
    "MiniBatchGDRegressor",
    "SGDRegressor",
    "ScheduleDisplay",
    "SearchDisplay",
    "approx_gradient",
    "check_gradient",
    "exceptions",
    "learning_rate_range_test",
    "losses",
    "maximize",
    "minimize",
    "onnx",
    "optimizers",
    "penalties",
    "schedules",
    "show_versions",
    "step_rules",
]


def __dir__() -> list[str]:
    """Return the public names, without the internal packages."""
    return sorted(
        [*__all__, *_MODULES, "__doc__", "__file__", "__name__", "__path__", "__version__"]
    )
