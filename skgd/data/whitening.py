r"""Coordinates for columns that nearly depend on each other.

Second moments square the condition :math:`\kappa` of the columns, and the minimiser of what they
know has errors of :math:`\kappa^2` units of rounding. From :math:`10^8` nothing is left, and raw
powers of a variable are soon there. A step back to the rows helps only as long as each step on
moments is right to a digit.

So the inner rows are turned and scaled once more, :math:`\tilde x^\top W`, until they are
uncorrelated. The W that the moments yield leaves a condition of about :math:`10^{-6} \kappa`;
moments of the rows in these coordinates, which cost one more pass, tell the rest of W to many
digits. Descent then arrives in a few steps, each of which starts from the gradient of the rows, and
what they arrive at has errors of :math:`\kappa` units only.

References
----------
T. Fukaya, R. Kannan, Y. Nakatsukasa, Y. Yamamoto, Y. Yanagisawa, "Shifted Cholesky QR for Computing
the QR Factorization of Ill-Conditioned Matrices", 2020.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import eigh

from skgd.data.moments import CHUNK
from skgd.data.scaling import FeatureScaling
from skgd.data.second_moments import SecondMoments

#: Relative curvature below which moments at float64 know nothing.
FLOOR = 1e-13


@dataclass(frozen=True)
class Whitened(FeatureScaling):
    """Coordinates in which the columns are uncorrelated and of unit variance.

    Parameters
    ----------
    center, scale : arrays of shape (d,)
        What is subtracted from, and what divides, each column, at first.
    rotation : array of shape (d, d)
        What the rows are multiplied by then.
    """

    rotation: np.ndarray

    @property
    def without_rotation(self):
        """The coordinates before the rotation."""
        return FeatureScaling(self.center, self.scale)

    def to_scaled(self, coef, intercept, dtype):
        """Return the inner parameters of a model given in the data's own units."""
        theta = self.without_rotation.to_scaled(coef, intercept, float)
        theta[..., :-1] = np.linalg.solve(self.rotation, theta[..., :-1].T).T
        return theta.astype(dtype)

    def to_original(self, theta):
        """Return coefficients and intercept in the data's own units, at the dtype of `theta`."""
        rotated = np.concatenate([theta[..., :-1] @ self.rotation.T, theta[..., -1:]], axis=-1)
        return self.without_rotation.to_original(rotated)

    def scale_rows(self, X):
        """Return the inner rows of rows of X."""
        return super().scale_rows(X) @ self.rotation

    def scale_gradient(self, sums, total):
        """Return the sum of slope times inner row, given that of slope times row and of slopes."""
        return super().scale_gradient(sums, total) @ self.rotation


@dataclass(frozen=True)
class WhitenedSecondMoments(SecondMoments):
    """Second moments of inner rows."""

    def hessian(self, scaling, fit_intercept):
        """Return the mean of the outer squares of the inner rows, of shape (d + 1, d + 1)."""
        return super().hessian(FeatureScaling.identity(len(self.mean)), fit_intercept)

    def gradient(self, scaling, intercept, fit_intercept):
        """Return the gradient of half the mean squared error at a constant model."""
        return super().gradient(FeatureScaling.identity(len(self.mean)), intercept, fit_intercept)


def whiten(data, scaling, gram, fit_intercept):
    """Return coordinates in which columns are uncorrelated, and second moments there.

    Parameters
    ----------
    data : Data
        Dense rows in memory.
    scaling : FeatureScaling
        Centre and scale of the columns.
    gram : Gram
        Second moments of the rows.
    fit_intercept : bool
        Whether there is an intercept.

    Returns
    -------
    Decorrelated, WhitenedSecondMoments
        Or None, where the columns depend on each other as far as rounding lets one tell.
    """
    hessian = gram.hessian(scaling, fit_intercept)[:-1, :-1]
    constant = ~np.isfinite(scaling.scale)
    hessian[constant, constant] = 1
    rotation = whitening_matrix(hessian, FLOOR)
    inner = whitened_second_moments(data, with_rotation(scaling, rotation))
    squares = inner.hessian(scaling, fit_intercept)[:-1, :-1]
    squares[constant, constant] = 1
    if np.linalg.eigvalsh(squares)[0] * FLOOR <= visible(scaling) ** 2:
        return None
    rest = whitening_matrix(squares, 0.0)
    moments = replace(
        inner,
        mean=inner.mean @ rest,
        covariance=rest.T @ inner.covariance @ rest,
        cross=rest.T @ inner.cross,
    )
    return with_rotation(scaling, rotation @ rest), moments


def with_rotation(scaling, rotation):
    """Return coordinates with a rotation."""
    return Whitened(scaling.center, scaling.scale, rotation)


def whitening_matrix(squares, floor):
    """Return what columns are multiplied by to be uncorrelated, given their mean products."""
    curvatures, directions = eigh(squares)
    return directions / np.sqrt(np.maximum(curvatures, floor * curvatures[-1]))


def visible(scaling):
    """Return the least relative size of a direction that is not the rounding of larger ones."""
    offset = np.max(np.abs(scaling.center) / scaling.scale, initial=0.0)
    return 16 * np.finfo(float).eps * (1 + offset) * np.sqrt(len(scaling.scale))


def whitened_second_moments(data, scaling):
    """Return the second moments of inner rows and targets."""
    total = None
    for start in range(0, len(data), CHUNK):
        block = data.slice_rows(slice(start, start + CHUNK))
        part = SecondMoments.of(scaling.scale_rows(block.X), block.y, block.weights)
        total = part if total is None else total + part
    return WhitenedSecondMoments(**vars(total))
