"""Makes the pseudo-language, which shows what a translation could break.

It is read from right to left, a third longer than English, has an accent on every letter that can
carry one, and stands in brackets: text that isn't in any catalogue, text that is cut off, and
layout that only works from left to right are seen at a glance.
"""

import json
import re
from collections.abc import Sequence

from babel.messages import Catalog

from broadsheet.i18n import PSEUDO
from translations import catalogues

TAG = PSEUDO.tag
BEGIN, END = "⟦", "⟧"
LONGER = 0.3  # than English, as translations from it are on average
# What stays as it is: a value's place, a tag with its attributes, an entity.
_KEPT = re.compile(r"%\(\w+\)s|%%|\{\w+\}|</?\w[^>]*>|&\w+;")
_ACCENTS = str.maketrans(
    "AaBCcDdEeGgHhIiJjKkLlNnOoRrSsTtUuWwYyZz", "ÅåßÇçÐðÉéĜĝĤĥÎîĴĵĶķĻļÑñÖöŔŕŠšŢţÛûŴŵÝýŽž"
)
_FILLING = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]


def write() -> None:
    """Write the pseudo-language's catalogue and formats beside the others, which git ignores."""
    file = catalogues.file_of(TAG)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(catalogues.written(catalogue(), TAG), encoding="utf-8")
    formats = catalogues.formats_of("en") | {
        "name": translated("Pseudo"),
        "months": [translated(month) for month in _months()],
        "date_pattern": "d MMMM y",
    }
    written = json.dumps(formats, ensure_ascii=False, indent=2)
    (catalogues.LOCALES / TAG / "formats.json").write_text(f"{written}\n", encoding="utf-8")


def catalogue() -> Catalog:
    """Return every text, translated."""
    catalog = Catalog(locale="ar", charset="utf-8")
    for message in catalogues.template():
        if isinstance(message.id, str) and message.id:
            catalog.add(message.id, translated(message.id))
        elif message.id:
            singular, plural = message.id
            forms = [singular, *[plural] * (catalog.num_plurals - 1)]
            catalog.add(message.id, tuple(map(translated, forms)))
    return catalog


def translated(text: str) -> str:
    """Return a text in the pseudo-language."""
    place, parts = 0, list[str]()
    for kept in _KEPT.finditer(text):
        parts += [text[place : kept.start()].translate(_ACCENTS), kept[0]]
        place = kept.end()
    parts.append(text[place:].translate(_ACCENTS))
    return f"{BEGIN}{''.join(parts)}{_filling(len(_KEPT.sub('', text)))}{END}"


def _filling(length: int) -> str:
    words, missing = "", max(1, round(length * LONGER))
    while len(words) < missing:
        words += f" {_FILLING[words.count(' ') % len(_FILLING)]}"
    return words


def _months() -> Sequence[str]:
    months: list[str] = catalogues.formats_of("en")["months"]  # type: ignore[assignment]
    return months
