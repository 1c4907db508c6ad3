"""
Learning-rate schedules
=======================

The learning rate of each schedule during a fit of 50 epochs with 20 updates each. A
schedule is a function of the number of the update, or of the epoch;
:class:`~skgd.ScheduleDisplay` plots it.
"""

# %%
# Curves
# ------
# Most schedules start at 0.1. ``Adaptive`` is not shown: its learning rate is constant until the
# objective stops improving.

import sys

import matplotlib.pyplot as plt

from skgd import ScheduleDisplay, schedules

EPOCHS, UPDATES = 50, 20
panels = {
    "powers of t": {
        "Constant": schedules.Constant(eta0=0.1),
        "InverseScaling(power_t=0.25)": schedules.InverseScaling(eta0=0.1),
        "InverseScaling(power_t=0.5)": schedules.InverseScaling(eta0=0.1, power_t=0.5),
        "TimeDecay(t0=5, t1=50)": schedules.TimeDecay(t0=5, t1=50),
    },
    "geometric decay": {
        "StepDecay": schedules.StepDecay(eta0=0.1),
        "ExponentialDecay": schedules.ExponentialDecay(eta0=0.1),
    },
    "depending on the length of the fit": {
        "PolynomialDecay": schedules.PolynomialDecay(eta0=0.1),
        "PolynomialDecay(power=2)": schedules.PolynomialDecay(eta0=0.1, power=2),
        "CosineDecay": schedules.CosineDecay(eta0=0.1),
        "OneCycle": schedules.OneCycle(peak=0.1),
    },
    "composed": {
        "LinearWarmup of Constant": schedules.LinearWarmup(schedules.Constant(eta0=0.1), length=10),
        "LinearWarmup of CosineDecay": schedules.LinearWarmup(
            schedules.CosineDecay(eta0=0.1), length=10
        ),
        "Join of Constant and CosineDecay": schedules.Join(
            (schedules.Constant(eta0=0.1), schedules.CosineDecay(eta0=0.1)), at=(25,)
        ),
    },
}

figure, axes = plt.subplots(2, 2, figsize=(9, 6), layout="constrained", sharex=True, sharey=True)
for ax, (title, family) in zip(axes.flat, panels.items(), strict=True):
    ScheduleDisplay.from_schedule(
        family, max_iter=EPOCHS, updates_per_epoch=UPDATES, ax=ax, yscale="log"
    )
    ax.set(title=title, ylim=(1e-4, 0.2))
    ax.legend(loc="lower left", fontsize="small")
    ax.label_outer()

# %%
# Schedules in a fit
# ------------------
# A schedule is a value of ``learning_rate``, and its parameters can be searched, as in
# ``{"learning_rate__eta0": [0.01, 0.1]}``.

from sklearn.datasets import load_diabetes

from skgd import MiniBatchGDRegressor

X, y = load_diabetes(return_X_y=True, scaled=False)
for rate in (schedules.CosineDecay(eta0=0.1), schedules.OneCycle(peak=0.1), "auto"):
    model = MiniBatchGDRegressor(learning_rate=rate, max_iter=50, tol=None, random_state=0)
    print(f"{type(rate).__name__:12}  R² = {model.fit(X, y).score(X, y):.4f}")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
else:
    plt.show()
