"""The authors' command line: it speaks a newsletter's public API, and nothing else."""

from importlib.metadata import version

__version__ = version("broadsheet-cli")
