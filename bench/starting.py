"""Measures what a cold start imports, and the size of the layer as built for Lambda.

Each function is imported by a fresh interpreter that sees the layer, the function's folder and the
standard library. The dependencies are built for this machine; the size is of the arm64 layer.
"""

from __future__ import annotations

import compileall
import shutil
import subprocess
import sys
import zipfile
from collections import defaultdict
from py_compile import PycInvalidationMode
from statistics import median
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from bench.tables import table as table_of
from local import build
from local.build import LAYER
from local.state import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FUNCTIONS = tuple(sorted(path.parent.name for path in REPOSITORY.glob("functions/*/app.py")))
ALONE = "import boto3"
# Processor time, which other programs on the machine don't add to.
SECONDS_OF_IMPORT = """
import time
began = time.process_time()
import {module}
print(time.process_time() - began)
"""


class ColdImport(BaseModel):
    """Processor seconds of an import: the median of several, each in a fresh interpreter.

    ``as_deployed``: the layer with its ``.pyc`` files, the function's ``app.py`` without.
    ``uncompiled``: no ``.pyc`` at all; every cold start would compile what it imports, since
    Lambda's ``/opt`` is read-only.
    """

    model_config = ConfigDict(frozen=True)

    what: str
    uncompiled: float
    as_deployed: float


class LayerSize(BaseModel):
    """The layer's size in bytes. Lambda takes 250 MB unzipped, layers and function together."""

    model_config = ConfigDict(frozen=True)

    zipped: int
    unzipped: int


def measure(folder: Path, runs: int) -> tuple[list[ColdImport], LayerSize]:
    """Build the application, measure its functions' imports, and its layer's size."""
    log = folder / "logs" / "build.log"
    build.build(folder / "plain", log)
    for caches in list((folder / "plain").rglob("__pycache__")):
        shutil.rmtree(caches)
    shutil.copytree(folder / "plain", folder / "compiled")
    # As layers/common/Makefile does; the machine's own dependencies were added later.
    compileall.compile_dir(
        folder / "compiled" / LAYER, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH
    )
    plain = _seconds(folder / "plain", runs)
    compiled = _seconds(folder / "compiled", runs)
    imports = [
        ColdImport(what=what, uncompiled=plain[what], as_deployed=compiled[what]) for what in plain
    ]
    return imports, _size(build.CACHE / "sam" / "build" / LAYER, folder / "layer.zip")


def _seconds(built: Path, runs: int) -> dict[str, float]:
    """Import everything in turn, so that a slow moment of the machine affects all alike."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(runs):
        seconds[ALONE].append(_import(built, FUNCTIONS[0], "boto3"))
        for function in FUNCTIONS:
            seconds[function].append(_import(built, function, "app"))
    return {what: median(measured) for what, measured in seconds.items()}


def _import(built: Path, function: str, module: str) -> float:
    path = f"{_code(built, function)}:{built / LAYER / 'python'}"
    ended = subprocess.run(
        [sys.executable, "-S", "-B", "-c", SECONDS_OF_IMPORT.format(module=module)],
        env={"PYTHONPATH": path, "PYDANTIC_DISABLE_PLUGINS": "__all__"},  # as in template.yaml
        capture_output=True,
        check=True,
        text=True,
    )
    return float(ended.stdout)


def _code(built: Path, function: str) -> Path:
    return built / f"{function.capitalize()}Function"


def _size(layer: Path, zipped: Path) -> LayerSize:
    files = [path for path in layer.rglob("*") if path.is_file()]
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(layer))
    return LayerSize(
        zipped=zipped.stat().st_size, unzipped=sum(path.stat().st_size for path in files)
    )


def table(imports: Sequence[ColdImport]) -> str:
    """Return a table of the functions, one a line, beside boto3 alone."""
    alone = next(one for one in imports if one.what == ALONE)
    return table_of(
        (
            *("import of", "layer compiled, as deployed: ms", "times boto3's"),
            *("nothing compiled: ms", "times boto3's"),
        ),
        [
            (
                one.what,
                one.as_deployed * 1000,
                one.as_deployed / alone.as_deployed,
                one.uncompiled * 1000,
                one.uncompiled / alone.uncompiled,
            )
            for one in imports
        ],
    )


def size_table(size: LayerSize) -> str:
    """Return a table of the layer's size."""
    return table_of(
        ("layer", "MB"),
        [("zipped", size.zipped / 1_000_000), ("unzipped", size.unzipped / 1_000_000)],
    )
