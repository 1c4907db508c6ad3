"""Construction of an objective from data and a specification."""

from skgd.objectives.chunked import ChunkedObjective
from skgd.objectives.empirical_risk import Objective


def build(data, spec, mean_weight=None):
    """Return the objective of a specification on data in memory or in chunks.

    Parameters
    ----------
    data : InMemoryData or ChunkedData
        The rows.
    spec : ObjectiveSpec
        Scaling, loss and penalty.
    mean_weight : float or None, default=None
        Divisor of the weights; None leaves them unchanged.

    Returns
    -------
    Objective or ChunkedObjective
    """
    if data.is_chunked:
        return ChunkedObjective(data, spec, mean_weight)
    return Objective.from_data(data, spec, mean_weight)
