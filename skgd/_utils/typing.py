"""Types in the signatures of public names. Only type checkers import this module."""

from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray


class SparseMatrix(Protocol):
    """A SciPy sparse matrix or sparse array."""

    def tocsr(self) -> Any:
        """Return the matrix in CSR format."""
        ...


Array: TypeAlias = NDArray[Any]
MatrixLike: TypeAlias = ArrayLike | SparseMatrix
RandomState: TypeAlias = int | np.random.RandomState | None
Names: TypeAlias = str | list[str] | None
Options: TypeAlias = dict[str, Any] | None

__all__ = ["Array", "ArrayLike", "MatrixLike", "Names", "Options", "RandomState", "SparseMatrix"]
