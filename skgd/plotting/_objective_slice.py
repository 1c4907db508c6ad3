"""The objective of a linear model as a function of two of its parameters."""

import numpy as np

from skgd._utils.validation import check_integer, raise_invalid
from skgd.data.scaling import FeatureScaling
from skgd.regressors._input import check_rows

#: Maximum number of rows on which an objective that is not quadratic is computed.
MAX_ROWS = 10_000


class ObjectiveSlice:
    """The objective of a fitted model as a function of two parameters; the others are constant.

    A quadratic objective is computed exactly from its value, gradient and Hessian at the model.
    Other objectives are computed on at most 10,000 randomly drawn rows.

    Parameters
    ----------
    model : BaseGDRegressor
        A fitted regressor.
    X, y, sample_weight : array-like
        The data.
    coefs : pair of int, str or None
        The two parameters; see :func:`select_parameters`.
    output : int
        The target to which they belong.

    Attributes
    ----------
    indices : array of shape (2,)
        Indices of the two parameters; that of the intercept is the number of features.
    note : str
        How the other parameters and the rows are treated.
    objective : Objective
        The objective of the model.
    theta : array of shape (n_features + 1,) or (n_outputs, n_features + 1)
        The parameters of the model; the intercepts are last.
    center : array of shape (2,)
        The values of the two parameters in the model.
    """

    def __init__(self, model, X, y, sample_weight, coefs, output):
        data = check_rows(model, X, y, sample_weight, reset=False)
        if data is None:
            raise ValueError("sample_weight is zero for every row; there is nothing to plot.")
        data = data.sample
        coef = np.array(model._fit_state.coef, dtype=float)
        n_outputs = 1 if coef.ndim == 1 else len(coef)
        check_integer("output", output, low=0)
        if output >= n_outputs:
            raise_invalid("output", output, f"less than {n_outputs}, the number of targets")
        self.output = output
        output_coef = coef.reshape(n_outputs, -1)[output]
        self.indices, self.note = select_parameters(model, output_coef, coefs)
        unscaled = FeatureScaling.identity(data.X.shape[1])
        mean_weight = data.total_weight / len(data)
        components = model.loss_, model.penalty_
        objective = model._build_objective(data, unscaled, *components, mean_weight)
        if not objective.quadratic and len(data) > MAX_ROWS:
            rows = np.random.default_rng(0).choice(len(data), MAX_ROWS, replace=False)
            objective = objective.select_rows(np.sort(rows))
            self.note = ", ".join(filter(None, [self.note, f"{MAX_ROWS} rows drawn at random"]))
        self.objective = objective
        intercept = np.asarray(model._fit_state.intercept, dtype=float).reshape(coef.shape[:-1])
        self.theta = np.concatenate([coef, intercept[..., None]], axis=-1)
        self.center = self.theta.reshape(n_outputs, -1)[output, self.indices]

    def __call__(self, points):
        """Return the objective at values of the two parameters, an array of shape (m, 2)."""
        offsets = np.asarray(points, dtype=float) - self.center
        evaluate = self.expand_quadratic if self.objective.quadratic else self.sum_losses
        with np.errstate(over="ignore", invalid="ignore"):
            return evaluate(offsets)

    def shift_theta(self, offset):
        """Return all parameters, with `offset` of shape (2,) added to the two."""
        theta = self.theta.copy()
        theta.reshape(-1, theta.shape[-1])[self.output, self.indices] += offset
        return theta

    def expand_quadratic(self, offsets):
        """Return a quadratic objective by its second-order expansion around the model."""
        point = self.objective.evaluate(self.theta)
        unit, bound = np.eye(self.theta.shape[-1]), self.objective.loss.gradient_lipschitz
        hess = np.array([self.objective.hessian_product(unit[i], bound) for i in self.indices])
        gradient = point.gradient.reshape(-1, self.theta.shape[-1])[self.output, self.indices]
        second_order = np.einsum("mi,ij,mj->m", offsets, hess[:, self.indices], offsets) / 2
        l1 = np.array([self.objective.l1_penalty(self.shift_theta(offset)) for offset in offsets])
        smooth = point.value - self.objective.l1_penalty(self.theta)
        return smooth + offsets @ gradient + second_order + l1

    def sum_losses(self, offsets):
        """Return the objective from the predictions for every row."""
        columns = np.stack([self.design_column(i) for i in self.indices], axis=-1)
        center_predictions = self.objective.predict(self.theta)
        values = []
        for offset in offsets:
            predictions = np.array(center_predictions, dtype=float)
            predictions.reshape(len(predictions), -1)[:, self.output] += columns @ offset
            values.append(self.objective.value(self.shift_theta(offset), predictions))
        return np.array(values)

    def design_column(self, index):
        """Return the column that a parameter multiplies: a feature, or ones for the intercept."""
        X = self.objective.design.X
        if index == X.shape[1]:
            return np.ones(X.shape[0])
        column = X[:, [index]]
        return np.ravel(column.toarray() if hasattr(column, "toarray") else column)


