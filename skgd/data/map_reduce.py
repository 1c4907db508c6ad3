"""Calls of a function on chunks, and the sum of their results."""

from skgd._utils.floating_point import ignore_overflow


def call_for_chunk(function, number, *args):
    """Return ``function(*args)``; a ValueError is raised again with the number of the chunk.

    Overflow is detected from non-finite values, so NumPy's warnings are silenced. This is done
    here because each thread has its own error state.
    """
    try:
        with ignore_overflow():
            return function(*args)
    except ValueError as error:
        named = type(error)(f"Chunk {number} of the data: {error}")
        vars(named).update(vars(error))  # such as those of a DivergenceError
        raise named from error


def add_results(results):
    """Return the sum of the results that are not None; raise ValueError if there are none."""
    total = None
    for result in results:
        if result is not None:
            total = result if total is None else total + result
    if total is None:
        raise ValueError("The data has no row with positive weight; a fit needs one.")
    return total
