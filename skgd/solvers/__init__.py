"""The descent loop and the solvers that run its epochs."""
