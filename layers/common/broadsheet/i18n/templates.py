"""Makes jinja2's templates speak the reader's language.

A template writes ``{% trans %}…{% endtrans %}`` or ``_("…")`` around whole sentences, and gets the
language as ``reader_language`` whenever it is filled in: all languages share what is compiled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from jinja2.runtime import Context

    from broadsheet.i18n import Language

EXTENSION = "jinja2.ext.i18n"


def of_pages(folder: Path) -> Environment:
    """Return the templates of pages in a folder, whose values are all escaped."""
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    install(environment)
    return environment


def install(environment: Environment) -> None:
    """Add ``trans``, and the filters ``number`` and ``date``, to an environment."""
    environment.add_extension(EXTENSION)
    environment.policies["ext.i18n.trimmed"] = True  # line breaks in the source mean nothing
    environment.install_gettext_callables(  # type: ignore[attr-defined] # the extension adds it
        _gettext, _ngettext, newstyle=True
    )
    environment.filters["number"] = _number
    environment.filters["date"] = _date


def _language(context: Context) -> Language:
    language: Language = context["reader_language"]
    return language


@pass_context
def _gettext(context: Context, message: str) -> str:
    return _language(context).gettext(message)


@pass_context
def _ngettext(context: Context, singular: str, plural: str, number: int) -> str:
    return _language(context).ngettext(singular, plural, number)


@pass_context
def _number(context: Context, number: int) -> str:
    return _language(context).number(number)


@pass_context
def _date(context: Context, day: date) -> str:
    return _language(context).date(day)
