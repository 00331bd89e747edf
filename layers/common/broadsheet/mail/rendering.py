r"""Mail as SES gets it: an issue as a template, and the two mails that answer a sign-up.

Pure: domain values in, subject, HTML and plain text out. An issue is rendered once, at
publishing; SES then puts a recipient's variables in. SES replaces each ``{{variable}}`` as it
stands, escapes nothing, and sends nothing at all when a variable is missing. So every value is
escaped here for the place it goes to (``recipient_variables``), every variable has a default
(``TEMPLATE_DEFAULTS``), and a brace of the author's that could be read as part of a variable is
itself put in by a variable: it arrives as written wherever it stands, in CSS and code too.

An author writes ``[[name]]`` for the reader's name, anywhere, and ``\[[name]]`` for the word
itself.
"""

import hashlib
import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Self, override

import css_inline
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import BaseModel, ConfigDict

from broadsheet.domain.errors import UnsendableIssue
from broadsheet.domain.issues import (
    HtmlContent,
    IssueContent,
    IssueTitle,
    MarkdownContent,
    RenderedIssue,
)
from broadsheet.domain.newsletter import Newsletter
from broadsheet.domain.subscribers import SubscriberName
from broadsheet.mail.plain_text import heading, plain_text

MAX_TEMPLATE_BYTES = 1_000_000  # SES: 1 MB of inline template, as JSON
MAX_MARKDOWN_NESTING = 50  # a list in a list counts four; Python's recursion allows about 150
MAX_HTML_NESTING = 500  # css-inline crashes the process above 5,000

# Every variable of an issue's template. The name's and the link's defaults are for a recipient
# whose own were lost: a mail that reads well is better than one that SES silently drops.
TEMPLATE_DEFAULTS: dict[str, str] = {
    "name_html": "reader",
    "name_text": "reader",
    "unsubscribe_url_html": "#",
    "unsubscribe_url_text": "answer this email with the word unsubscribe",
    "left_brace": "{",
    "right_brace": "}",
    "backslash": "\\",
}

