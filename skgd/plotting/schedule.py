"""Learning-rate schedules over time."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skgd import schedules, step_rules
from skgd._utils.validation import check_integer, check_real, raise_invalid
from skgd.plotting._common import axes_or_new, descender, merged, named, style, thinned, wide
from skgd.regressors._config import schedule_of

if TYPE_CHECKING:
    from skgd._utils.typing import Names, Options


class ScheduleDisplay:
    """Learning rates over the epochs of a run.

    Make it with :meth:`from_schedule`, or with :meth:`from_estimator` from fitted models. The rates
    that a fit really took, line searches and back-offs included, are shown by
    ``ConvergenceDisplay.from_estimator(model, columns="learning_rate")``.

    Parameters
    ----------
    curves : dict of tuples of arrays
        Epochs and rates by name.

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
        """Draw schedules over a run.

        Parameters
        ----------
        schedule : Schedule, float, str, callable, or list or dict of these
            Whatever ``learning_rate`` takes, but "auto", which depends on the data.
        names : str or list of str, default=None
            Names for the legend.
        max_iter : int, default=50
            Epochs of the run, at least 1.
        updates_per_epoch : int, default=1
            Updates in an epoch, at least 1.
        alpha : float, default=0.0
            Strength of the penalty, which ``Optimal`` reads; in [0, inf).
        ax : matplotlib Axes, default=None
            Where to draw; the default is a new figure.
        **plot_params
            Further parameters of :meth:`plot`.

        Returns
        -------
        ScheduleDisplay

        Raises
        ------
        ValueError
            If a parameter is out of its range, or the rate depends on rows or on the objective.
        """
        check_integer("max_iter", max_iter, low=1)
        check_integer("updates_per_epoch", updates_per_epoch, low=1)
        check_real("alpha", alpha, low=0)
        asked = named(schedule, names, name_of=lambda rate: short_name(timed(rate)))
        updates = np.arange(1, max_iter * updates_per_epoch + 1)
        run = {"alpha": alpha, "updates_per_epoch": updates_per_epoch, "max_iter": max_iter}
        curves = {
            name: (updates / updates_per_epoch, timed(rate).resolve(**run)(updates))
            for name, rate in asked.items()
        }
        return cls(curves).plot(ax, **plot_params)

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, names: Names = None, ax: Any = None, **plot_params: Any
    ) -> Self:
        """Draw the schedules that fitted models followed, "auto" ones that have one included.

        Parameters
        ----------
        estimator : estimator, list or dict of estimators
            Fitted regressors of skgd, or pipelines or searches that end in one.
        names : str or list of str, default=None
            Names for the legend.
        ax : matplotlib Axes, default=None
            Where to draw; the default is a new figure.
        **plot_params
            Further parameters of :meth:`plot`.

        Returns
        -------
        ScheduleDisplay
        """
        curves = {}
        for name, model in named(estimator, names).items():
            model = descender(model)
            per_epoch = max(1, round((model.t_ - 1) / max(model.n_iter_, 1)))
            updates = np.arange(1, model.n_iter_ * per_epoch + 1)
            rates = timed(model.schedule_).resolve(
                alpha=getattr(model.penalty_, "alpha", 0.0),
                updates_per_epoch=per_epoch,
                max_iter=model.max_iter,
            )
            curves[name] = updates / per_epoch, rates(updates)
        return cls(curves).plot(ax, **plot_params)

    def plot(self, ax: Any = None, *, yscale: str | None = None, line_kw: Options = None) -> Self:
        """Draw the rates.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; the default is a new figure.
        yscale : {"linear", "log"}, default=None
            Scale of the rates; by default logarithmic where they spread over more than a factor of
            20.
        line_kw : dict, default=None
            Further options of matplotlib's ``plot`` for the curves.

        Returns
        -------
        self
        """
        self.ax_ = axes_or_new(ax)
        self.figure_ = self.ax_.figure
        self.lines_ = [
            self.ax_.plot(*thinned(x, y), **merged({"label": name, **style(i)}, line_kw))[0]
            for i, (name, (x, y)) in enumerate(self.curves.items())
        ]
        spread = wide(np.concatenate([rates for _, rates in self.curves.values()]))
        self.ax_.set(xlabel="epoch", ylabel="learning rate")
        self.ax_.set_yscale(yscale or ("log" if spread else "linear"))
        self.ax_.grid(alpha=0.3)
        self.ax_.legend()
        return self


def timed(rate):
    """Return the schedule that a learning rate stands for; refuse those that time does not tell."""
    schedule = schedule_of(rate)
    if schedule is None or isinstance(schedule, step_rules.StepRule):
        raise_invalid(
            "schedule",
            rate,
            "a rate that follows from the time alone",
            "After a fit, ConvergenceDisplay.from_estimator(model, columns='learning_rate') shows "
            "the rates that were taken.",
        )
    return schedule


def short_name(schedule):
    """Return the name of a schedule with those of its parameters that are not at their defaults."""
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
