"""Parallel map-reduce over chunks of rows, with as many threads as BLAS would use.

BLAS splits each matrix product among its threads. Where the products are cheap compared with the
single-threaded NumPy operations around them, splitting the rows among threads is faster.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Lock

import numpy as np
from threadpoolctl import ThreadpoolController


def map_reduce_in_threads(function, items, reduce):
    """Return ``reduce(map(function, items))``, computed in several threads.

    BLAS runs with one thread meanwhile. `reduce` receives the results in the order of `items`, so
    its value does not depend on the number of threads. The caller's ``np.errstate`` settings apply
    in every thread.

    Parameters
    ----------
    function : callable
        Called with one item; should release the GIL for most of its run time.
    items : sequence
        Arguments of the calls.
    reduce : callable
        Called with an iterable of the results.

    Returns
    -------
    object
        The value of `reduce`.
    """
    n_threads = min(count_blas_threads(), len(items))
    if n_threads < 2:
        return reduce(map(function, items))
    errstate = np.geterr()

    def call(item):
        with np.errstate(**errstate):  # NumPy's settings are thread-local
            return function(item)

    with single_blas_thread(), ThreadPoolExecutor(n_threads) as pool:
        try:
            return reduce(pool.map(call, items))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # after an error, skip pending calls


#: Held by the thread that has set the number of threads of BLAS, and will restore it.
_blas_limit_lock = Lock()


@contextmanager
def single_blas_thread():
    """Limit BLAS to one thread in the block.

    The number of threads is a property of the process. Where blocks overlap, in one thread or in
    several, only the first sets and restores it. If each did, the last one to end would restore the
    limit of another.
    """
    if not _blas_limit_lock.acquire(blocking=False):
        yield
        return
    try:
        with threadpool_controller().limit(limits=1, user_api="blas"):
            yield
    finally:
        _blas_limit_lock.release()


@cache
def threadpool_controller():
    """Return threadpoolctl's controller, cached because creating it scans the loaded libraries."""
    return ThreadpoolController()


def count_blas_threads():
    """Return the number of threads that BLAS currently uses."""
    libraries = threadpool_controller().select(user_api="blas").lib_controllers
    return max((library.num_threads or 1 for library in libraries), default=1)
