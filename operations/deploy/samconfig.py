"""``samconfig.toml``, sam's own file: a section for each stack, which ``sam`` reads too."""

from pathlib import Path
from typing import Any, NamedTuple

import tomlkit
from tomlkit.exceptions import TOMLKitError

from operations.deploy.parameters import Refused, override, parsed

CAPABILITIES = ("CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND")


class Remembered(NamedTuple):
    """What the file says of a stack: where it is, and what it was first given."""

    region: str | None
    parameters: dict[str, str]


def remember(file: Path, stack: str, region: str, parameters: dict[str, str]) -> None:
    """Write a stack's section, so that ``sam deploy --config-env STACK`` deploys it.

    Everything else in the file stays as it is. Raises ``Refused`` when the section is another
    stack's.
    """
    document = _read(file)
    _require_own(document, file, stack)
    document.setdefault("version", 0.1)
    overrides = tomlkit.array().multiline(multiline=True)
    overrides.extend(override(*each) for each in parameters.items())
    document[stack] = {
        "deploy": {
            "parameters": {
                "stack_name": stack,
                "region": region,
                "resolve_s3": True,
                "capabilities": " ".join(CAPABILITIES),
                "confirm_changeset": False,
                "fail_on_empty_changeset": False,
                "parameter_overrides": overrides,
            }
        }
    }
    file.write_text(tomlkit.dumps(document).rstrip("\n") + "\n")


def recall(file: Path, stack: str) -> Remembered:
    """Return what the file says of a stack; nothing when it says nothing. Raises ``Refused``."""
    document = _read(file).unwrap()
    _require_own(document, file, stack)
    kept = document.get(stack, {}).get("deploy", {}).get("parameters", {})
    overrides = kept.get("parameter_overrides", [])
    text = overrides if isinstance(overrides, str) else " ".join(overrides)
    return Remembered(kept.get("region"), parsed(text))


def _read(file: Path) -> Any:  # noqa: ANN401 - tomlkit's documents are of any shape
    try:
        return tomlkit.parse(file.read_text()) if file.exists() else tomlkit.document()
    except TOMLKitError as error:
        raise Refused(f"{file} can't be read: {error}. Correct it, or move it away.") from error


def _require_own(document: Any, file: Path, stack: str) -> None:  # noqa: ANN401 - see above
    section = document.get(stack)
    if section is None:
        return
    kept = section.get("deploy", {}).get("parameters", {}) if isinstance(section, dict) else {}
    if kept.get("stack_name") != stack:
        raise Refused(
            f"{file} has a section [{stack}] that is not this stack's: rename it there, or choose "
            "another STACK."
        )
