"""What the documents name is there: files, folders, functions and sections."""

import re
from pathlib import Path

import pytest

from operations.bill.model import Counted, Month, Prices, Standing, bill, used
from tests import studio_pictures
from tests.broadsheet.web.every_page import PAGES

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "cli/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
LINK = re.compile(r"\[(?P<text>[^\]\[]+)\]\((?P<target>[^)\s]+)\)")


def links(document: Path) -> list[tuple[str, Path]]:
    """Return the text and target of each link to a place in the repository."""
    prose = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [
        (link["text"], document.parent / link["target"].partition("#")[0])
        for link in LINK.finditer(prose)
        if not link["target"].startswith(("http", "#", "mailto:"))
    ]


def code_in(target: Path) -> str:
    files = [target] if target.is_file() else sorted(target.rglob("*.py"))
    return "\n".join(file.read_text() for file in files)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    lost = [str(target) for _, target in links(document) if not target.exists()]

    assert not lost


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_a_link_that_names_a_function_leads_to_its_file(document: Path) -> None:
    named = [
        (text.strip("`()"), target)
        for text, target in links(document)
        if re.fullmatch(r"`_?[a-z]\w*(\(\))?`", text) and target.suffix in {".py", ""}
    ]

    lost = [
        f"{name} in {target}"
        for name, target in named
        if not re.search(rf"\b(def|class) {name}\b|^{name}\b", code_in(target), re.MULTILINE)
        and target.stem != name
    ]

    assert not lost


def test_a_link_to_what_is_not_there_is_found(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("[there](page.md), [`gone`](gone.py), [outside](https://example.com)")

    assert [target.name for _, target in links(document) if not target.exists()] == ["gone.py"]


def test_the_costs_in_the_readme_are_those_of_the_bill() -> None:
    text = (ROOT / "README.md").read_text()
    shown = re.search(r"\| readers \| (.+) \|\n.*\n *\| dollars \| (.+) \|", text)
    assert shown
    months = [
        Month.idle() if "without" in readers else Month.usual(int(readers.replace(",", "")), 4)
        for readers in shown[1].split(" | ")
    ]

    counted, standing, prices = Counted.read(), Standing.read(), Prices.read("us-east-1")
    costs = [
        sum(line.dollars for line in bill(used(month, counted, standing), prices))
        for month in months
    ]

    assert shown[2].split(" | ") == [f"{cost:.2f}" for cost in costs]


def test_every_picture_is_small_enough_for_a_first_look() -> None:
    pictures = list((ROOT / "docs" / "pictures").glob("*.png"))

    studio = {f"studio-{screen}" for screen in ("write", "send", "countdown", "sent")}
    assert {picture.stem for picture in pictures} == {"sign-up", "inbox", "issue", *studio}
    assert all(picture.stat().st_size < 150_000 for picture in pictures)


def pictures_shown(document: str, folder: str) -> set[str]:
    """Return the names of a folder's pictures that a document shows: all that are in it."""
    text = (ROOT / "docs" / document).read_text()
    shown = set(re.findall(rf"\(pictures/{folder}/([\w-]+)\.png\)", text))
    assert {picture.stem for picture in (ROOT / "docs" / "pictures" / folder).iterdir()} == shown
    return shown


def test_every_page_of_readers_has_its_picture_in_the_docs() -> None:
    assert pictures_shown("readers.md", "pages") == PAGES.keys()


def test_the_studios_pictures_are_in_the_docs() -> None:
    assert pictures_shown("studio.md", "studio") == set(studio_pictures.SHOWN)


def test_the_pictures_of_mails_are_a_clones_small_part() -> None:
    pictures = list((ROOT / "docs" / "pictures" / "mail").iterdir())

    assert {picture.stem for picture in pictures} == pictures_shown("themes.md", "mail")
    assert sum(picture.stat().st_size for picture in pictures) < 2_000_000
