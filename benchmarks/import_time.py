"""What fresh processes wait for: ``import skgd``, the first fit ever, and the first of a process.

Run ``python benchmarks/import_time.py``. The import is measured on top of ``import
sklearn.linear_model``. The first fit ever finds an empty ``NUMBA_CACHE_DIR`` and compiles; that of
the processes after it finds machine code there.
"""

import os
import statistics
import subprocess
import sys
from tempfile import TemporaryDirectory

from measure import machine

PROCESSES = 15

IMPORT = """
import time
import sklearn.linear_model
start = time.perf_counter()
import skgd
print(time.perf_counter() - start)
"""

FIT = """
import time
import numpy as np
import skgd
X = np.random.default_rng(0).normal(size=(1000, 5))
model = skgd.{model}
start = time.perf_counter()
model.fit(X, X[:, 0])
print(time.perf_counter() - start)
"""

MODELS = [
    "SGDRegressor()",
    "SGDRegressor(penalty='l1', average=True)",
    "MiniBatchGDRegressor(learning_rate=0.01)",
    "MiniBatchGDRegressor()",
]


def seconds(code, **env):
    """Return the seconds that code prints in a new process, byte code at hand."""
    env |= {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-W", "ignore", "-c", code]
    return float(
        subprocess.run(command, capture_output=True, check=True, text=True, env=env).stdout
    )


if __name__ == "__main__":
    print(machine())
    seconds(IMPORT)  # writes the byte code
    times = [seconds(IMPORT) for _ in range(PROCESSES)]
    print(f"import skgd: {1e3 * statistics.median(times):.0f} ms (least {1e3 * min(times):.0f} ms)")
    for model in MODELS:
        with TemporaryDirectory() as cache:
            code = FIT.format(model=model)
            first = seconds(code, NUMBA_CACHE_DIR=cache)
            later = [seconds(code, NUMBA_CACHE_DIR=cache) for _ in range(5)]
        print(f"{model}: first fit ever {first:.2f} s, then {statistics.median(later):.2f} s")
