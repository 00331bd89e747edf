"""Files that are whole at every moment, whatever ends the process."""

import os
import tempfile
from pathlib import Path


def replace(file: Path, text: str) -> None:
    """Write a file that only its owner can read; until it is written, the old one stays."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
