"""The built layer on its own, without the packages that the emulator's functions happen to see."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from local import build
from local.state import REPOSITORY

# Run by an interpreter without site-packages (-S), environment and current folder (-I).
IMPORT_EVERYTHING = """
import importlib, importlib.util, pkgutil, sys
layer, *functions = sys.argv[1:]
sys.path.append(layer)
import broadsheet
for module in pkgutil.walk_packages(broadsheet.__path__, "broadsheet."):
    importlib.import_module(module.name)
for function in functions:
    spec = importlib.util.spec_from_file_location("app", function)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
foreign = {
    module.__file__
    for module in sys.modules.values()
    if "site-packages" in (getattr(module, "__file__", None) or "")
}
assert not foreign, foreign
"""
FUNCTIONS = sorted((REPOSITORY / "functions").glob("*/app.py"))

# ELF: the header's magic, and its machine (at byte 18, two bytes) for 64-bit ARM.
ELF, MACHINE, AARCH64 = b"\x7fELF", slice(18, 20), (183).to_bytes(2, "little")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the local stack deploys: the layer with this machine's dependencies."""
    folder = tmp_path_factory.mktemp("layer")
    build.build(folder / "build", folder / "log")
    return folder / "build" / build.LAYER / "python"


def import_everything(layer: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", IMPORT_EVERYTHING, layer, *FUNCTIONS],
        env={},  # importing reads nothing from the environment either
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_layer_alone_holds_all_that_the_functions_import(built: Path):
    assert len(FUNCTIONS) == 20

    imported = import_everything(built)

    assert (imported.returncode, imported.stderr) == (0, "")


def test_a_missing_dependency_is_noticed(built: Path, tmp_path: Path):
    layer = tmp_path / "python"
    shutil.copytree(built, layer, copy_function=build._link)
    shutil.rmtree(layer / "itsdangerous")

    imported = import_everything(layer)

    assert "ModuleNotFoundError: No module named 'itsdangerous'" in imported.stderr
    assert imported.returncode == 1


def test_the_layer_ships_no_tests_and_no_other_machines_code(built: Path):
    names = [str(path.relative_to(built)) for path in built.rglob("*")]

    assert not [name for name in names if "aarch64" in name and os.uname().machine != "aarch64"]
    assert not [name for name in names if name.startswith(("broadsheet/test", "tests/"))]


def test_the_layer_describes_the_services_that_the_functions_call_and_no_others(built: Path):
    code = [*(REPOSITORY / "layers").rglob("*.py"), *(REPOSITORY / "functions").rglob("*.py")]
    called = {
        service
        for file in code
        for service in re.findall(r'aws\.client\(\s*"(\w+)"', file.read_text())
    }

    described = {entry.name for entry in (built / build.SERVICES).iterdir() if entry.is_dir()}

    assert described == called


def test_the_layer_for_aws_is_compiled_for_arm(built: Path):
    shipped = build.CACHE / "sam" / "build" / build.LAYER / "python"

    with build._alone():  # no other test builds meanwhile
        machines = _machines(shipped)

    assert {folder.split("/")[0] for folder in machines} >= {"pydantic_core", "psycopg_binary"}
    assert set(machines.values()) == {AARCH64}


def test_a_cold_start_compiles_nothing(built: Path):
    shipped = build.CACHE / "sam" / "build" / build.LAYER / "python"

    with build._alone():
        sources = [*shipped.glob("broadsheet/**/*.py"), *shipped.glob("botocore/*.py")]
        heads = [Path(cache_from_source(str(source))).read_bytes()[:8] for source in sources]

    assert len(sources) > 60
    # A file's second word says how Python trusts it: 1 is by a hash that it does not check.
    assert {head[4:] for head in heads} == {(1).to_bytes(4, "little")}


def test_code_compiled_for_another_machine_is_noticed(tmp_path: Path):
    shutil.copy(sys.executable, tmp_path / "native.so")
    (tmp_path / "arm.so").write_bytes(ELF + bytes(14) + AARCH64)

    machines = _machines(tmp_path)

    assert machines["arm.so"] == AARCH64
    assert set(machines.values()) != {AARCH64}
    assert machines["native.so"] == Path(sys.executable).read_bytes()[MACHINE]


def _machines(layer: Path) -> dict[str, bytes]:
    """Return the machine that each shared object is for, by its content."""
    heads = {}
    for path in layer.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                heads[str(path.relative_to(layer))] = file.read(20)
    return {name: head[MACHINE] for name, head in heads.items() if head.startswith(ELF)}
