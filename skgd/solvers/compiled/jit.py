"""How loops are compiled, and where their machine code is cached."""

import hashlib
import re
from functools import cache, partial, update_wrapper
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, typeof, types
from numba.core import cgutils, errors
from numba.extending import intrinsic, overload
from numba.np.arrayobj import populate_array

#: Sums may be reordered and fused. The full flag would make ``isfinite(nan)`` true.
FASTMATH = {"reassoc", "contract", "arcp", "nsz"}

#: Options of loops. A division by zero is infinite, as in NumPy.
LOOP_OPTIONS: Any = {
    "fastmath": FASTMATH,
    "error_model": "numpy",
    "nogil": True,
    "no_cfunc_wrapper": True,
}

#: Options of the functions that loops call. They have no wrapper for calls from Python, which takes
#: a third of the compile time.
FUNCTION_OPTIONS: Any = {**LOOP_OPTIONS, "no_cpython_wrapper": True}

#: What Numba raises if it cannot compile. The second is no subclass of the first, and older
#: versions lack it.
COMPILE_ERRORS = errors.NumbaError, getattr(errors, "UnsupportedBytecodeError", errors.NumbaError)

#: Decorator of the functions that loops call.
jit_function = njit(**FUNCTION_OPTIONS)

#: The same for small functions of many arrays, where a call takes longer than the work. They are
#: inlined by LLVM: Numba's own ``inline="always"`` mixes up variables in loops.
force_inline = njit(**FUNCTION_OPTIONS, forceinline=True)


def by_type(select, **options):
    """Return a function that loops call, whose implementation depends on the types of arguments.

    Parameters
    ----------
    select : callable
        Takes Numba's types of the arguments; returns a Python function of the arguments, which is
        compiled.
    **options
        Further options of the compiler.

    Returns
    -------
    callable
    """

    def function(*arguments):
        raise NotImplementedError(f"{select.__name__} can only be called by compiled functions")

    options = {**FUNCTION_OPTIONS, **options}
    del options["nogil"]  # no option of overloads
    overload(update_wrapper(function, select), jit_options=options, strict=False)(select)
    return function


#: The same for functions that are always inlined; see :data:`force_inline`.
force_inline_by_type = partial(by_type, forceinline=True)


def is_none(numba_type):
    """Return whether a type is that of None."""
    return isinstance(numba_type, types.NoneType)


@intrinsic
def without_refcount(context, value):
    """Return an array, or a tuple with arrays, whose references are not counted.

    The caller of a compiled function holds its arguments until it returns. Still, the reference
    count of each array that is read from a tuple within a loop would be increased and decreased,
    which takes longer than the update on a short row.
    """

    def generate(context, builder, signature, arguments):
        return _drop_owner(context, builder, signature.args[0], arguments[0])

    return value(value), generate


def _drop_owner(context, builder, numba_type, value):
    """Return the code for a value whose arrays have no owner, so that nothing is counted."""
    if isinstance(numba_type, types.Array):
        array = context.make_array(numba_type)(context, builder, value)
        array.meminfo = array.meminfo.type(None)
        array.parent = array.parent.type(None)
        return array._getvalue()
    if isinstance(numba_type, types.BaseTuple):
        for index, item_type in enumerate(numba_type.types):
            item = builder.extract_value(value, index)
            item = _drop_owner(context, builder, item_type, item)
            value = builder.insert_value(value, item, index)
    return value


#: Items of an array on the stack.
STACK_ITEMS = 64


@intrinsic
def stack_array(context):
    """Return a new array of :data:`STACK_ITEMS` numbers on the stack, which is not initialised.

    LLVM knows that no other array overlaps it, and so vectorises loops that write to several
    arrays. It must not be returned.
    """
    array_type = types.Array(types.float64, 1, "C")

    def generate(context, builder, signature, arguments):
        number = context.get_data_type(types.float64)
        memory = cgutils.alloca_once(builder, ir.ArrayType(number, STACK_ITEMS))
        array = context.make_array(array_type)(context, builder)
        populate_array(
            array,
            data=builder.bitcast(memory, number.as_pointer()),
            shape=[context.get_constant(types.intp, STACK_ITEMS)],
            strides=[context.get_constant(types.intp, np.dtype(float).itemsize)],
            itemsize=context.get_constant(types.intp, np.dtype(float).itemsize),
            meminfo=None,
        )
        return array._getvalue()

    return array_type(), generate


class NotCompilableError(TypeError):
    """Numba cannot compile a component of the user's own."""


class CompiledLoop:
    """A loop that is compiled for each combination of argument types it is called with.

    Machine code for components of this package is cached on disk, beside the source or in the
    user's cache directory, and loaded by the next process. An edited formula must never run the
    machine code of the old one, and Numba looks only at the file that defines the loop. So the
    loop's qualified name, under which its machine code is cached, ends in a hash of all sources.
    Code for a user's own components is not cached: loading it needs their modules.

    Parameters
    ----------
    function : callable
        The loop in Python.
    """

    def __init__(self, function):
        self.function = function
        self.dispatchers = {}  # by whether they cache on disk
        self.machine_code = {}  # by whether it is cached on disk, and argument types

    def compile_for(self, arguments, cache):
        """Return the machine code for arguments of these types.

        Parameters
        ----------
        arguments : tuple
            Arguments of the types that later calls will have.
        cache : bool
            Whether the machine code is loaded from disk and stored there.

        Returns
        -------
        callable

        Raises
        ------
        NotCompilableError
            If Numba cannot compile a component.
        """
        key = cache, type_key(arguments)
        if key not in self.machine_code:
            self.machine_code[key] = self._load_or_compile(arguments, cache)
        return self.machine_code[key]

    def _load_or_compile(self, arguments, cache):
        try:
            signature = tuple(map(typeof, arguments))
            if cache:
                try:
                    return self._compile(signature, cache=True)
                except COMPILE_ERRORS:
                    raise
                except Exception:  # no writable directory, a damaged index, a full disk, …
                    pass
            return self._compile(signature, cache=False)
        except COMPILE_ERRORS as error:
            raise NotCompilableError(error_summary(error)) from error

    def _compile(self, signature, cache):
        if cache not in self.dispatchers:
            if cache:
                self.function.__qualname__ = f"{self.function.__name__}_{source_hash()}"
            self.dispatchers[cache] = njit(**LOOP_OPTIONS, cache=cache)(self.function)
        return self.dispatchers[cache].compile(signature)


def type_key(value):
    """Return a hashable value that differs where Numba's types differ, in less time than these."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.ndim, value.flags.num
    if isinstance(value, tuple):
        return type(value), *map(type_key, value)
    return type(value)


def error_summary(error):
    """Return the line of Numba's error message that names the cause."""
    match = re.search(r"^(.+)\n\s*\n\s*File ", str(error), re.MULTILINE)
    return match[1].strip() if match else str(error).strip().splitlines()[-1]


@cache
def source_hash():
    """Return a short hash of the package's sources."""
    root = Path(__file__).parents[2]
    sources = sorted(root.rglob("*.py"))
    text = b"".join(str(path.relative_to(root)).encode() + path.read_bytes() for path in sources)
    return hashlib.sha256(text).hexdigest()[:16]
