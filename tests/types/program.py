"""A user's program under strict type checking; `make lint` checks it, it is never run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_type

import numpy as np

from skgd import (
    BatchGDRegressor,
    ConvergenceDisplay,
    DescentPathDisplay,
    EarlyStopping,
    LearningRateDisplay,
    MiniBatchGDRegressor,
    ScheduleDisplay,
    SGDRegressor,
    learning_rate_range_test,
    losses,
    optimizers,
    penalties,
    schedules,
)


@dataclass(frozen=True)
class Cubed(losses.Loss):
    """A user-defined loss."""

    scale: float = 1.0

    def value(self, p: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return scale * abs(p - y)**3."""
        cubes: np.ndarray = self.scale * np.abs(p - y) ** 3
        return cubes

    def gradient(self, p: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the derivative with respect to p."""
        gradient: np.ndarray = 3 * self.scale * (p - y) * np.abs(p - y)
        return gradient


X, y = np.ones((5, 2)), np.ones(5)
batch = BatchGDRegressor(losses.Huber(epsilon=0.5), penalty="l1", alpha=0.1, record="path")
assert_type(batch.fit(X, y, sample_weight=[1.0] * 5), BatchGDRegressor)
small = MiniBatchGDRegressor(Cubed(), optimizer=optimizers.Adam(), batch_size=8)
assert_type(small.partial_fit(X, y), MiniBatchGDRegressor)
sgd = SGDRegressor(penalty=penalties.L2(0.1), learning_rate=schedules.CosineDecay(eta0=0.1))
assert_type(sgd.set_params(learning_rate=lambda t: 1 / t), SGDRegressor)
assert_type(sgd.fit(X, y, None, None, y), SGDRegressor)
rows: int = len(sgd.predict(X, offset=y))
counts = BatchGDRegressor("poisson").fit(X, y, offset=y, X_val=X, y_val=y, offset_val=y)
assert_type(counts.score(X, y, offset=y), float)
assert_type(losses.Quantile(level=[0.1, 0.9], non_crossing=True), losses.Quantile)
objective: np.ndarray = batch.history_["objective"]
updates: int = sgd.t_
assert_type(losses.Huber().replace(epsilon=2.0), losses.Huber)
rates: Callable[[int], float] = schedules.StepDecay(decay=0.5).resolve(max_iter=10)
assert_type(ConvergenceDisplay.from_estimator([batch, sgd], names=["a", "b"]), ConvergenceDisplay)
assert_type(DescentPathDisplay.from_estimator(batch, X, y, coefs=(0, 1)), DescentPathDisplay)
assert_type(ScheduleDisplay.from_schedule("cosine", max_iter=3), ScheduleDisplay)
suggestion: float = learning_rate_range_test(batch, X, y).suggestion
LearningRateDisplay(learning_rate_range_test(batch, X, y)).plot(line_kw={"linewidth": 2})
batch.set_callbacks(EarlyStopping(patience=3))
