r"""Minimisers of a squared error for many penalties, from its second moments.

With the covariances C of the features and c of features and targets, the coefficients minimise

.. math:: \tfrac12 w^\top C w - c^\top w + \sum_j l_{1j} |w_j| + \tfrac12 l_{2j} w_j^2,
          \qquad lower_j \le w_j \le upper_j

For l2 strengths that are the same for all features they follow from one eigendecomposition of C.
The other penalties are sorted by decreasing l1 strength, and the search for each active set starts
from the minimiser for the penalty before.
"""

from functools import cached_property

import numpy as np

from skgd.data.scaling import FeatureScaling
from skgd.penalties import has_bounds
from skgd.solvers.quadratic_program import QuadraticProgram

#: Largest condition number for which the eigendecomposition is used. It is one of the features in
#: their units; features of small variance lose digits.
MAX_EIGEN_CONDITION = 1e6


class PenalizedLeastSquares:
    """The minimisers for many penalties.

    Parameters
    ----------
    moments : SecondMoments
        Moments of the rows.
    fit_intercept : bool
        Whether there is an intercept. It is eliminated by centring.
    """

    def __init__(self, moments, fit_intercept):
        self.moments, self.fit_intercept = moments, fit_intercept
        scaling = FeatureScaling.standard(moments.feature_moments, fit_intercept, 0.0)
        self.center, self.is_used = scaling.center, np.isfinite(scaling.scale)
        self.scale = scaling.scale[self.is_used]

    def transform(self, scale):
        """Return the Hessian, and the gradients at zero, of shape (k, d), of scaled features."""
        moments, used = self.moments, self.is_used
        scaling = FeatureScaling(self.center, scale)
        y_mean = np.asarray(moments.y_mean)
        constant = y_mean if self.fit_intercept else np.zeros_like(y_mean)
        hessian = moments.hessian(scaling, self.fit_intercept)[:-1, :-1]
        gradient = moments.gradient(scaling, constant, self.fit_intercept)[..., :-1]
        return hessian[np.ix_(used, used)], gradient.reshape(-1, len(used))[:, used]

    @cached_property
    def standardized(self):
        """Hessian and gradients of features of unit variance."""
        scale = np.ones(len(self.is_used))
        scale[self.is_used] = self.scale
        return self.transform(scale)

    @cached_property
    def spectrum(self):
        """Eigenvalues and eigenvectors of the Hessian, and the gradients in their basis."""
        hessian, gradient = self.transform(np.ones(len(self.is_used)))
        values, vectors = np.linalg.eigh(hessian)
        return values, vectors, gradient @ vectors

    def minimize(self, penalties):
        """Return the coefficients in the units of the data, and the intercepts, for each penalty.

        Parameters
        ----------
        penalties : list of Penalty
            Penalties with finite strengths, and bounds that do not exclude zero.

        Returns
        -------
        coefs : array of shape (n_penalties, d) or (n_penalties, k, d)
        intercepts : array of shape (n_penalties,) or (n_penalties, k)
        """
        y_mean = np.asarray(self.moments.y_mean)
        coefs = np.zeros((len(penalties), y_mean.size, len(self.is_used)))
        theta = np.zeros((y_mean.size, len(self.scale)))
        has_many = sum(map(is_plain_l2, penalties)) > 1
        for number in sorted(range(len(penalties)), key=lambda i: -np.mean(penalties[i].l1)):
            penalty = penalties[number]
            if has_many and is_plain_l2(penalty) and self.is_well_conditioned(penalty.l2):
                coefs[number][:, self.is_used] = self.minimize_by_spectrum(penalty.l2)
            else:
                theta = self.minimize_from(theta, penalty)
                coefs[number][:, self.is_used] = theta / self.scale
        coefs = coefs.reshape(len(penalties), *y_mean.shape, -1)
        intercepts = y_mean - coefs @ self.moments.mean
        return coefs, intercepts if self.fit_intercept else np.zeros_like(intercepts)

    def is_well_conditioned(self, l2):
        """Return whether the eigendecomposition is accurate enough for an l2 strength."""
        values = self.spectrum[0]
        return not len(values) or values[-1] + l2 <= MAX_EIGEN_CONDITION * (values[0] + l2)

    def minimize_by_spectrum(self, l2):
        """Return the coefficients, of shape (k, d), for an l2 strength."""
        values, vectors, gradient = self.spectrum
        return (-gradient / (values + l2)) @ vectors.T

    def minimize_from(self, start, penalty):
        """Return the scaled coefficients, of shape (k, d), by active sets from those given."""
        hessian, gradient = self.standardized
        l1, l2, lower, upper = (
            np.broadcast_to(part, self.is_used.shape)[self.is_used]
            for part in (penalty.l1, penalty.l2, penalty.lower, penalty.upper)
        )
        lower, upper = lower * self.scale, upper * self.scale
        hessian = hessian + np.diag(l2 / self.scale**2)
        program = QuadraticProgram(hessian, l1 / self.scale, lower, upper)
        start = np.clip(start, lower, upper)
        slopes = gradient + start @ hessian
        pairs = zip(slopes, start, strict=True)
        return np.array([program.minimize(*pair)[0] for pair in pairs]).reshape(start.shape)


def is_plain_l2(penalty):
    """Return whether a penalty has a single l2 strength, no l1 strength and no bounds."""
    return np.ndim(penalty.l2) == 0 and not np.any(penalty.l1) and not has_bounds(penalty)
