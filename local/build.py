"""Build the application as for AWS, then adapt the layer to this machine."""

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local import isolation
from local.iam import gate
from local.processes import tail
from local.state import REPOSITORY

SAM = REPOSITORY / ".venv-sam" / "bin" / "sam"
UV = REPOSITORY / ".venv" / "bin" / "uv"
CACHE = REPOSITORY / "build"  # shared by all stacks of this clone, including the tests'
TEMPLATE = REPOSITORY / "template.yaml"
LAYER_REQUIREMENTS = REPOSITORY / "layers" / "common" / "requirements.txt"
LAYER = "CommonLayer"
PACKAGE = "broadsheet"
PACKAGE_ALONE = "CommonPackage"  # the folder of a layer without the dependencies
SERVICES = Path("botocore", "data")


class BuildError(Exception):
    """``sam build`` failed, or the layer's dependencies can't be installed."""


def build(folder: Path, log: Path, *, template: Path = TEMPLATE) -> Path:
    """Build the template into ``folder``; return the built template's path.

    The layer gets dependencies for this machine, in place of the template's for arm64. The folder
    belongs to the local stack, so that this build is never deployed to AWS.
    """
    with _alone():
        built = _sam_build(template, log)
        installed = dependencies(LAYER_REQUIREMENTS, log)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(built, folder, copy_function=_link)
        layer = folder / LAYER / "python"
        overlay(layer, installed)
        alone = folder / PACKAGE_ALONE / "python" / PACKAGE
        shutil.copytree(layer / PACKAGE, alone, copy_function=_link)
        built_template = folder / "template.yaml"
        for_here = with_dependencies_of(layer, with_app_ids(built_template.read_text()))
        built_template.unlink()  # it is a hard link to the cache
        built_template.write_text(for_here)
    return built_template


def with_app_ids(template: str) -> str:
    """Make each function of a template name itself in its calls of AWS, for ``local.iam.gate``."""
    app_id = rf"\g<0>\1{gate.APP_ID}: !Sub ${{AWS::StackName}}-\2\n"
    return _SERVICE_NAME.sub(app_id, template)


def with_dependencies_of(layer: Path, template: str) -> str:
    """Make each function of a template import the dependencies from the built layer's folder.

    The emulator unpacks what is deployed as the layer for each environment that it starts, which
    takes more than a CPU second for the 2,000 files of the dependencies, and as long to compile
    them: what is deployed is the package alone.
    """
    path = json.dumps(str(layer))
    template = _SERVICE_NAME.sub(
        lambda found: f"{found[0]}{found[1]}PYTHONPATH: {path}\n", template
    )
    return re.sub(rf"(ContentUri: ){LAYER}$", rf"\1{PACKAGE_ALONE}", template, flags=re.MULTILINE)


_SERVICE_NAME = re.compile(r"( +)POWERTOOLS_SERVICE_NAME: (\w+)\n")


def dependencies(requirements: Path, log: Path) -> Path:
    """Install hashed requirements for this interpreter and machine, unless they are installed.

    Return their folder, which must not be written to.
    """
    machine = f"{sys.implementation.cache_tag}-{platform.system()}-{platform.machine()}".lower()
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    folder = CACHE / "layer" / f"{machine}-{digest}-compiled"
    if not folder.exists():
        shutil.rmtree(CACHE / "layer", ignore_errors=True)  # older requirements
        new = folder.with_suffix(".new")
        _run(
            [
                *(UV, "pip", "install", "--require-hashes", "--no-deps", "--compile-bytecode"),
                *("--python", sys.executable),
                *("--target", new),
                *("--requirement", requirements),
            ],
            log,
        )
        new.rename(folder)
    return folder


def overlay(layer: Path, installed: Path) -> None:
    """Replace a built layer's dependencies, but not our own package in it.

    Of botocore's descriptions of services, only those in the layer are copied.
    """
    services = {entry.name for entry in (layer / SERVICES).glob("*")}
    for entry in layer.iterdir():
        if entry.name == PACKAGE:
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()

    def others(folder: str, names: list[str]) -> set[str]:
        return set(names) - services if Path(folder) == installed / SERVICES else set()

    shutil.copytree(installed, layer, copy_function=_link, dirs_exist_ok=True, ignore=others)


def _sam_build(template: Path, log: Path) -> Path:
    folder = CACHE / "sam"
    folder.mkdir(exist_ok=True)
    command: list[str | Path] = [SAM, "build", "--cached", "--template-file", template]
    command += ["--build-dir", folder / "build", "--cache-dir", folder / "cache"]
    _run(command, log, cwd=folder)  # sam leaves files where it runs
    return folder / "build"


def _link(source: str, target: str) -> None:
    """Link a file where the file system can, else copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the cache's lock, so that a developer's and a test's build don't use it at once."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: list[str | Path], log: Path, *, cwd: Path | None = None) -> None:
    environment = isolation.without_aws(dict(os.environ)) | {
        "SAM_CLI_TELEMETRY": "0",
        "UV_SYSTEM_CERTS": "1",
    }
    # sam looks for the runtime on the path, by the name `python3.13`.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    with log.open("ab") as output:
        ended = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=cwd,
        )
    if ended.returncode != 0:
        raise BuildError(f"{Path(command[0]).name} {command[1]} failed:\n{tail(log)}")
