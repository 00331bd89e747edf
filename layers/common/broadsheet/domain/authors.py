"""Who publishes: the authors' secret holds their names and the digests of their tokens."""

import unicodedata

from pydantic import BaseModel, ConfigDict, RootModel, field_validator

from broadsheet.domain.times import Timestamp

MAX_AUTHOR_NAME_CHARACTERS = 64
_PUNCTUATION = frozenset(" ._@'-")
_LETTERS_MARKS_NUMBERS = ("L", "M", "N")  # Unicode's general categories


class AuthorName(RootModel[str]):
    """A name that logs, issues and a terminal can show: one line, trimmed, not blank."""

    model_config = ConfigDict(frozen=True)

    @field_validator("root")
    @classmethod
    def _parse(cls, text: str) -> str:
        text = text.strip()
        if not text:
            raise ValueError("an author needs a name")
        if len(text) > MAX_AUTHOR_NAME_CHARACTERS:
            raise ValueError(f"a name has at most {MAX_AUTHOR_NAME_CHARACTERS} characters")
        if not all(_is_allowed(character) for character in text):
            raise ValueError("a name has letters, digits, spaces and . _ @ ' - only")
        return text

    def __str__(self) -> str:
        return self.root


def _is_allowed(character: str) -> bool:
    return character in _PUNCTUATION or unicodedata.category(character).startswith(
        _LETTERS_MARKS_NUMBERS
    )


class Author(BaseModel):
    """An entry of the authors' secret. ``token_sha256``: in hexadecimals; the token is nowhere."""

    model_config = ConfigDict(frozen=True)

    name: AuthorName
    token_sha256: str
    created_at: Timestamp
