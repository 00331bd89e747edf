"""Stands in for ``python -m venv FOLDER``, and for ``pip install`` in it, without an index.

The environment that it makes has this machine's packages; what is to be installed must be among
them, in the pinned version. It runs as a program, in place of both.
"""

import re
import sys
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement


def make_environment(folder: Path) -> None:
    """Make the two programs of an environment."""
    (folder / "bin").mkdir(parents=True)
    for name, script in {"python": "", "pip": f" {__file__}"}.items():
        program = folder / "bin" / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable}{script} "$@"\n')
        program.chmod(0o755)


def install(arguments: list[str]) -> None:
    """Compare the pinned packages of a file with what is here."""
    assert arguments[0] == "install"
    assert {"--require-hashes", "--only-binary"} < set(arguments)
    file = Path(arguments[arguments.index("--requirement") + 1])
    pinned = [Requirement(line) for line in re.findall(r"(?m)^(\w.+?) *\\?$", file.read_text())]
    assert pinned, f"{file} names nothing"
    for package in pinned:
        if package.marker is None or package.marker.evaluate():
            assert version(package.name) in package.specifier, f"{package} isn't here"


if __name__ == "__main__":
    if sys.argv[1:3] == ["-m", "venv"]:
        make_environment(Path(sys.argv[3]))
    else:
        install(sys.argv[1:])
