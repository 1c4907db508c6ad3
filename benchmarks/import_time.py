"""What ``import skgd`` adds to ``import sklearn.linear_model``, in fresh processes.

Run ``python benchmarks/import_time.py``.
"""

import os
import statistics
import subprocess
import sys

from measure import machine

PROCESSES = 15

CODE = """
import time
import sklearn.linear_model
start = time.perf_counter()
import skgd
print(time.perf_counter() - start)
"""


def seconds():
    """Return the seconds that the import takes in a new process, byte code at hand."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", CODE]
    return float(
        subprocess.run(command, capture_output=True, check=True, text=True, env=env).stdout
    )


if __name__ == "__main__":
    print(machine())
    seconds()  # writes the byte code
    times = [seconds() for _ in range(PROCESSES)]
    print(f"import skgd: {1e3 * statistics.median(times):.0f} ms (least {1e3 * min(times):.0f} ms)")
