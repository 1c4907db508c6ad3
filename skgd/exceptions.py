"""Errors that fits raise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skgd._utils.typing import Array

__all__ = ["DivergenceError"]


class DivergenceError(ValueError):
    """A fit diverged, since its learning rate is too large.

    Parameters
    ----------
    message : str
        Text of the error.
    epoch : int, default=None
        Epoch at which the divergence was detected, from 1.
    learning_rate : float, default=None
        Learning rate of the last update of that epoch.
    largest_stable_rate : float or None, default=None
        Estimate of the largest learning rate at which the fit does not diverge; None if it is
        unknown.

    Attributes
    ----------
    epoch, learning_rate, largest_stable_rate : int, float, float
        The parameters.
    history : dict of arrays
        ``history_`` of the fit, up to the divergence.
    path : dict of arrays or None
        ``path_`` of the fit, up to the divergence, with ``record="path"``.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import BatchGDRegressor
    >>> from skgd.exceptions import DivergenceError
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> try:
    ...     BatchGDRegressor(learning_rate=1.0).fit(X, y)
    ... except DivergenceError as error:
    ...     print(error.epoch, error.learning_rate, round(error.largest_stable_rate, 2))
    ...     model = BatchGDRegressor(learning_rate=error.largest_stable_rate / 2).fit(X, y)
    6 1.0 0.5
    >>> model.converged_
    True
    """

    def __init__(
        self,
        message: str,
        *,
        epoch: int | None = None,
        learning_rate: float | None = None,
        largest_stable_rate: float | None = None,
    ) -> None:
        super().__init__(message)
        self.epoch = epoch
        self.learning_rate = learning_rate
        self.largest_stable_rate = largest_stable_rate
        self.history: dict[str, Array] = {}
        self.path: dict[str, Array] | None = None
