"""The languages that readers are addressed in.

The texts are in English where they are used, and translated by gettext's catalogues in
``locales/``. Files of ``locales/`` are read when a text in that language is first needed, so that
a function that addresses no reader reads none. docs/translating.md has the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from broadsheet.i18n import formats
from broadsheet.i18n.direction import direction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from gettext import GNUTranslations

LOCALES = Path(__file__).parent / "locales"
DOMAIN = "broadsheet"  # gettext's name for a program's texts


@dataclass(frozen=True)
class Language:
    """A language that has a catalogue. ``tag``: as BCP 47 writes it."""

    tag: str

    @property
    def direction(self) -> Literal["ltr", "rtl"]:
        """The direction in which it is read."""
        return direction(self.tag)

    @property
    def name(self) -> str:
        """What its speakers call it."""
        return formats.of(LOCALES / self.tag).name

    def gettext(self, message: str) -> str:
        """Return a message in this language; in English if nobody has translated it."""
        catalogue = _catalogue(self.tag)
        return catalogue.gettext(message) if catalogue else message

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        """Return the form of a message that this language uses for a number of things."""
        catalogue = _catalogue(self.tag)
        if catalogue:
            return catalogue.ngettext(singular, plural, number)
        return singular if number == 1 else plural

    def number(self, number: int) -> str:
        """Return a whole number with this language's separators."""
        return formats.of(LOCALES / self.tag).number(number)

    def date(self, day: date) -> str:
        """Return a date with its month in words."""
        return formats.of(LOCALES / self.tag).date(day)


ENGLISH = Language("en")
# It only shows what a translation could break. As the CLDR names one read from right to left.
PSEUDO = Language("ar-XB")


def translatable(message: str) -> str:
    """Return the message, which is looked up in a catalogue later: this finds it for them."""
    return message


def languages() -> Sequence[Language]:
    """Return every language that readers may choose, by its tag."""
    from broadsheet import settings  # noqa: PLC0415 - pages alone need no pydantic

    offers_pseudo = settings.offers_pseudo_language()
    return tuple(each for each in _all() if each != PSEUDO or offers_pseudo)


@cache
def _all() -> Sequence[Language]:
    translated = {folder.parent.parent.name for folder in LOCALES.glob(_catalogue_file("*"))}
    return tuple(Language(tag) for tag in sorted({ENGLISH.tag, *translated}))


def find(tag: str) -> Language | None:
    """Return the language nearest to a tag: that of ``de-AT`` is ``de`` (RFC 4647 §3.4)."""
    known = {language.tag.lower(): language for language in languages()}
    rest = tag.lower()
    while rest and rest not in known:
        rest = rest.rpartition("-")[0]
    return known.get(rest)


def language(tag: str) -> Language:
    """Return the language nearest to a tag, or English."""
    return find(tag) or ENGLISH


@cache
def _catalogue(tag: str) -> GNUTranslations | None:
    if tag == ENGLISH.tag:
        return None
    # English needs none, and most functions no language at all.
    from gettext import GNUTranslations  # noqa: PLC0415

    with (LOCALES / _catalogue_file(tag)).open("rb") as file:
        return GNUTranslations(file)


def _catalogue_file(tag: str) -> str:
    return f"{tag}/LC_MESSAGES/{DOMAIN}.mo"
