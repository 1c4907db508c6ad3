"""Plot of a learning-rate range test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skgd.model_selection import RangeTest, learning_rate_range_test
from skgd.plotting._axes import curve_style, get_axes, regressor_index

if TYPE_CHECKING:
    from skgd._utils.typing import ArrayLike, MatrixLike, Options


class LearningRateDisplay:
    """The objective after short fits by their learning rate.

    Use :meth:`from_estimator` to create it, or pass the result of
    :func:`learning_rate_range_test`.

    Parameters
    ----------
    found : RangeTest
        Result of the range test: rates, objectives, the largest stable rate and the suggested one.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The panel.
    figure_ : matplotlib Figure
        The figure.
    line_ : Line2D
        The curve.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import LearningRateDisplay, MiniBatchGDRegressor
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> display = LearningRateDisplay.from_estimator(MiniBatchGDRegressor(), X, y)
    >>> display.found.suggestion < display.found.largest_stable
    True
    """

    def __init__(self, found: RangeTest) -> None:
        self.found = found
        self._curve_index = 0  # that of the regressor if from_estimator creates the Display

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: MatrixLike,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        rates: ArrayLike | None = None,
        max_iter: int | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Run :func:`learning_rate_range_test` and plot its result.

        Parameters
        ----------
        estimator : estimator
            A regressor of skgd, or a pipeline that ends in one; it is not modified and need not be
            fitted.
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Target values.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.
        rates : array-like of shape (n_rates,), default=None
            The rates to try; by default, a range around the largest stable one.
        max_iter : int, default=None
            Number of epochs of each trial.
        ax : matplotlib Axes, default=None
            The Axes to plot on; by default, those of a new figure.
        **plot_params
            Further parameters of :meth:`plot`.

        Returns
        -------
        LearningRateDisplay
        """
        result = learning_rate_range_test(
            estimator, X, y, sample_weight=sample_weight, rates=rates, max_iter=max_iter
        )
        display = cls(result)
        regressor = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
        display._curve_index = regressor_index(regressor)
        return display.plot(ax, **plot_params)

    def plot(self, ax: Any = None, *, line_kw: Options = None) -> Self:
        """Plot the curve, the initial objective, the largest stable and the suggested rate.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The Axes to plot on; by default, those of a new figure.
        line_kw : dict, default=None
            Keyword arguments of matplotlib's ``plot`` for the curve.

        Returns
        -------
        self
        """
        result = self.found
        self.ax_ = ax = get_axes(ax)
        self.figure_ = ax.figure
        style = {"marker": ".", "markersize": 5, "label": "after a short fit"}
        style |= curve_style(self._curve_index) | (line_kw or {})
        objective = np.where(np.isfinite(result.objective), result.objective, np.nan)
        (self.line_,) = ax.plot(result.learning_rate, objective, **style)
        ax.axhline(result.start, color="0.5", linewidth=1, linestyle=":", label="start")
        suggestion, largest_stable = result.suggestion, result.largest_stable
        ax.axvline(suggestion, color="0.5", label=f"suggestion {suggestion:.3g}")
        label = f"largest stable {largest_stable:.3g}"
        ax.axvline(largest_stable, color="0.5", linestyle="--", label=label)
        if result.learning_rate[-1] > largest_stable:
            style = {"color": "0.5", "alpha": 0.2, "linewidth": 0}
            unstable = largest_stable, result.learning_rate[-1]
            ax.axvspan(*unstable, label="objective increases", **style)
        lowest = np.nanmin(objective)
        margin = 0.08 * (result.start - lowest) or 1.0
        ax.set(xscale="log", xlabel="learning rate", ylabel="objective after a short fit")
        ax.set_ylim(lowest - margin, result.start + 2 * margin)
        ax.grid(alpha=0.3)
        ax.legend()
        return self
