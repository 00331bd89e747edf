"""Takes every text for readers out of the code, and updates the catalogues with them."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

from babel import Locale
from babel.messages import Catalog
from babel.messages.catalog import Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po
from babel.numbers import get_group_symbol

from broadsheet.i18n import PSEUDO

ROOT = Path(__file__).parent.parent
LOCALES = ROOT / "layers" / "common" / "broadsheet" / "i18n" / "locales"
DOMAIN = "broadsheet"
SOURCES = ("layers/common/broadsheet", "functions", "themes")
_METHODS = [("**.py", "python"), ("**.html", "jinja2"), ("**.txt", "jinja2")]
_OPTIONS = {"trimmed": "true", "silent": "false"}  # of jinja2
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "translatable": None}


def template() -> Catalog:
    """Return all texts, in English."""
    catalog = Catalog(charset="utf-8")
    for message, plural in sorted(_texts()):
        catalog.add((message, plural) if plural else message)
    return catalog


def _texts() -> Iterator[tuple[str, str]]:
    for source in SOURCES:
        found = extract_from_dir(
            ROOT / source,
            _METHODS,
            {pattern: _OPTIONS for pattern, method in _METHODS if method == "jinja2"},
            keywords=_KEYWORDS,
        )
        for _file, _line, message, _comments, _context in found:
            singular, plural = message if isinstance(message, tuple) else (message, "")
            yield singular, plural


def file_of(language: str) -> Path:
    """Return a language's catalogue."""
    return LOCALES / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def languages() -> list[str]:
    """Return the languages that people have translated into."""
    found = {path.parent.parent.name for path in LOCALES.glob(f"*/LC_MESSAGES/{DOMAIN}.po")}
    return sorted(found - {PSEUDO.tag})


def read(language: str) -> Catalog:
    """Return a language's catalogue; an empty one for a language that has none."""
    file = file_of(language)
    if not file.exists():
        return Catalog(locale=language, charset="utf-8", fuzzy=False)
    return read_po(io.StringIO(file.read_text(encoding="utf-8")), locale=language)


def is_translated(message: Message) -> bool:
    """Return whether a message has all its forms, and somebody has looked at them."""
    forms = message.string if isinstance(message.string, tuple) else (message.string,)
    return all(forms) and not message.fuzzy


def untranslated(language: str) -> list[str]:
    """Return the texts that a language lacks, or that nobody has looked at since they changed."""
    return [str(each.id) for each in read(language) if each.id and not is_translated(each)]


def update(language: str, texts: Catalog) -> None:
    """Add what is new in the texts to a language's catalogue, and remove what is gone.

    Nothing is guessed from similar texts: a wrong guess is easily taken for a translation.
    """
    catalog = read(language)
    catalog.update(texts, no_fuzzy_matching=True)
    catalog.obsolete.clear()
    file = file_of(language)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(written(catalog, language), encoding="utf-8")
    write_formats(language)


def written(catalog: Catalog, language: str) -> str:
    """Return a catalogue as text: by message, without dates and places, which make merges hard."""
    buffer = io.BytesIO()
    write_po(buffer, catalog, width=0, no_location=True, omit_header=True, sort_output=True)
    header = (
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Language: {language}\\n"\n"Plural-Forms: {catalog.plural_forms}\\n"\n\n'
    )
    return header + buffer.getvalue().decode().rstrip("\n") + "\n"


def write_formats(language: str) -> None:
    """Write how a language writes dates and numbers, as the CLDR has it."""
    file = LOCALES / language / "formats.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    written = json.dumps(formats_of(language), ensure_ascii=False, indent=2)
    file.write_text(f"{written}\n", encoding="utf-8")


def formats_of(language: str) -> dict[str, object]:
    """Return a language's name, separator, months and pattern of a date."""
    locale = Locale.parse(language, sep="-")
    name = locale.get_language_name(locale) or language
    return {
        "name": name[:1].upper() + name[1:],
        "group": get_group_symbol(locale, numbering_system="latn"),
        "months": [locale.months["format"]["wide"][month] for month in range(1, 13)],
        "date_pattern": locale.date_formats["long"].pattern,
    }
