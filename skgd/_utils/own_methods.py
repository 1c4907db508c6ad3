"""Public classes as the owners of their methods."""

from functools import update_wrapper
from types import FunctionType


def own_public_methods(cls):
    """Copy the public methods that a class inherits from internal classes of the package.

    Python's message about a wrong argument names the class that defines the method.
    """
    for base in cls.__mro__[1:]:
        if not base.__module__.startswith("skgd."):
            continue
        for name, method in vars(base).items():
            if not isinstance(method, FunctionType) or name.startswith("_") or name in vars(cls):
                continue
            own = FunctionType(
                *(method.__code__, method.__globals__, name, method.__defaults__),
                closure=method.__closure__,
            )
            own = update_wrapper(own, method)
            del own.__wrapped__
            own.__kwdefaults__ = method.__kwdefaults__
            own.__qualname__ = f"{cls.__qualname__}.{name}"
            setattr(cls, name, own)
    return cls
