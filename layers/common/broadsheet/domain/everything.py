"""The file that holds everything of a newsletter, for a move; docs/moving.md describes it."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

VERSION = 1


class EverythingFormat(StrEnum):
    """The format of the file with everything; peers have none like it."""

    EVERYTHING = "everything"


class Manifest(BaseModel):
    """What is in the file. ``files``: how many lines each has, in the order of an import.

    ``signing_keys``: what tells the keys of its stack apart, by which nobody can sign.
    ``under_way``: how many issues were scheduled or being sent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal["broadsheet-everything"] = "broadsheet-everything"
    version: int = VERSION
    made_by: str
    newsletter: str
    public_url: str
    exported_at: datetime
    signing_keys: tuple[str, ...]
    under_way: int
    files: dict[str, int]
    images: int
