"""How loops are compiled, and where their machine code is kept."""

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit, typeof, types
from numba.core import errors
from numba.extending import intrinsic

#: Sums may be reordered and fused. The full flag would make ``isfinite(nan)`` true.
FASTMATH = {"reassoc", "contract", "arcp", "nsz"}

#: How loops are compiled. A division by zero is infinite, as in NumPy.
OPTIONS: Any = {
    "fastmath": FASTMATH,
    "error_model": "numpy",
    "nogil": True,
    "no_cfunc_wrapper": True,
}

#: The same for what they are made of. What Python would need to call it is left out: that takes a
#: third of the time of compiling.
INNER: Any = {**OPTIONS, "no_cpython_wrapper": True}

#: The same for parts that Numba finds by the types of their arguments.
PART: Any = {name: option for name, option in INNER.items() if name != "nogil"}

#: What Numba raises where it cannot compile. The second is no subclass of the first, and older
#: versions lack it.
REFUSALS = errors.NumbaError, getattr(errors, "UnsupportedBytecodeError", errors.NumbaError)

#: Decorator of the functions that kernels are made of.
inline = njit(**INNER)

#: The same for small functions of many arrays: a call would take longer than their work. It is LLVM
#: that merges them; with ``inline="always"`` Numba itself would, and confuses variables in loops.
force_inline = njit(**INNER, forceinline=True)

#: Such functions where Numba finds them by the types of their arguments.
MERGED_PART: Any = {**PART, "forceinline": True}


@intrinsic
def without_refcount(context, value):
    """Return an array, or a named tuple with arrays, without counting references to it.

    Whoever calls a function holds its arguments until it returns. Still, each array that is taken
    out of a tuple within a loop would be counted up and down, which costs more than a short row.
    """

    def generate(context, builder, signature, arguments):
        return uncounted(context, builder, signature.args[0], arguments[0])

    return value(value), generate


def uncounted(context, builder, kind, value):
    """Return the code for a value whose arrays say that nobody owns them."""
    if isinstance(kind, types.Array):
        made = context.make_array(kind)(context, builder, value)
        made.meminfo = made.meminfo.type(None)
        made.parent = made.parent.type(None)
        return made._getvalue()
    if isinstance(kind, types.BaseTuple):
        for k, part in enumerate(kind.types):
            inner = uncounted(context, builder, part, builder.extract_value(value, k))
            value = builder.insert_value(value, inner, k)
    return value


class NotCompilableError(TypeError):
    """A piece of the user's own cannot be compiled."""


class Kernel:
    """A compiled epoch, for every combination of argument types that it is called with.

    Machine code for the pieces of this package is kept on disk, beside the code or in the user's
    cache directory, for the next process. An edited formula must never find the machine code of the
    old one, and Numba looks at the kernel's own file only: so the kernel's qualified name, by which
    its cache is filed, ends in a hash of all sources. Code for pieces of the user's own is not
    kept: reading it back needs their modules.

    Parameters
    ----------
    function : callable
        The loops.
    """

    def __init__(self, function):
        self.function = function
        self.dispatchers = {}
        self.known = {}  # machine code by kinds of arguments

    def compiled(self, arguments, keep):
        """Return the machine code for arguments of these types.

        Parameters
        ----------
        arguments : tuple
            What the code will be called with; later calls must have the same types.
        keep : bool
            Whether the code is read from disk and kept there.

        Returns
        -------
        callable

        Raises
        ------
        NotCompilableError
            If Numba cannot compile a piece.
        """
        kinds = keep, kind_of(arguments)
        if kinds not in self.known:
            self.known[kinds] = self._found(arguments, keep)
        return self.known[kinds]

    def _found(self, arguments, keep):
        try:
            signature = tuple(map(typeof, arguments))
            if keep:
                try:
                    return self._compiled(signature, cached=True)
                except REFUSALS:
                    raise
                except Exception:  # no place to write, a damaged index, a full disk, …
                    pass
            return self._compiled(signature, cached=False)
        except REFUSALS as error:
            raise NotCompilableError(reason(error)) from error

    def _compiled(self, signature, cached):
        dispatcher = self.dispatchers.get(cached)
        if dispatcher is None:
            if cached:
                self.function.__qualname__ = f"{self.function.__name__}_{digest()}"
            dispatcher = njit(**OPTIONS, cache=cached)(self.function)
            self.dispatchers[cached] = dispatcher
        if signature not in dispatcher.overloads:
            dispatcher.compile(signature)
        return dispatcher.get_overload(signature)


def kind_of(value):
    """Return what tells types of arguments apart, in a fraction of the time that Numba's take."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.ndim, value.flags.num
    if isinstance(value, tuple):
        return type(value), *map(kind_of, value)
    return type(value)


def reason(error):
    """Return the line of Numba's message that says what it did not like."""
    found = re.search(r"^(.+)\n\s*\n\s*File ", str(error), re.MULTILINE)
    return found[1].strip() if found else str(error).strip().splitlines()[-1]


@cache
def digest():
    """Return a short hash of the package's sources."""
    root = Path(__file__).parents[2]
    sources = sorted(root.rglob("*.py"))
    text = b"".join(str(path.relative_to(root)).encode() + path.read_bytes() for path in sources)
    return hashlib.sha256(text).hexdigest()[:16]
