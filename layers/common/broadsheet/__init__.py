"""The package that every function imports."""

__version__ = "0.1.0"
