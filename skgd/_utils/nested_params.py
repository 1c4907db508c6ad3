"""Estimators that hold pieces: parameters that reach into them."""

from typing import Any, Self

from sklearn.base import BaseEstimator

from skgd._utils.component import Component
from skgd._utils.validation import InvalidParameterError


class BaseComponentEstimator(BaseEstimator):
    """Base of estimators whose parameters may be pieces."""

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the estimator, or of the pieces that it holds.

        A piece is immutable: ``learning_rate__eta0=0.1`` puts a changed copy into
        ``learning_rate`` and leaves the object that was there as it is.

        Parameters
        ----------
        **params
            Values by name; ``piece__parameter`` reaches into a piece. Whole objects are set first.

        Returns
        -------
        self
        """
        plain = {name: value for name, value in params.items() if "__" not in name}
        super().set_params(**plain)
        for name, value in params.items():
            holder, _, inner = name.partition("__")
            if inner:
                super().set_params(
                    **{holder: self._held_component(holder, name).replace(**{inner: value})}
                )
        return self

    def _held_component(self, holder, name):
        known = self.get_params(deep=False)
        if holder not in known:
            listing = ", ".join(known)
            raise InvalidParameterError(
                f"{name} reaches into {holder!r}, which is no parameter of {type(self).__name__}; "
                f"it has: {listing}."
            )
        if not isinstance(known[holder], Component):
            raise InvalidParameterError(
                f"{name} reaches into an object, but {holder}={known[holder]!r} is none. Give an "
                f"object for {holder}, or set the flat parameter instead."
            )
        return known[holder]
