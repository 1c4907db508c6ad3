r"""Whitening of nearly collinear features.

Second moments square the condition number :math:`\kappa` of the features: their minimiser has a
relative error of :math:`\kappa^2` units of rounding. No correct digit is left from
:math:`\kappa = 10^8`, which raw powers of a variable soon reach. Correcting the solution with
gradients from the rows helps only while each step on the moments has at least one correct digit.

The scaled rows are therefore multiplied by a matrix W such that the features of
:math:`\tilde x^\top W` are uncorrelated. The W computed from the second moments leaves a condition
number of about :math:`10^{-6} \kappa`. The second moments of the rows in these coordinates, which
cost one more pass, give the remaining correction to W to many digits. Descent then converges in a
few steps, each starting from the gradient of the rows, and the solution has errors of only
:math:`\kappa` units of rounding.

References
----------
T. Fukaya, R. Kannan, Y. Nakatsukasa, Y. Yamamoto, Y. Yanagisawa, "Shifted Cholesky QR for Computing
the QR Factorization of Ill-Conditioned Matrices", 2020.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import eigh

from skgd.data.feature_moments import CHUNK_ROWS
from skgd.data.map_reduce import add_results
from skgd.data.scaling import FeatureScaling
from skgd.data.second_moments import SecondMoments

#: Relative eigenvalue below which second moments at float64 carry no information.
MIN_RELATIVE_EIGENVALUE = 1e-13


@dataclass(frozen=True)
class Whitened(FeatureScaling):
    """Scaling to features that are uncorrelated and of unit variance.

    Parameters
    ----------
    center, scale : arrays of shape (d,)
        Centre and scale of the features before the rotation.
    rotation : array of shape (d, d)
        Matrix W that the centred and scaled rows are multiplied by from the right.
    """

    rotation: np.ndarray

    @property
    def without_rotation(self):
        """The centring and scaling alone."""
        return FeatureScaling(self.center, self.scale)

    def to_scaled(self, coef, intercept, dtype):
        """Return the scaled parameters of a model given by original coefficients and intercept."""
        theta = self.without_rotation.to_scaled(coef, intercept, float)
        theta[..., :-1] = np.linalg.solve(self.rotation, theta[..., :-1].T).T
        return theta.astype(dtype)

    def to_original(self, theta):
        """Return the original coefficients and intercept, at the dtype of `theta`."""
        rotated = np.concatenate([theta[..., :-1] @ self.rotation.T, theta[..., -1:]], axis=-1)
        return self.without_rotation.to_original(rotated)

    def scale_rows(self, X):
        """Return the scaled rows of X, a dense array."""
        return super().scale_rows(X) @ self.rotation

    def scale_gradient(self, weighted_sum, total_weight):
        r"""Return :math:`\sum_i w_i \tilde x_i` from :math:`\sum_i w_i x_i` and :math:`\sum_i w_i`.

        See :meth:`skgd.data.scaling.FeatureScaling.scale_gradient`.
        """
        return super().scale_gradient(weighted_sum, total_weight) @ self.rotation


@dataclass(frozen=True)
class WhitenedSecondMoments(SecondMoments):
    """Second moments of scaled rows, to which the scaling need not be applied again."""

    def hessian(self, scaling, fit_intercept):
        """Return the Hessian of half the mean squared error, of shape (d + 1, d + 1)."""
        return super().hessian(FeatureScaling.identity(len(self.mean)), fit_intercept)

    def gradient(self, scaling, intercept, fit_intercept):
        """Return the gradient of half the mean squared error at a constant model."""
        return super().gradient(FeatureScaling.identity(len(self.mean)), intercept, fit_intercept)


def whiten(data, scaling, second_moments, fit_intercept):
    """Return a scaling to uncorrelated features, and the second moments of the scaled rows.

    Parameters
    ----------
    data : InMemoryData
        Dense rows.
    scaling : FeatureScaling
        Centre and scale of the features.
    second_moments : SecondMoments
        Second moments of the rows.
    fit_intercept : bool
        Whether there is an intercept.

    Returns
    -------
    (Whitened, WhitenedSecondMoments) or None
        None if some combination of the features cannot be distinguished from rounding errors.
    """
    hessian = second_moments.hessian(scaling, fit_intercept)[:-1, :-1]
    constant = ~np.isfinite(scaling.scale)
    hessian[constant, constant] = 1
    rotation = whitening_matrix(hessian, MIN_RELATIVE_EIGENVALUE)
    whitened = whitened_second_moments(data, Whitened(scaling.center, scaling.scale, rotation))
    hessian = whitened.hessian(scaling, fit_intercept)[:-1, :-1]
    hessian[constant, constant] = 1
    smallest = np.linalg.eigvalsh(hessian)[0]
    if smallest * MIN_RELATIVE_EIGENVALUE <= relative_rounding(scaling) ** 2:
        return None
    correction = whitening_matrix(hessian, 0.0)
    moments = replace(
        whitened,
        mean=whitened.mean @ correction,
        covariance=correction.T @ whitened.covariance @ correction,
        cross=correction.T @ whitened.cross,
    )
    return Whitened(scaling.center, scaling.scale, rotation @ correction), moments


def whitening_matrix(hessian, min_relative_eigenvalue):
    """Return a matrix W with :math:`W^T H W = I`, up to eigenvalues of H that are raised.

    Eigenvalues below `min_relative_eigenvalue` times the largest are replaced by that bound.
    """
    eigenvalues, eigenvectors = eigh(hessian)
    return eigenvectors / np.sqrt(
        np.maximum(eigenvalues, min_relative_eigenvalue * eigenvalues[-1])
    )


def relative_rounding(scaling):
    """Return the size of rounding errors in the scaled rows, relative to the largest direction."""
    offset = np.max(np.abs(scaling.center) / scaling.scale, initial=0.0)
    return 16 * np.finfo(float).eps * (1 + offset) * np.sqrt(len(scaling.scale))


def whitened_second_moments(data, scaling):
    """Return the second moments of scaled rows and targets, accumulated over chunks."""
    moments = []
    for start in range(0, len(data), CHUNK_ROWS):
        chunk = data.slice_rows(slice(start, start + CHUNK_ROWS))
        rows = scaling.scale_rows(chunk.X)
        moments.append(SecondMoments.from_rows(rows, chunk.shifted_y, chunk.weights))
    return WhitenedSecondMoments(**vars(add_results(moments)))