def select_parameters(model, coef, coefs):
    """Return the indices of two parameters, and a note about the others.

    Parameters
    ----------
    model : BaseGDRegressor
        A fitted regressor.
    coef : array of shape (n_features,)
        Its coefficients.
    coefs : pair of int or str, or None
        The parameters; by default, the two coefficients of largest absolute value, or the only
        coefficient and the intercept.

    Returns
    -------
    indices : array of shape (2,)
        That of the intercept is the number of features.
    note : str
    """
    n_features = len(coef)
    n_parameters = n_features + bool(model.fit_intercept)
    if n_parameters < 2:
        raise ValueError(
            f"{type(model).__name__} has only one parameter, and a descent path needs two. Plot "
            "path_['coef_0'] against path_['update'], or fit with an intercept."
        )
    if coefs is not None:
        indices = np.array([parameter_index(model, n_features, c) for c in check_pair(coefs)])
        if indices[0] == indices[1]:
            raise_invalid("coefs", coefs, "two different parameters")
    elif n_features == 1:
        indices = np.array([0, 1])
    else:
        indices = np.sort(np.argsort(-np.abs(coef), kind="stable")[:2])
    if n_features <= 2 and (coefs is None or n_parameters == 2):
        return indices, "" if n_parameters == 2 else "intercept as fitted"
    selection = "two largest" if coefs is None else "two"
    return indices, f"{selection} of {n_features} coefficients, the others as fitted"


def check_pair(coefs):
    """Return `coefs`, or raise an error if it is not a pair."""
    if isinstance(coefs, str) or not hasattr(coefs, "__len__") or len(coefs) != 2:
        raise_invalid("coefs", coefs, "a pair of feature numbers, feature names or 'intercept'")
    return coefs


def parameter_index(model, n_features, parameter):
    """Return the index of a parameter given by number, by feature name, or as "intercept"."""
    names = list(getattr(model, "feature_names_in_", []))
    if isinstance(parameter, str):
        if parameter in names:
            return names.index(parameter)
        if parameter == "intercept" and model.fit_intercept:
            return n_features
        known = ", ".join(map(repr, names)) or f"the numbers 0 to {n_features - 1}"
        raise_invalid("coefs", parameter, f"one of {known}, or 'intercept' of a model that has one")
    check_integer("coefs", parameter, low=0)
    if parameter >= n_features:
        raise_invalid("coefs", parameter, f"less than {n_features}, the number of features")
    return int(parameter)


def axis_label(model, index):
    """Return the label of the axis of a parameter."""
    names = getattr(model, "feature_names_in_", None)
    if index == model.n_features_in_:
        return "intercept"
    return f"coefficient {index}" if names is None else f"coefficient of {names[index]}"


def get_path(model, indices, output):
    """Return the recorded path of two parameters, of shape (m, 2)."""
    try:
        path = model.path_
    except AttributeError as error:
        raise ValueError(
            f"This {type(model).__name__} has no recorded path. Fit it with record='path'."
        ) from error
    has_outputs = model._fit_state.coef.ndim > 1
    names = np.array(list(path)[1:])
    coefs = names[: model._fit_state.coef.size].reshape(-1, model.n_features_in_)[output]
    intercepts = names[model._fit_state.coef.size :]
    parameters = [*coefs, intercepts[output if has_outputs else 0]]
    return np.stack([path[parameters[index]] for index in indices], axis=1)


def path_epochs(model):
    """Return the epoch, as a fraction, of each point of the recorded path."""
    updates = model.path_["update"]
    return updates * (max(model.n_iter_, 1) / max(model.t_ - 1, 1))
