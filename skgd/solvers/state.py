"""The state of a descent."""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class State:
    """All that a descent carries from one epoch, and one call, to the next; it pickles.

    It is replaced, never changed.

    Parameters
    ----------
    theta : array of shape (d + 1,) or (k, d + 1)
        Scaled parameters; the last column is the intercept.
    averaged_theta : array of the same shape
        Their running average.
    l1_total, l1_applied : arrays of the same shape
        The total l1 penalty so far, and what has been applied of it to each coefficient (u and q of
        Tsuruoka et al., 2009).
    rng : numpy.random.Generator
        Source of the row orders.
    optimizer_state : tuple of arrays, default=()
        State of an elementwise optimizer, in the order of its `state_names`.
    state_names : tuple of str, default=()
        Names of these arrays.
    t : int, default=1
        1 + number of updates made.
    lr_multiplier : float, default=1.0
        What the scheduled learning rates are multiplied by.
    solver_state : dict, default={}
        What a solver needs in later calls, by name.
    criterion_states : tuple, default=()
        States of the stopping criteria.
    divergence_count : int, default=0
        Epochs in a row with an objective far above its start.
    reference_objective : float, default=0.0
        Objective that divergence is measured by, from the call that began the descent.
    reports_average : bool, default=False
        Whether the average is the model at any rate, since the solver averages by itself.
    """

    theta: np.ndarray
    averaged_theta: np.ndarray
    l1_total: np.ndarray
    l1_applied: np.ndarray
    rng: np.random.Generator
    optimizer_state: tuple = ()
    state_names: tuple = ()
    t: int = 1
    lr_multiplier: float = 1.0
    solver_state: dict = field(default_factory=dict)
    criterion_states: tuple = ()
    divergence_count: int = 0
    reference_objective: float = 0.0
    reports_average: bool = False

    def replace(self, **changes):
        """Return a copy with some fields changed, in a tenth of the time of dataclasses.replace."""
        twin = object.__new__(State)
        twin.__dict__ = {**self.__dict__, **changes}
        return twin

    @classmethod
    def initial(cls, theta, rng):
        """Return the state of a descent that starts at `theta`."""
        return cls(theta, *(np.zeros_like(theta) for _ in range(3)), rng=rng)

    def for_optimizer(self, optimizer):
        """Return the state with the initial state of an optimizer, unless it has its state already.

        The arrays of the state are recognised by their names: Nesterov's momentum continues with
        the velocity of the heavy ball, and Adam after it starts with zeros.
        """
        names, fresh = optimizer.state_names, optimizer.init(self.theta)
        if self.state_names == names and len(self.optimizer_state) == len(fresh):
            return self
        solver_state = {name: p for name, p in self.solver_state.items() if name != "optimizer"}
        return self.replace(optimizer_state=fresh, state_names=names, solver_state=solver_state)

    def model(self, average):
        """Return the parameters of the model: their average from the update `average` on.

        Parameters
        ----------
        average : int
            The first update that enters the average; 0 means that there is none.
        """
        if self.reports_average or 0 < average <= self.t - 1:
            return self.averaged_theta
        return self.theta
