"""The compiler of catalogues, which the layer's build runs: as Babel's does it."""

import io
import json
import os
from gettext import GNUTranslations
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po, write_po

from compile_catalogues import InvalidCatalogueError, compile_all, compile_catalogue


def sample() -> str:
    catalog = Catalog(locale="pl", charset="utf-8", fuzzy=False)
    catalog.add('A "quoted"\ntext\\ with\ta tab', "Zażółć\n„gęślą”\\ jaźń")
    catalog.add(("%(num)s day", "%(num)s days"), ("%(num)s dzień", "%(num)s dni", "%(num)s dnia"))
    catalog.add("Not translated yet.", "")
    catalog.add("Half translated.", "Do połowy", flags={"fuzzy"})
    catalog.add("Long. " * 40, "Długi. " * 40)
    written = io.BytesIO()
    write_po(written, catalog)
    return written.getvalue().decode()


def test_a_compiled_catalogue_says_what_babel_reads_in_the_source() -> None:
    text = sample()

    compiled = read_mo(io.BytesIO(compile_catalogue(text)))

    expected = [
        [message.id, message.string]
        for message in read_po(io.StringIO(text))
        if message.id and message.string and not message.fuzzy
    ]
    found = [[message.id, message.string] for message in compiled if message.id]
    assert sorted(json.dumps(each) for each in found) == sorted(map(json.dumps, expected))
    assert len(expected) == 3


def test_gettext_chooses_the_plural_by_the_catalogues_rule() -> None:
    polish = GNUTranslations(io.BytesIO(compile_catalogue(sample())))

    forms = [polish.ngettext("%(num)s day", "%(num)s days", number) for number in (1, 2, 5)]

    assert forms == ["%(num)s dzień", "%(num)s dni", "%(num)s dnia"]
    assert polish.gettext("Half translated.") == "Half translated."


def test_a_line_that_can_not_be_read_stops_the_build() -> None:
    with pytest.raises(InvalidCatalogueError, match="line 4"):
        compile_catalogue('msgid ""\nmsgstr ""\n\n<<<<<<< main\nmsgid "a"\nmsgstr "b"\n')


def test_only_what_is_newer_than_its_result_is_compiled(tmp_path: Path) -> None:
    source = tmp_path / "pl" / "LC_MESSAGES" / "broadsheet.po"
    source.parent.mkdir(parents=True)
    source.write_text(sample(), encoding="utf-8")
    compile_all(tmp_path)
    compiled = source.with_suffix(".mo")
    first = compiled.stat().st_mtime_ns

    compile_all(tmp_path)
    assert compiled.stat().st_mtime_ns == first
    os.utime(source, ns=(first + 10**9, first + 10**9))
    compile_all(tmp_path)
    assert compiled.stat().st_mtime_ns > first
    assert [each.name for each in sorted(source.parent.iterdir())] == [compiled.name, source.name]
