"""Gradient descent on arbitrary functions, and checks of their gradients."""

from skgd.minimization._finite_differences import approx_gradient, check_gradient
from skgd.minimization._minimize import maximize, minimize

__all__ = ["approx_gradient", "check_gradient", "maximize", "minimize"]
