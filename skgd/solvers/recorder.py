"""What a descent records: the history, the validation score and the trajectory."""

from time import perf_counter

import numpy as np

from skgd.solvers.trajectory import Trajectory


class Recorder:
    """Appends the epochs of a descent to a history.

    Parameters
    ----------
    problem : Problem
        What is minimised.
    solver : Solver
        What minimises it.
    validate : callable or None
        Takes scaled parameters and returns the score on the validation rows.
    history : History
        What is appended to.

    Attributes
    ----------
    last_row : dict
        Numbers of the last epoch, also where the history holds nothing.
    """

    def __init__(self, problem, solver, validate, history):
        self.problem, self.solver = problem, solver
        self.validate, self.history = validate, history
        self.start_time = perf_counter() - history.last_time
        self.earlier_epochs = max(history.last_epoch, 0)
        self.last_row = {}

    def record(self, state, info, n_epochs, learning_rate):
        """Append the row of an epoch, and return it.

        Parameters
        ----------
        state : State
            After the epoch.
        info : EpochInfo
            What the solver reports of it.
        n_epochs : int
            Number of epochs of this call so far.
        learning_rate : float
            Rate of the last update.
        """
        row = {
            "epoch": self.earlier_epochs + n_epochs,
            "learning_rate": float(learning_rate),
            "time": perf_counter() - self.start_time,
        }
        model = state.model(self.problem.average)
        if self.solver.is_exact:
            row["objective"], row["gradient_norm"] = info.objective, info.gradient_norm
        else:
            row["running_objective"] = float(info.objective)
            if self.problem.record in ("objective", "path"):
                objective = self.problem.objective
                point = objective.evaluate(model)
                row["objective"] = point.value
                row["gradient_norm"] = objective.min_subgradient_norm(point)
        if self.validate is not None:
            row["validation_score"] = self.validate(model)
        self.last_row = dict(row)
        if self.problem.record is not None:
            self.history.append(**row)
        return row

    def record_together(self, trace, n_before, rates, call_start):
        """Append the rows of epochs that ran in one call; each gets an equal share of its time.

        Parameters
        ----------
        trace : EpochTrace
            The epochs.
        n_before : int
            Number of epochs of this call before them.
        rates : array of shape (n_epochs,)
            The last learning rate of each of them.
        call_start : float
            When the call began.
        """
        number, first = len(rates), self.earlier_epochs + n_before + 1
        share = (perf_counter() - call_start) / number
        times = call_start - self.start_time + share * np.arange(1, number + 1)
        rows = {
            "epoch": list(range(first, first + number)),
            "learning_rate": rates.tolist(),
            "time": times.tolist(),
            "running_objective": trace.objectives[:number].tolist(),
        }
        self.last_row = {name: column[-1] for name, column in rows.items()}
        if self.problem.record is not None:
            self.history.extend(rows)

    def start_trajectory(self, state):
        """Return the trajectory of the earlier calls, or a new one, from here on; or None."""
        if self.problem.record != "path":
            return None
        coef, intercept = self.original_model(state)
        earlier = self.history.path
        trajectory = earlier.copy() if earlier else Trajectory(coef.shape)
        trajectory.begin(state.t - 1, coef, intercept)
        return trajectory

    def add_to_trajectory(self, trajectory, state):
        """Add the model of a state to a trajectory."""
        trajectory.add(state.t - 1, *self.original_model(state))

    def original_model(self, state):
        """Return coefficients and intercept in the units of the data."""
        model, bounds = state.model(self.problem.average), self.problem.bounds
        return self.problem.objective.design.scaling.to_original(model, bounds)
