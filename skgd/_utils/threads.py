"""Work on parts, in as many threads as BLAS would use.

BLAS splits each product among its threads. Where products are small beside what has to be done
around them, and NumPy does that in one thread, it is better to split the rows.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController


def map_reduce_in_threads(function, items, together):
    """Return ``together(map(function, items))``; each thread has a BLAS of one thread.

    Results come in order, and what they are put together to does not depend on the number of
    threads. NumPy's settings for numbers out of bounds are the caller's in each of them.

    Parameters
    ----------
    function : callable
        What to do with an item; its work is done outside Python's lock, mostly.
    items : sequence
        What to work on.
    together : callable
        Takes an iterable of results.
    """
    threads = min(blas_threads(), len(items))
    if threads < 2:
        return together(map(function, items))
    settings = np.geterr()

    def as_here(item):
        with np.errstate(**settings):
            return function(item)

    with libraries().limit(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        try:
            return together(pool.map(as_here, items))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # an error ends the work


@cache
def libraries():
    """Return what knows the libraries that have threads of their own."""
    return ThreadpoolController()


def blas_threads():
    """Return how many threads BLAS has now."""
    found = libraries().select(user_api="blas").lib_controllers
    return max((library.num_threads or 1 for library in found), default=1)
