"""Shared helpers: component base classes, parameter validation, threads and versions."""
