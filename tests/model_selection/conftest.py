"""Searches with several jobs run in threads."""

import pytest
from joblib import parallel_config


@pytest.fixture(autouse=True)
def jobs_in_threads():
    """Run jobs in threads: joblib restarts processes that compile loops as memory leaks."""
    with parallel_config(backend="threading"):
        yield
