"""Curves of learning-rate schedules."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skgd import schedules, step_rules
from skgd._utils.validation import check_integer, check_real, raise_invalid
from skgd.plotting._axes import curve_indices, curve_style, get_axes, has_wide_range
from skgd.plotting._inputs import get_regressor, name_items
from skgd.plotting._thinning import thin_curve
from skgd.regressors._config import parse_learning_rate

if TYPE_CHECKING:
    from skgd._utils.typing import Names, Options


class ScheduleDisplay:
    """Learning rates of schedules by epoch.

    Use :meth:`from_schedule` to create it from schedules, or :meth:`from_estimator` from fitted
    models. The rates that a fit actually used, including line searches and reductions, are shown by
    ``ConvergenceDisplay.from_estimator(model, columns="learning_rate")``.

    Parameters
    ----------
    curves : dict of tuples of arrays
        Epochs and learning rates, two arrays of shape (n_updates,), by name.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The panel.
    figure_ : matplotlib Figure
        The figure.
    lines_ : list of Line2D
        The curves.

    Examples
    --------
    >>> from skgd import ScheduleDisplay, schedules
    >>> rates = [schedules.CosineDecay(eta0=0.1), "invscaling", lambda t: 0.1 / t]
    >>> display = ScheduleDisplay.from_schedule(rates, max_iter=20, updates_per_epoch=10)
    >>> [line.get_label() for line in display.lines_]
    ['CosineDecay(eta0=0.1)', 'InverseScaling', 'function']
    """

    def __init__(self, curves: dict[str, Any]) -> None:
        self.curves = curves
        self._curve_indices: dict[str, int] = {}  # by position unless from_estimator sets them

    @classmethod
    def from_schedule(
        cls,
        schedule: Any,
        *,
        names: Names = None,
        max_iter: int = 50,
        updates_per_epoch: int = 1,
        alpha: float = 0.0,
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Plot schedules.

        Parameters
        ----------
        schedule : Schedule, float, str, callable, or list or dict of these
            Any value of the parameter ``learning_rate`` except "auto", which depends on the data.
        names : str or list of str, default=None
            Names for the legend.
        max_iter : int, default=50
            Number of epochs, at least 1.
        updates_per_epoch : int, default=1
            Number of updates in an epoch, at least 1.
        alpha : float, default=0.0
            Strength of the penalty, used by ``Optimal``; in [0, inf).
        ax : matplotlib Axes, default=None
            The Axes to plot on; by default, those of a new figure.
        **plot_params
            Further parameters of :meth:`plot`.

        Returns
        -------
        ScheduleDisplay

        Raises
        ------
        ValueError
            If a parameter is invalid, or the rate depends on the data or on the objective.
        """
        check_integer("max_iter", max_iter, low=1)
        check_integer("updates_per_epoch", updates_per_epoch, low=1)
        check_real("alpha", alpha, low=0)
        schedules_by_name = name_items(
            schedule, names, default_name=lambda rate: format_schedule(resolve_schedule(rate))
        )
        fit = {"alpha": alpha, "updates_per_epoch": updates_per_epoch, "max_iter": max_iter}
        curves = {
            name: build_curve(rate, max_iter, **fit) for name, rate in schedules_by_name.items()
        }
        return cls(curves).plot(ax, **plot_params)

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, names: Names = None, ax: Any = None, **plot_params: Any
    ) -> Self:
        """Plot the schedules of fitted models, including those that "auto" selected.

        Parameters
        ----------
        estimator : estimator, list or dict of estimators
            Fitted regressors of skgd, or pipelines or searches that end in one.
        names : str or list of str, default=None
            Names for the legend.
        ax : matplotlib Axes, default=None
            The Axes to plot on; by default, those of a new figure.
        **plot_params
            Further parameters of :meth:`plot`.

        Returns
        -------
        ScheduleDisplay
        """
        estimators = name_items(estimator, names)
        models = {name: get_regressor(fitted) for name, fitted in estimators.items()}
        curves = {}
        for name, model in models.items():
            updates_per_epoch = max(1, round((model.t_ - 1) / max(model.n_iter_, 1)))
            fit = {"updates_per_epoch": updates_per_epoch, "max_iter": model.max_iter}
            fit["alpha"] = getattr(model.penalty_, "alpha", 0.0)
            curves[name] = build_curve(model.schedule_, model.n_iter_, **fit)
        display = cls(curves)
        display._curve_indices = curve_indices(models)
        return display.plot(ax, **plot_params)

    def plot(self, ax: Any = None, *, yscale: str | None = None, line_kw: Options = None) -> Self:
        """Plot the learning rates.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The Axes to plot on; by default, those of a new figure.
        yscale : {"linear", "log"}, default=None
            Scale of the vertical axis; by default logarithmic if the rates span more than a factor
            of 20.
        line_kw : dict, default=None
            Keyword arguments of matplotlib's ``plot`` for the curves.

        Returns
        -------
        self
        """
        self.ax_ = get_axes(ax)
        self.figure_ = self.ax_.figure
        self.lines_ = []
        for position, (name, (epochs, rates)) in enumerate(self.curves.items()):
            style = curve_style(self._curve_indices.get(name, position))
            style = {"label": name, **style, **(line_kw or {})}
            self.lines_ += self.ax_.plot(*thin_curve(epochs, rates), **style)
        all_rates = np.concatenate([rates for _, rates in self.curves.values()])
        self.ax_.set(xlabel="epoch", ylabel="learning rate")
        self.ax_.set_yscale(yscale or ("log" if has_wide_range(all_rates) else "linear"))
        self.ax_.grid(alpha=0.3)
        self.ax_.legend()
        return self


def build_curve(rate, n_epochs, *, updates_per_epoch, **fit):
    """Return the epochs and the rates at every update of a fit."""
    updates = np.arange(1, n_epochs * updates_per_epoch + 1)
    rate_at = resolve_schedule(rate).resolve(updates_per_epoch=updates_per_epoch, **fit)
    return updates / updates_per_epoch, rate_at(updates)


def resolve_schedule(rate):
    """Return the schedule of a learning rate; raise an error if it depends on more than time."""
    schedule = parse_learning_rate(rate)
    if schedule is None or isinstance(schedule, step_rules.StepRule):
        hint = (
            "After a fit, ConvergenceDisplay.from_estimator(model, columns='learning_rate') shows "
            "the rates that were used."
        )
        raise_invalid("schedule", rate, "a learning rate that depends on time alone", hint)
    return schedule


def format_schedule(schedule):
    """Return the name of a schedule and its parameters that differ from their defaults."""
    if isinstance(schedule, schedules.FromCallable):
        name = getattr(schedule.function, "__name__", "function")
        return "function" if name == "<lambda>" else name
    changed = [
        f"{field.name}={getattr(schedule, field.name)!r}"
        for field in fields(schedule)
        if getattr(schedule, field.name) != field.default
    ]
    name = type(schedule).__name__
    return f"{name}({', '.join(changed)})" if changed else name
