"""Names, fitted regressors and data of the estimators that a user passes to a Display."""

from collections.abc import Mapping

from sklearn.utils.validation import check_is_fitted


def name_items(items, names=None, default_name=lambda item: type(item).__name__):
    """Return a dict of items by their names.

    Parameters
    ----------
    items : mapping, list, tuple or object
        The items, or a single one; a mapping has names already.
    names : str or list of str, default=None
        The names; by default those of `default_name`, numbered if several items share one.
    default_name : callable, default=name of the class
        Takes an item, returns its name.

    Returns
    -------
    dict
    """
    if isinstance(items, Mapping):
        return dict(items)
    items = list(items) if isinstance(items, (list, tuple)) else [items]
    if names is None:
        defaults = [default_name(item) for item in items]
        names = [
            name if defaults.count(name) == 1 else f"{name} {defaults[: i + 1].count(name)}"
            for i, name in enumerate(defaults)
        ]
    names = [names] if isinstance(names, str) else list(names)
    if len(names) != len(items):
        raise ValueError(f"names has {len(names)} entries, but there are {len(items)} to name.")
    return dict(zip(names, items, strict=True))


def get_regressor(estimator):
    """Return the fitted skgd regressor of an estimator, which may be a pipeline or a search."""
    regressor = estimator
    while True:
        if hasattr(regressor, "best_estimator_"):
            regressor = regressor.best_estimator_
        elif hasattr(regressor, "steps"):
            regressor = regressor.steps[-1][1]
        else:
            break
    if not hasattr(type(regressor), "history_"):
        raise TypeError(
            f"A Display needs a regressor of skgd, or a pipeline or search that ends in one; got "
            f"{type(estimator).__name__}."
        )
    check_is_fitted(regressor)
    return regressor


def transform_data(estimator, X):
    """Return the data that the regressor of an estimator receives if the estimator receives X."""
    if hasattr(estimator, "best_estimator_"):
        return transform_data(estimator.best_estimator_, X)
    if hasattr(estimator, "steps"):
        if len(estimator.steps) > 1:
            X = estimator[:-1].transform(X)
        return transform_data(estimator.steps[-1][1], X)
    return X
