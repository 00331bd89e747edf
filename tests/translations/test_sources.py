"""No text for readers stands outside of the catalogues: in no template, and in no code."""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from broadsheet.i18n import templates
from broadsheet.mail import theme
from broadsheet.web import pages

ROOT = Path(__file__).parent.parent.parent
LAYER = ROOT / "layers" / "common" / "broadsheet"
# Mails to authors, which are in English as the API is.
TO_AUTHORS = {"approval"}
SHOWN = {"alt", "title", "aria-label", "placeholder", "label"}
WORD = re.compile(r"[^\W\d_]{2}")
ATTRIBUTE = re.compile(r"\s[a-z-]+=\"[^\"]*\"")  # of a tag that is in another template
NOT_READ = {"script", "style"}
TRANSLATING = {"_", "gettext", "ngettext"}
FUNCTIONS = ("archive", "confirm", "manage", "subscribe", "unsubscribe")
# Words after a capital: a name, a header or a log line has no such.
SENTENCE = re.compile(r"[A-Z][a-z]+ .*[a-z]{2}", re.DOTALL)
VALUE = "\ufffc"


def sources() -> list[Path]:
    pages_ = Path(pages.__file__).parent / "templates"
    mails = [
        path
        for name in theme.names()
        for path in (theme.THEMES / name).glob("*/*")
        if path.parent.name not in TO_AUTHORS
    ]
    found = [*pages_.iterdir(), *mails]
    return sorted(path.resolve() for path in found if path.suffix in {".html", ".txt"})


class Text(HTMLParser):
    """What a reader sees or hears of a template's own markup."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.found += [text for name, text in attrs if name in SHOWN and text and WORD.search(text)]

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        text = ATTRIBUTE.sub("", data).strip()
        if self._inside not in NOT_READ and WORD.search(text):
            self.found.append(text)


def outside(source: str) -> list[str]:
    """Return the texts of a template that no catalogue could translate."""
    environment = Environment(autoescape=True)
    templates.install(environment)
    markup = "".join(_own_markup(environment, source))
    return [*Text(markup).found, *_in_expressions(environment.parse(source))]


def _own_markup(environment: Environment, source: str) -> Iterator[str]:
    """Yield what a template has outside of its expressions and translated blocks."""
    is_translated, before = False, ""
    for _, kind, token in environment.lex(source):
        if before == "block_begin" and token in {"trans", "endtrans"}:
            is_translated = token == "trans"
        elif kind == "data" and not is_translated:
            yield token
        elif kind == "variable_end":
            yield VALUE
        before = before if kind == "whitespace" else kind


def _in_expressions(node: nodes.Node) -> Iterator[str]:
    """Yield the sentences among the constants of expressions, but of those that translate."""
    if isinstance(node, nodes.Call) and getattr(node.node, "name", "") in TRANSLATING:
        return
    text = node.value if isinstance(node, nodes.Const) else None
    if isinstance(text, str) and re.search(r"^[A-Z][a-z]|[a-z] [a-z]", text):
        yield text
    for child in node.iter_child_nodes():
        yield from _in_expressions(child)


@pytest.mark.parametrize("file", sources(), ids=lambda file: str(file.relative_to(ROOT)))
def test_a_template_has_no_text_outside_of_the_catalogues(file: Path) -> None:
    assert outside(file.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        *("<p>Hello</p>", '<img alt="A boat">', "Sent by {{ name }}", '{{ field("Your name") }}'),
        *('{{ "Please check" if wrong }}', '<input placeholder="name">', "{% set a = 'We send' %}"),
        "{% trans %}Hello{% endtrans %} you",
    ],
)
def test_a_text_outside_is_found(source: str) -> None:
    assert outside(source)


@pytest.mark.parametrize(
    "source",
    [
        *("{% trans a=b %}Hello {{ a }}{% endtrans %}", '{{ _("Hello you") }}', "<p>{{ a }}</p>"),
        *('{{ field(_("Your name"), "second") }}', "<style>p { color: red }</style>", "&ndash; 7"),
    ],
)
def test_a_text_of_the_catalogues_is_not(source: str) -> None:
    assert outside(source) == []


def code() -> list[Path]:
    functions = [ROOT / "functions" / name / "app.py" for name in FUNCTIONS]
    mails = [LAYER / "mail" / f"{name}_mail.py" for name in ("confirmation", "subscription")]
    return [*filter(Path.exists, functions), *(LAYER / "web" / "pages").glob("*.py"), *mails]


@pytest.mark.parametrize("file", code(), ids=lambda file: str(file.relative_to(ROOT)))
def test_code_that_addresses_readers_has_no_sentence_of_its_own(file: Path) -> None:
    tree = ast.parse(file.read_text("utf-8"))
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }

    assert [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and SENTENCE.match(node.value)
        and id(node) not in documentation
    ] == []
