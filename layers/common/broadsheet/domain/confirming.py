"""Confirming a sign-up: the code of its mail, and how many readers confirm."""

import unicodedata

from pydantic import BaseModel, ConfigDict, RootModel, field_validator

DIGITS = 8  # guessed by one in 100 million
MOST_TRIES = 5  # for one sign-up, which a person may well mistype; a later right one is no proof
_LONGEST_TYPED = 64  # characters, with what is left out
_LEFT_OUT = {"Zs", "Pd", "Cf", "Cc"}  # spaces, hyphens, marks of direction, tabs (Unicode §4.5)


class ConfirmationCode(RootModel[str]):
    """The eight digits, in ASCII, of a code as a person types or pastes it.

    Digits may be of any script and grouped. Raises ``ValueError`` for anything else.
    """

    model_config = ConfigDict(frozen=True)

    @field_validator("root")
    @classmethod
    def _parse(cls, text: str) -> str:
        if len(text) > _LONGEST_TYPED:
            raise ValueError("a code is shorter")
        typed = [each for each in text if unicodedata.category(each) not in _LEFT_OUT]
        digits = "".join(str(unicodedata.decimal(each, "?")) for each in typed)
        if len(digits) != DIGITS or not digits.isdecimal():
            raise ValueError("a code has eight digits")
        return digits

    def __str__(self) -> str:
        return self.root


class Completion(BaseModel):
    """How many readers were mailed to confirm, and how many of them did.

    ``by_way``: by the way of their first confirmation; ``unknown`` is of before it was stored.
    """

    model_config = ConfigDict(frozen=True)

    asked: int
    confirmed: int
    by_way: dict[str, int]
