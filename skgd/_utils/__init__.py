"""Helpers of every package: components, validation, threads, versions."""
