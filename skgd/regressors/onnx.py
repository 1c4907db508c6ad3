"""Conversion of fitted regressors to ONNX by skl2onnx, as ``skgd.onnx``."""

import numpy as np
from scipy.sparse import issparse

from skgd.losses import Binomial, Loss, Quantile
from skgd.losses._log_link import LogLinkLoss
from skgd.regressors._batch import BatchGDRegressor
from skgd.regressors._mini_batch import MiniBatchGDRegressor
from skgd.regressors._sgd import SGDRegressor

__all__ = ["register_converters"]


def register_converters() -> None:
    """Register converters of the three regressors in skl2onnx.

    Call it once before ``skl2onnx.convert_sklearn`` or ``skl2onnx.to_onnx``, which then convert
    fitted regressors of skgd, alone or in a pipeline, with every built-in loss and any number of
    outputs. The predictions include the inverse link of the loss, such as the exponential function
    of "poisson", and the order of the levels of ``Quantile(non_crossing=True)``. They are computed
    at double precision and returned at the precision of the input, as an array of shape (n_samples,
    n_outputs). Offsets are not part of the converted model.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    See Also
    --------
    BatchGDRegressor.predict : The predictions that the converted model computes.

    Examples
    --------
    >>> import numpy as np
    >>> import skgd
    >>> X = np.arange(8.0)[:, None]
    >>> model = skgd.BatchGDRegressor("poisson").fit(X, np.exp(X[:, 0] / 4))
    >>> skgd.onnx.register_converters()  # doctest: +SKIP
    >>> from skl2onnx import to_onnx  # doctest: +SKIP
    >>> onnx_model = to_onnx(model, X)  # doctest: +SKIP
    """
    try:
        from skl2onnx import update_registered_converter
    except ImportError as error:
        raise ImportError(
            "skgd.onnx needs skl2onnx, which is not installed. Run: pip install skgd[onnx]"
        ) from error
    for cls in (BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor):
        name = f"Skgd{cls.__name__}"
        update_registered_converter(cls, name, set_output_type, add_nodes, overwrite=True)


def set_output_type(operator):
    """Set the type of the predictions: double for double input, otherwise float."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    variable = operator.inputs[0]
    is_double = isinstance(variable.type, DoubleTensorType)
    n_outputs = len(np.atleast_1d(operator.raw_operator.intercept_))
    shape = [variable.get_first_dimension(), n_outputs]
    operator.outputs[0].type = (DoubleTensorType if is_double else FloatTensorType)(shape)


def add_nodes(scope, operator, container):
    """Add the nodes that compute the predictions of a regressor."""
    from onnx import TensorProto
    from skl2onnx.common.data_types import DoubleTensorType

    model = operator.raw_operator

    def constant(value, dtype=TensorProto.DOUBLE):
        name, array = scope.get_unique_variable_name("constant"), np.asarray(value)
        container.add_initializer(name, dtype, array.shape, array.ravel().tolist())
        return name

    def node(kind, *inputs, outputs=None, n_outputs=1, **attributes):
        if outputs is None:
            outputs = [scope.get_unique_variable_name(kind.lower()) for _ in range(n_outputs)]
        name = scope.get_unique_operator_name(kind)
        container.add_node(kind, list(inputs), outputs, name=name, **attributes)
        return outputs[0]

    coef = model.coef_.toarray() if issparse(model.coef_) else model.coef_
    coef, intercept = coef.reshape(-1, model.n_features_in_).T, model.intercept_.reshape(-1)
    rows = node("Cast", operator.inputs[0].full_name, to=TensorProto.DOUBLE)
    linear_predictors = node("Add", node("MatMul", rows, constant(coef)), constant(intercept))
    predictions = add_loss(model.loss_, linear_predictors, node, constant)
    is_double = isinstance(operator.outputs[0].type, DoubleTensorType)
    dtype = TensorProto.DOUBLE if is_double else TensorProto.FLOAT
    node("Cast", predictions, outputs=[operator.outputs[0].full_name], to=dtype)


def add_loss(loss, p, node, constant):
    """Add the nodes of ``loss.predict``, and return the name of their result.

    Parameters
    ----------
    loss : Loss
        The loss.
    p : str
        Name of the linear predictors.
    node : callable
        ``node(kind, *inputs, outputs=None, n_outputs=1, **attributes)`` adds a node and returns
        the name of its first output.
    constant : callable
        ``constant(value, dtype)`` adds a constant and returns its name.
    """
    from onnx import TensorProto

    cls = type(loss)
    if cls.inverse_link is LogLinkLoss.inverse_link:
        return node("Exp", p)
    if cls.inverse_link is Binomial.inverse_link:  # the operator Sigmoid is inexact in its tails
        numerator = node("Exp", node("Min", p, constant(0.0)))
        tail = node("Exp", node("Neg", node("Abs", p)))
        return node("Div", numerator, node("Add", tail, constant(1.0)))
    if cls.predict is Quantile.predict and loss.non_crossing and loss.n_outputs is not None:
        n_levels = constant([loss.n_outputs], TensorProto.INT64)
        return node("TopK", p, n_levels, n_outputs=2, axis=-1, largest=0, sorted=1)
    if cls.inverse_link is Loss.inverse_link and cls.predict in (Loss.predict, Quantile.predict):
        return p
    raise NotImplementedError(
        f"{loss!r} has an inverse link of its own, which cannot be converted to ONNX. Convert the "
        "model with skl2onnx.update_registered_converter and a converter of your own."
    )
