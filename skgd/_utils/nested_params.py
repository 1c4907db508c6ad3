"""Base class of estimators whose parameters can be components."""

from typing import Any, Self

from sklearn.base import BaseEstimator

from skgd._utils.component import Component
from skgd._utils.validation import InvalidParameterError


class BaseComponentEstimator(BaseEstimator):
    """Base class of estimators with nested parameters such as ``learning_rate__eta0``."""

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the estimator or of its components.

        Components are immutable: ``learning_rate__eta0=0.1`` replaces the object in
        ``learning_rate`` by a changed copy and does not modify the object itself.

        Parameters
        ----------
        **params
            Values by name; ``name__parameter`` sets a parameter of the component that is stored in
            the parameter ``name``. Names without ``__`` are set first.

        Returns
        -------
        self
        """
        super().set_params(**{name: value for name, value in params.items() if "__" not in name})
        for key, value in params.items():
            name, _, nested_key = key.partition("__")
            if nested_key:
                component = self._get_component(name, key).replace(**{nested_key: value})
                super().set_params(**{name: component})
        return self

    def _get_component(self, name, key):
        """Return the component in the parameter `name`; `key` is the full nested name."""
        params = self.get_params(deep=False)
        if name not in params:
            raise InvalidParameterError(
                f"{key} refers to {name!r}, which is not a parameter of {type(self).__name__}. "
                f"Its parameters are: {', '.join(params)}."
            )
        if not isinstance(params[name], Component):
            raise InvalidParameterError(
                f"{key} sets a parameter of the object in {name!r}, but {name}={params[name]!r} "
                f"is not a component. Set {name} to an object first, or set the estimator's own "
                "parameter instead."
            )
        return params[name]
