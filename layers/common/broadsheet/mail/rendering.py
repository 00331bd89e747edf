"""Mail as SES gets it: an issue as a template, and the two mails that answer a sign-up.

Pure: domain values in, subject, HTML and plain text out. An issue is rendered once, at
publishing; SES then puts a recipient's variables in. SES replaces each ``{{variable}}`` as it
stands, escapes nothing, and sends nothing at all when a variable is missing. So every value is
escaped here for the place it goes to (``recipient_variables``), every variable has a default
(``TEMPLATE_DEFAULTS``), and a brace of the author's that could be read as part of a variable is
itself put in by a variable: it arrives as written wherever it stands, in CSS and code too.
"""

import html
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from urllib.parse import quote

import css_inline
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
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
from broadsheet.mail import author_html
from broadsheet.mail import markdown as author_markdown
from broadsheet.mail.html_source import Source
from broadsheet.mail.marks import Marks
from broadsheet.mail.plain_text import heading, plain_text

# css-inline takes 900 bytes a level, and the deepest text has a level every three characters.
STACK_BYTES = 192 * 1024 * 1024
MAX_TEMPLATE_BYTES = 1_000_000  # SES: 1 MB of inline template, as JSON
_RIGHT_TO_LEFT = frozenset(("ar", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"))

# Every variable of an issue's template. The name's and the link's defaults are for a recipient
# whose own were lost: a mail that reads well is better than one that SES silently drops.
TEMPLATE_DEFAULTS: dict[str, str] = {
    "name_html": "reader",
    "name_text": "reader",
    "name_url": "reader",
    "unsubscribe_url_html": "#",
    "unsubscribe_url_text": "answer this email with the word unsubscribe",
    "left_brace": "{",
    "right_brace": "}",
    "backslash": "\\",
}

_TEMPLATES = Path(__file__).parent / "templates"


class MailContent(BaseModel):
    """A mail that is complete: what goes out is what is here."""

    model_config = ConfigDict(frozen=True)

    subject: str
    html: str
    text: str


def render_issue(title: IssueTitle, content: IssueContent, newsletter: Newsletter) -> RenderedIssue:
    """Make the three templates of an issue, in which only ``TEMPLATE_DEFAULTS``' names are open.

    An ``html`` fragment is put into our frame, a whole document keeps its own. The title is the
    headline unless the content brings one: Markdown that begins with a first-level heading, a
    fragment with an ``h1``, any document.

    Raises ``UnsendableIssue`` with a sentence for the author.
    """
    marks = Marks.foreign_to(title, content, newsletter)
    headline = marks.set_in_prose(str(title), lambda _: "the title")
    match content:
        case MarkdownContent(markdown=markdown):
            mail = _markdown_mail(headline, marks.set_in(markdown), newsletter, marks)
        case HtmlContent(html=document, text=text):
            mail = MailContent(
                subject=headline,
                html=_html_mail(headline, document, newsletter, marks),
                text=_text_mail(_text_part(text, marks), newsletter, marks),
            )
    issue = RenderedIssue(
        subject=marks.open_as(mail.subject, "text"),
        html=marks.open_as(mail.html, "html"),
        text=marks.open_as(mail.text, "text"),
    )
    _check_size(issue)
    return issue


def has_name_in_addresses(issue: RenderedIssue) -> bool:
    """Tell whether an issue needs ``name_url``, which most don't: it makes each entry longer."""
    return any("{{name_url}}" in part for part in (issue.html, issue.text, issue.subject))


def recipient_variables(
    name: SubscriberName, unsubscribe_url: str, *, has_name_in_addresses: bool
) -> dict[str, str]:
    """Return one recipient's values, each escaped for where it goes.

    In HTML a name is safe as text and between an attribute's quotes; ``render_issue`` lets it
    stand nowhere else.
    """
    values = {
        "name_html": html.escape(str(name)),
        "name_text": str(name),
        "unsubscribe_url_html": html.escape(unsubscribe_url),
        "unsubscribe_url_text": unsubscribe_url,
    }
    if has_name_in_addresses:
        values["name_url"] = quote(str(name), safe="")
    return values


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


def _markdown_mail(
    headline: str, markdown: str, newsletter: Newsletter, marks: Marks
) -> MailContent:
    tokens = author_markdown.parse(markdown, marks)
    shown_headline = "" if _begins_with_headline(tokens) else headline
    content = css_inline.inline_fragment(
        author_markdown.render(tokens),
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


def _begins_with_headline(tokens: list[Token]) -> bool:
    return bool(tokens) and tokens[0].type == "heading_open" and tokens[0].tag == "h1"


def _html_mail(headline: str, written: str, newsletter: Newsletter, marks: Marks) -> str:
    source = Source(written)
    if source.is_document:
        return author_html.document(source, marks, _document_footer(newsletter, marks))
    fragment = author_html.fragment(source, marks)
    content = _with_deep_stack(
        lambda: css_inline.inline_fragment(  # closes what was left open, too
            fragment.html,
            fragment.stylesheet,
            inline_style_tags=False,
            keep_link_tags=True,
            load_remote_stylesheets=False,
        )
    )
    return _framed(
        author_html.with_conditionals(content, fragment, marks),
        "html",
        title=headline,
        headline="" if fragment.has_headline else headline,
        newsletter=newsletter,
        marks=marks,
        style_tags=fragment.style_tags,
    )


def _with_deep_stack[Result](work: Callable[[], Result]) -> Result:
    """Run what recurses into HTML outside of Python, where a full stack ends the process.

    How deep a broken text nests is known to its parser alone.
    """
    usual = threading.stack_size(STACK_BYTES)
    try:
        with ThreadPoolExecutor(max_workers=1) as executor:
            return executor.submit(work).result()
    finally:
        threading.stack_size(usual)


def _framed(  # noqa: PLR0913 - what a frame holds
    content: str,
    kind: str,
    *,
    title: str,
    headline: str,
    newsletter: Newsletter,
    marks: Marks,
    style_tags: str = "",
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
        author_style_tags=style_tags,
        content=marks.content,
        newsletter=newsletter,
        unsubscribe_url=marks.unsubscribe_url,
    )
    return frame.replace(marks.content, content)


def _document_footer(newsletter: Newsletter, marks: Marks) -> str:
    return css_inline.inline_fragment(
        _template(
            "document_footer.html", newsletter=newsletter, unsubscribe_url=marks.unsubscribe_url
        ),
        _stylesheet("frame"),
        load_remote_stylesheets=False,
    )


def _text_part(text: str, marks: Marks) -> str:
    def place(offset: int) -> str:
        return f"line {text.count('\n', 0, offset) + 1} of the text"

    return marks.set_in_prose(text, place)


def _text_mail(text: str, newsletter: Newsletter, marks: Marks) -> str:
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


def _frame(template: str, *, language: str, adapts_to_dark: bool, **values: object) -> str:
    head = _stylesheet("head") + (_stylesheet("dark") if adapts_to_dark else "")
    return css_inline.inline(
        _template(
            template,
            head_stylesheet=head,
            color_scheme="light dark" if adapts_to_dark else "light",
            direction="rtl" if language.partition("-")[0] in _RIGHT_TO_LEFT else "ltr",
            language=language,
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


def _check_size(issue: RenderedIssue) -> None:
    """Count as botocore sends: JSON in ASCII."""
    size = len(json.dumps({"Subject": issue.subject, "Html": issue.html, "Text": issue.text}))
    if size > MAX_TEMPLATE_BYTES:
        raise UnsendableIssue(
            f"the rendered issue has {size:,} bytes as JSON; SES takes {MAX_TEMPLATE_BYTES:,}"
        )
