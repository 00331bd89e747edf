"""The authors' command line: it speaks a newsletter's public API, and nothing else."""

__version__ = "0.1.0"
