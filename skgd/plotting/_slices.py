"""The objective of a linear model over two of its parameters."""

import numpy as np

from skgd._utils.validation import check_integer, raise_invalid
from skgd.data.scaling import FeatureScaling
from skgd.regressors._input import checked_rows

#: Rows that an objective without a closed form is computed on at most.
MOST_ROWS = 10_000


class Slice:
    """The objective of a fitted model as a function of two parameters, the others held as fitted.

    Squared error is exact, from its value, gradient and curvature at the model. Other losses are
    computed on 10,000 rows drawn at random, if there are more.

    Parameters
    ----------
    model : BaseGDRegressor
        Fitted.
    X, y, sample_weight : array-like
        Rows.
    coefs : pair of int, str or None
        Which parameters; see :func:`chosen`.
    output : int
        Whose they are.
    """

    def __init__(self, model, X, y, sample_weight, coefs, output):
        data = checked_rows(model, X, y, sample_weight, None, reset=False)
        if data is None:
            raise ValueError("sample_weight is zero for every row; there is nothing to draw.")
        data = data.sample()
        coef = np.array(model._fit_state.coef, dtype=float)
        outputs = 1 if coef.ndim == 1 else len(coef)
        check_integer("output", output, low=0)
        if output >= outputs:
            raise_invalid("output", output, f"less than {outputs}, the number of targets")
        self.output = output
        self.pair, self.note = chosen(model, coef.reshape(outputs, -1)[output], coefs)
        objective = model._objective(
            data,
            FeatureScaling.identity(data.X.shape[1]),
            model.loss_,
            model.penalty_,
            data.total_weight / len(data),
        )
        if not objective.quadratic and len(data) > MOST_ROWS:
            rows = np.random.default_rng(0).choice(len(data), MOST_ROWS, replace=False)
            objective = objective.select_rows(np.sort(rows))
            self.note = ", ".join(filter(None, [self.note, f"{MOST_ROWS} rows drawn at random"]))
        self.objective = objective
        intercept = np.asarray(model._fit_state.intercept, dtype=float).reshape(coef.shape[:-1])
        self.theta = np.concatenate([coef, intercept[..., None]], axis=-1)
        self.center = self.theta.reshape(outputs, -1)[output, self.pair]

    def __call__(self, points):
        """Return the objective at points of shape (m, 2)."""
        moves = np.asarray(points, dtype=float) - self.center
        with np.errstate(over="ignore", invalid="ignore"):
            return self.quadratic(moves) if self.objective.quadratic else self.summed(moves)

    def moved(self, move):
        """Return the parameters after a move in the two at hand."""
        theta = self.theta.copy()
        theta.reshape(-1, theta.shape[-1])[self.output, self.pair] += move
        return theta

    def quadratic(self, moves):
        """Return the objective after moves, by its expansion around the model."""
        point = self.objective.evaluate(self.theta)
        unit, bound = np.eye(self.theta.shape[-1]), self.objective.loss.gradient_lipschitz
        hess = np.array([self.objective.hessian_product(unit[at], bound) for at in self.pair])
        slope = point.gradient.reshape(-1, self.theta.shape[-1])[self.output, self.pair]
        bend = np.einsum("mi,ij,mj->m", moves, hess[:, self.pair], moves)
        kinks = np.array([self.objective.l1_value(self.moved(move)) for move in moves])
        smooth = point.value - self.objective.l1_value(self.theta)
        return smooth + moves @ slope + bend / 2 + kinks

    def summed(self, moves):
        """Return the objective after moves, as the sum over the rows that it is."""
        columns = np.stack([self.column(at) for at in self.pair], axis=-1)
        predictions = self.objective.design.predict(self.theta)
        values = []
        for move in moves:
            here = np.array(predictions, dtype=float)
            here.reshape(len(here), -1)[:, self.output] += columns @ move
            values.append(self.objective.value_of(here, self.moved(move)))
        return np.array(values)

    def column(self, at):
        """Return what a parameter multiplies in each row."""
        X = self.objective.design.X
        if at == X.shape[1]:
            return np.ones(X.shape[0])
        column = X[:, [at]]
        return np.ravel(column.toarray() if hasattr(column, "toarray") else column)


def chosen(model, coef, coefs):
    """Return the places of two parameters, the intercept being the last, and a note about the rest.

    By default these are the two coefficients, or the one and the intercept; of more than two the
    largest.
    """
    features = len(coef)
    free = features + bool(model.fit_intercept)
    if free < 2:
        raise ValueError(
            f"{type(model).__name__} has a single parameter, and a picture needs two. Draw "
            "path_['coef_0'] over path_['update'], or fit with an intercept."
        )
    if coefs is not None:
        pair = np.array([place(model, features, one) for one in checked_pair(coefs)])
        if pair[0] == pair[1]:
            raise_invalid("coefs", coefs, "two different parameters")
    elif features == 1:
        pair = np.array([0, 1])
    else:
        pair = np.sort(np.argsort(-np.abs(coef), kind="stable")[:2])
    if features <= 2 and (coefs is None or free == 2):
        return pair, "" if free == 2 else "intercept as fitted"
    which = "two largest" if coefs is None else "two"
    return pair, f"{which} of {features} coefficients, the others as fitted"


def checked_pair(coefs):
    """Return what was named, or refuse it if it is not two."""
    if isinstance(coefs, str) or not hasattr(coefs, "__len__") or len(coefs) != 2:
        raise_invalid("coefs", coefs, "a pair of feature numbers, feature names or 'intercept'")
    return coefs


def place(model, features, one):
    """Return the place of a parameter given by number, by feature name, or as "intercept"."""
    names = list(getattr(model, "feature_names_in_", []))
    if isinstance(one, str):
        if one in names:
            return names.index(one)
        if one == "intercept" and model.fit_intercept:
            return features
        known = ", ".join(map(repr, names)) or f"the numbers 0 to {features - 1}"
        raise_invalid("coefs", one, f"one of {known}, or 'intercept' of a model that has one")
    check_integer("coefs", one, low=0)
    if one >= features:
        raise_invalid("coefs", one, f"less than {features}, the number of features")
    return int(one)


def label(model, at):
    """Return what stands on the axis of a parameter."""
    names = getattr(model, "feature_names_in_", None)
    if at == model.n_features_in_:
        return "intercept"
    return f"coefficient {at}" if names is None else f"coefficient of {names[at]}"


def path_of(model, pair, output):
    """Return the way of two parameters, of shape (m, 2)."""
    try:
        path = model.path_
    except AttributeError as missing:
        raise ValueError(
            f"This {type(model).__name__} has kept no path. Fit it with record='path'."
        ) from missing
    outputs = model._fit_state.coef.shape[:-1]
    names = np.array(list(path)[1:])
    coefs = names[: model._fit_state.coef.size].reshape(-1, model.n_features_in_)[output]
    intercepts = names[model._fit_state.coef.size :]
    kept = [*coefs, intercepts[output if outputs else 0]]
    return np.stack([path[kept[at]] for at in pair], axis=1)