_TEMPLATES = Path(__file__).parent / "templates"
_PLACEHOLDER = re.compile(r"(\\?)\[\[name\]\]")
_NAME_COLUMNS = 12  # what wrapping takes a name for
_WHOLE_DOCUMENT = re.compile(
    r"(?>\ufeff|\s+|<!--.*?-->|<\?.*?>)*+<(?:!doctype|html|head|body)[\s>]",
    re.IGNORECASE | re.DOTALL,
)
_END_OF_BODY = re.compile(r"</body\s*>", re.IGNORECASE)
_END_OF_DOCUMENT = re.compile(r"</html\s*>", re.IGNORECASE)
_OWN_HEADLINE = re.compile(r"<h1[\s>]", re.IGNORECASE)
_QUOTED_VALUE = re.compile(r"""=\s*(?:"[^"]*"|'[^']*')""")
_TAG = re.compile(r"<(/?)([a-z][^\s/>]*)", re.IGNORECASE)
_TAGS_LEFT_OPEN = frozenset(
    (
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source"),
        *("track", "wbr"),
        *("p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "colgroup"),
        *("caption", "option", "optgroup", "rt", "rp"),
    )
)
_BRACES = {"{": "left_brace", "}": "right_brace", "\\": "backslash"}


class MailContent(BaseModel):
    """A mail that is complete: what goes out is what is here."""

    model_config = ConfigDict(frozen=True)

    subject: str
    html: str
    text: str


def render_issue(title: IssueTitle, content: IssueContent, newsletter: Newsletter) -> RenderedIssue:
    """Make the three templates of an issue, in which only ``TEMPLATE_DEFAULTS``' names are open.

    Markdown is CommonMark with tables and strikethrough; HTML in it is shown as typed, because
    the plain text must say the same. An ``html`` fragment is put into our frame, a whole document
    keeps its own. The title is the headline unless the content brings one: Markdown that begins
    with a first-level heading, a fragment with an ``h1``, any document.

    Raises ``UnsendableIssue`` with a sentence for the author.
    """
    marks = _Marks.foreign_to(title, content, newsletter)
    headline = marks.set_in(str(title))
    match content:
        case MarkdownContent(markdown=markdown):
            mail = _markdown_mail(headline, marks.set_in(markdown), newsletter, marks)
        case HtmlContent(html=document, text=text):
            mail = MailContent(
                subject=headline,
                html=_html_mail(headline, marks.set_in(document), newsletter, marks),
                text=_text_mail(marks.set_in(text), newsletter, marks),
            )
    issue = RenderedIssue(
        subject=marks.open_as(mail.subject, "text"),
        html=marks.open_as(mail.html, "html"),
        text=marks.open_as(mail.text, "text"),
    )
    _check_size(issue)
    return issue


def recipient_variables(name: SubscriberName, unsubscribe_url: str) -> dict[str, str]:
    """Give one recipient's values, each escaped for where it goes.

    In HTML a name is safe as text and between an attribute's quotes; ``render_issue`` lets it
    stand nowhere else.
    """
    return {
        "name_html": html.escape(str(name)),
        "name_text": str(name),
        "unsubscribe_url_html": html.escape(unsubscribe_url),
        "unsubscribe_url_text": unsubscribe_url,
    }


def render_confirmation(newsletter: Newsletter, confirm_url: str) -> MailContent:
    """Ask whether a sign-up is meant. Holds nothing that was typed into the form."""
    return _answer(
        f"Please confirm your subscription to {newsletter.name}",
        "confirmation",
        newsletter=newsletter,
        confirm_url=confirm_url,
    )


def render_already_subscribed(newsletter: Newsletter) -> MailContent:
    """Answer the sign-up of a confirmed subscriber. Holds nothing that was typed into the form."""
    return _answer(
        f"You are already subscribed to {newsletter.name}",
        "already_subscribed",
        newsletter=newsletter,
    )


@dataclass(frozen=True)
class _Marks:
    """Words that stand for what is put in later, while Markdown, HTML and CSS are worked on.

    Letters and digits only, so that no parser changes them or takes them for syntax; made from
    the text's digest, so that they can't be in it; ``x`` and ``y`` are no hexadecimal digits, so
    that no mark overlaps another, whatever it stands beside.
    """

    name: str
    literal_name: str
    unsubscribe_url: str
    content: str

    @classmethod
    def foreign_to(cls, *texts: BaseModel) -> Self:
        everything = "\n".join(text.model_dump_json() for text in texts)
        digest = hashlib.sha256(everything.encode()).hexdigest()[:24]
        return cls(*(f"x{kind}{digest}y" for kind in ("n", "l", "u", "w")))

    def set_in(self, text: str) -> str:
        """Put marks for the author's placeholders."""
        return _PLACEHOLDER.sub(
            lambda found: self.literal_name if found[1] else self.name,
            text,
        )

    def open_as(self, text: str, kind: str) -> str:
        """Turn a finished ``html`` or ``text`` part into what SES substitutes in.

        Braces, backslashes (Handlebars' escape) and variables that stand side by side become
        variables all: what is left of the author's is single braces that touch no other.
        """
        variables = _BRACES | {
            self.name: f"name_{kind}",
            self.unsubscribe_url: f"unsubscribe_url_{kind}",
        }
        piece = re.compile(rf"[{{}}\\]|{self.name}|{self.unsubscribe_url}")
        run = re.compile(rf"(?:{piece.pattern})+")

        def open_run(found: re.Match[str]) -> str:
            pieces = piece.findall(found[0])
            if sum(each != "\\" for each in pieces) <= 1 and set(pieces) <= _BRACES.keys():
                return found[0]
            return "".join(f"{{{{{variables[each]}}}}}" for each in pieces)

        return run.sub(open_run, text.replace(self.literal_name, "[[name]]"))

    def columns(self, text: str) -> int:
        """Estimate how wide a text is once its marks are filled in."""
        return len(
            text.replace(self.name, " " * _NAME_COLUMNS).replace(self.literal_name, "[[name]]")
        )


def _markdown_mail(
    headline: str, markdown: str, newsletter: Newsletter, marks: _Marks
) -> MailContent:
    parser = _markdown_parser()
    tokens = _parsed(markdown)
    shown_headline = "" if _begins_with_headline(tokens) else headline
    content = css_inline.inline_fragment(
        parser.renderer.render(tokens, parser.options, {}),
        _stylesheet("content"),
        load_remote_stylesheets=False,
    )
    text = plain_text(tokens, marks.columns)
    if shown_headline:
        text = f"{heading(shown_headline, 'h1', marks.columns)}\n\n{text}"
    return MailContent(
        subject=headline,
        html=_framed(
            content,
            "markdown",
            title=headline,
            headline=shown_headline,
            newsletter=newsletter,
            marks=marks,
        ),
        text=_text_mail(text, newsletter, marks),
    )


def _parsed(markdown: str) -> list[Token]:
    try:
        tokens = _markdown_parser().parse(markdown)
    except RecursionError as error:
        raise UnsendableIssue("the Markdown is nested too deeply") from error
    if _depth(tokens) > MAX_MARKDOWN_NESTING:
        raise UnsendableIssue(
            f"the Markdown is nested more than {MAX_MARKDOWN_NESTING} levels deep"
        )
    return tokens


def _depth(tokens: Sequence[Token]) -> int:
    depth = deepest = 0
    for token in tokens:
        depth += token.nesting
        inside = 1 + _depth(token.children) if token.children else 0
        deepest = max(deepest, depth + inside)
    return deepest


def _begins_with_headline(tokens: list[Token]) -> bool:
    return bool(tokens) and tokens[0].type == "heading_open" and tokens[0].tag == "h1"


def _html_mail(headline: str, document: str, newsletter: Newsletter, marks: _Marks) -> str:
    if _WHOLE_DOCUMENT.match(document):
        mail = _with_footer(document, newsletter, marks)
    else:
        mail = _fragment_mail(headline, document, newsletter, marks)
    if marks.name in mail:
        _RefuseInMarkup(marks.name).feed(mail)
    return mail


def _fragment_mail(headline: str, document: str, newsletter: Newsletter, marks: _Marks) -> str:
    if _html_depth(document) > MAX_HTML_NESTING:
        raise UnsendableIssue(f"the HTML is nested more than {MAX_HTML_NESTING} levels deep")
    fragment = css_inline.inline_fragment(  # closes what was left open, changes no style
        document,
        "",
        inline_style_tags=False,
        keep_style_tags=True,
        keep_link_tags=True,
        load_remote_stylesheets=False,
    )
    return _framed(
        fragment,
        "html",
        title=headline,
        headline="" if _OWN_HEADLINE.search(document) else headline,
        newsletter=newsletter,
        marks=marks,
    )


class _RefuseInMarkup(HTMLParser):
    """Refuses a mark that stands in a tag outside of quotes, where a name would be markup."""

    def __init__(self, mark: str) -> None:
        super().__init__()
        self._mark = mark

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._mark in _QUOTED_VALUE.sub("", self.get_starttag_text() or ""):
            raise UnsendableIssue(
                "[[name]] can stand in a text and in an attribute's quotes, not elsewhere in a tag"
            )


def _html_depth(fragment: str) -> int:
    """Estimate from above how deep elements stand in each other.

    Tags that HTML lets an author leave open are not counted: what can hold them is.
    """
    depth = deepest = 0
    for end, tag in _TAG.findall(fragment):
        if tag.lower() not in _TAGS_LEFT_OPEN:
            depth = max(0, depth - 1) if end else depth + 1
            deepest = max(deepest, depth)
    return deepest


def _framed(  # noqa: PLR0913 - what a frame holds
    content: str, kind: str, *, title: str, headline: str, newsletter: Newsletter, marks: _Marks
) -> str:
    # The content goes in after the frame is inlined: it has its styles, and parsing it a second
    # time could change it.
    frame = _frame(
        "issue.html",
        language=newsletter.language,
        # An author's HTML has colours of its own, made for paper.
        adapts_to_dark=kind == "markdown",
        kind=kind,
        title=title,
        headline=headline,
        content=marks.content,
        newsletter=newsletter,
        unsubscribe_url=marks.unsubscribe_url,
    )
    return frame.replace(marks.content, content)


def _with_footer(document: str, newsletter: Newsletter, marks: _Marks) -> str:
    footer = css_inline.inline_fragment(
        _template(
            "document_footer.html", newsletter=newsletter, unsubscribe_url=marks.unsubscribe_url
        ),
        _stylesheet("frame"),
        load_remote_stylesheets=False,
    )
    ends = [*_END_OF_BODY.finditer(document)] or [*_END_OF_DOCUMENT.finditer(document)]
    end = ends[-1].start() if ends else len(document)
    return f"{document[:end]}{footer}{document[end:]}"


def _text_mail(text: str, newsletter: Newsletter, marks: _Marks) -> str:
    footer = _template("footer.txt", newsletter=newsletter, unsubscribe_url=marks.unsubscribe_url)
    return f"{text.rstrip('\n')}\n\n{footer}"


def _answer(subject: str, template: str, *, newsletter: Newsletter, **values: str) -> MailContent:
    return MailContent(
        subject=subject,
        html=_frame(
            f"{template}.html",
            language="en",
            adapts_to_dark=True,
            title=subject,
            newsletter=newsletter,
            **values,
        ),
        text=_template(f"{template}.txt", newsletter=newsletter, **values),
    )


def _frame(template: str, *, adapts_to_dark: bool, **values: object) -> str:
    head = _stylesheet("head") + (_stylesheet("dark") if adapts_to_dark else "")
    return css_inline.inline(
        _template(
            template,
            head_stylesheet=head,
            color_scheme="light dark" if adapts_to_dark else "light",
            **values,
        ),
        inline_style_tags=False,  # the head's are media queries
        keep_style_tags=True,
        extra_css=_stylesheet("frame"),
        load_remote_stylesheets=False,
    )


def _template(name: str, **values: object) -> str:
    return _environment().get_template(name).render(values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )


@cache
def _stylesheet(name: str) -> str:
    return (_TEMPLATES / f"{name}.css").read_text(encoding="utf-8")


@cache
def _markdown_parser() -> MarkdownIt:
    options = {
        "html": False,
        # Beyond it markdown-it drops text without a word; ours is refused before.
        "maxNesting": 2 * MAX_MARKDOWN_NESTING,
    }
    return MarkdownIt("commonmark", options).enable(["table", "strikethrough"])


def _check_size(issue: RenderedIssue) -> None:
    """Count as botocore sends: JSON in ASCII."""
    size = len(json.dumps({"Subject": issue.subject, "Html": issue.html, "Text": issue.text}))
    if size > MAX_TEMPLATE_BYTES:
        raise UnsendableIssue(
            f"the rendered issue has {size:,} bytes as JSON; SES takes {MAX_TEMPLATE_BYTES:,}"
        )
