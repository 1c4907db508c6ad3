"""Check that the gradient of a user-defined loss is the derivative of its value."""

import numpy as np

from skgd._utils.validation import raise_invalid

#: Parts of an interval on which the value and the gradient are compared.
N_PARTS = 32

#: Half the lengths of these intervals, in units of the distance between their centres.
RADII = (1 / 8, 1 / 64)

#: Largest ratio of the changes of the value on two parts of an interval.
MAX_RATIO = 4

#: Largest tolerated difference between difference quotient and gradient, relative to the gradient.
#: It is twice ``MAX_RATIO / N_PARTS``, a bound on the effect of rounding errors.
MAX_DIFFERENCE = 0.25


def check_loss_gradient(loss, p, y):
    r"""Raise an error if ``loss.gradient`` is not the derivative of ``loss.value``.

    On intervals around the predictions and the targets, the difference quotient of the value is
    compared with the smallest and the largest gradient on the interval, between which it lies also
    where the loss has kinks. An interval counts only if the value rises, or falls, on each of its
    equal parts, by changes that differ by a factor of 4 at most. This excludes minima, constant
    parts, and intervals on which rounding errors hide the changes of the value. A difference of
    25 % is not tolerated. The loss is evaluated at float64.

    Parameters
    ----------
    loss : Loss
        The loss.
    p : array
        Linear predictors at which a fit starts.
    y : array
        Targets, of the same shape.

    Raises
    ------
    InvalidParameterError
        If an interval counts on which they differ.
    """
    # Overflow and undefined values are excluded below, so NumPy's warnings are silenced.
    with np.errstate(all="ignore"):
        points, targets = place_intervals(np.ravel(p).astype(float), np.ravel(y).astype(float))
        values, gradients = (
            np.broadcast_to(function(points.ravel(), targets.ravel()), points.size)
            .reshape(points.shape)
            .astype(float)
            for function in (loss.value, loss.gradient)
        )
        quotients = (values[:, -1] - values[:, 0]) / (points[:, -1] - points[:, 0])
        low, high = gradients.min(axis=1), gradients.max(axis=1)
        tolerance = MAX_DIFFERENCE * np.maximum(np.abs(low), np.abs(high))
        differs = (quotients < low - tolerance) | (quotients > high + tolerance)
        wrong = np.flatnonzero(differs & np.isfinite(tolerance) & is_resolved(values))
    if not len(wrong):
        return
    first, middle = wrong[0], N_PARTS // 2
    slope, gradient = float(quotients[first]), float(gradients[first, middle])
    sign = " It has the wrong sign." if np.isclose(gradient, -slope, rtol=0.1) else ""
    raise_invalid(
        "loss",
        loss,
        "a loss whose gradient is the derivative of its value with respect to the prediction",
        f"For the prediction {points[first, middle]:.6g} and the target "
        f"{targets[first, middle]:.6g}, gradient returns {gradient:.4g}, but the value changes by "
        f"{slope:.4g} per unit of the prediction.{sign}",
    )


def place_intervals(p, y):
    """Return points of intervals around predictions and targets, and the target of each point.

    Both have the shape (n_intervals, N_PARTS + 1). Intervals lie at and beside the predictions and
    the targets, at the distances 1 and the largest error.
    """
    grid = np.linspace(-1, 1, N_PARTS + 1)
    units = {1.0, float(np.max(np.abs(p - y)))} - {0.0}
    points = [
        center[:, None] + radius * unit * grid
        for unit in units
        for center in (p, p - unit, p + unit, y - unit, y + unit)
        for radius in RADII
    ]
    targets = np.repeat(y, len(grid)).reshape(len(y), len(grid))
    return np.concatenate(points), np.tile(targets, (len(points), 1))


def is_resolved(values):
    """Return whether values on intervals rise or fall evenly, and not by rounding errors alone."""
    changes = np.diff(values, axis=1)
    is_monotone = np.abs(np.sign(changes).sum(axis=1)) == N_PARTS
    sizes = np.abs(changes)
    return is_monotone & (sizes.max(axis=1) <= MAX_RATIO * sizes.min(axis=1))
