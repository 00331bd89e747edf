"""The authors' command line: it speaks a newsletter's public API, and nothing else."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("broadsheet-cli")
except PackageNotFoundError:  # run from its source, as the Action does
    __version__ = "0+source"
