"""Runs ``sam build`` and ``sam deploy``, with their output as it comes."""

import os
import subprocess
import tempfile
from pathlib import Path

from operations.deploy.parameters import REPOSITORY, override
from operations.deploy.samconfig import CAPABILITIES
from operations.errors import OperationFailed

SAM = REPOSITORY / ".venv-sam" / "bin" / "sam"
BUILT = REPOSITORY / ".aws-sam" / "build" / "template.yaml"
NO_SECTION = "none"  # samconfig.toml keeps what a stack was given at first, not what it has by now


class SamFailed(OperationFailed):
    """``sam`` ended with an error, which it printed itself."""


def build() -> Path:
    """Build the repository's template; return what was built. Raises ``SamFailed``."""
    _run("build", "--cached")
    return BUILT


def create(template: Path, config_file: Path, stack: str) -> None:
    """Deploy a stack for the first time, as its section of samconfig.toml says."""
    _run(
        *("deploy", "--template-file", template, "--no-progressbar"),
        *("--config-file", config_file.resolve(), "--config-env", stack),
    )


def update(template: Path, config_file: Path, stack: str, changes: dict[str, str]) -> None:
    """Deploy a stack that exists; the parameters that don't change stay as the stack has them."""
    _run(
        *("deploy", "--template-file", template, "--no-progressbar", "--stack-name", stack),
        *("--config-file", config_file.resolve(), "--config-env", NO_SECTION, "--resolve-s3"),
        *("--no-confirm-changeset", "--no-fail-on-empty-changeset", "--capabilities"),
        *CAPABILITIES,
        *(("--parameter-overrides",) if changes else ()),
        *(override(*each) for each in changes.items()),
    )


def _run(command: str, *arguments: str | Path) -> None:
    # sam looks on the path for the runtime by its own name, `python3.13`.
    path = [str(REPOSITORY / ".venv" / "bin"), str(SAM.parent), os.environ["PATH"]]
    with tempfile.TemporaryDirectory() as temporary:  # sam leaves a folder for each function
        ended = subprocess.run(
            [SAM, command, *arguments],
            check=False,
            cwd=REPOSITORY,
            env=os.environ
            | {
                "PATH": os.pathsep.join(path),
                "SAM_CLI_TELEMETRY": "0",
                "TMPDIR": temporary,
            },
        )
    if ended.returncode != 0:
        raise SamFailed(f"sam {command} failed; what it printed says why.")
