"""A search for the learning rate as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skgd.model_selection import RangeTest, learning_rate_range_test
from skgd.plotting._common import COLOURS, axes_or_new, merged

if TYPE_CHECKING:
    from skgd._utils.typing import ArrayLike, MatrixLike, Options


class LearningRateDisplay:
    """The objective after short fits against their learning rates.

    Make it with :meth:`from_estimator`, or from what :func:`learning_rate_range_test` found.

    Parameters
    ----------
    found : RangeTest
        Rates, objectives, the largest stable rate and the suggested one.

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
        """Run :func:`learning_rate_range_test` and draw what it finds.

        Parameters
        ----------
        estimator : estimator
            A regressor of skgd, or a pipeline that ends in one; it is not changed and need not be
            fitted.
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        rates : array-like of shape (n_rates,), default=None
            The rates to try; the default finds them.
        max_iter : int, default=None
            Epochs of each trial.
        ax : matplotlib Axes, default=None
            Where to draw; the default is a new figure.
        **plot_params
            Further parameters of :meth:`plot`.

        Returns
        -------
        LearningRateDisplay
        """
        found = learning_rate_range_test(
            estimator, X, y, sample_weight=sample_weight, rates=rates, max_iter=max_iter
        )
        return cls(found).plot(ax, **plot_params)

    def plot(self, ax: Any = None, *, line_kw: Options = None) -> Self:
        """Draw the curve, with the start, the largest stable rate and the suggested one.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; the default is a new figure.
        line_kw : dict, default=None
            Further options of matplotlib's ``plot`` for the curve.

        Returns
        -------
        self
        """
        found = self.found
        self.ax_ = ax = axes_or_new(ax)
        self.figure_ = ax.figure
        defaults = {
            "color": COLOURS[0],
            "marker": ".",
            "markersize": 5,
            "label": "after a short fit",
        }
        shown = np.where(np.isfinite(found.objective), found.objective, np.nan)
        (self.line_,) = ax.plot(found.learning_rate, shown, **merged(defaults, line_kw))
        ax.axhline(found.start, color="0.5", linewidth=1, linestyle=":", label="start")
        ax.axvline(
            found.suggestion,
            color=COLOURS[2],
            label=f"suggestion {found.suggestion:.3g}",
        )
        ax.axvline(
            found.largest_stable,
            color=COLOURS[1],
            linestyle="--",
            label=f"largest stable {found.largest_stable:.3g}",
        )
        if found.learning_rate[-1] > found.largest_stable:
            ax.axvspan(
                found.largest_stable,
                found.learning_rate[-1],
                color=COLOURS[1],
                alpha=0.12,
                linewidth=0,
                label="objective rises",
            )
        low = np.nanmin(shown)
        room = 0.08 * (found.start - low) or 1.0
        ax.set(
            xscale="log",
            xlabel="learning rate",
            ylabel="objective after a short fit",
            ylim=(low - room, found.start + 2 * room),
        )
        ax.grid(alpha=0.3)
        ax.legend()
        return self
