"""Renders an issue as the three templates that SES gets.

It is rendered when it is stored or edited, a draft again when it is published; never for each
reader, since SES substitutes their values (``substitutions``). Pure: domain values in; subject,
HTML and plain text out.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import Any, NamedTuple

from markdown_it.token import Token

from broadsheet.domain.findings import Finding, Findings
from broadsheet.domain.issue_requests import HtmlContent, IssueContent, MarkdownContent
from broadsheet.domain.issues import IssueTitle, Preheader, RenderedIssue
from broadsheet.domain.newsletter import Newsletter
from broadsheet.i18n.direction import direction
from broadsheet.mail import author_html, author_markdown, frame, html_text
from broadsheet.mail import preheader as preheaders
from broadsheet.mail.checks import outline
from broadsheet.mail.checks.outline import Outline
from broadsheet.mail.html_source import Lines, Source
from broadsheet.mail.limits import TooComplex
from broadsheet.mail.link_numbers import LinkNumbers
from broadsheet.mail.markdown_extensions import Typography, quotes_of
from broadsheet.mail.placeholders import LINKS, Marks
from broadsheet.mail.plain_text import heading, plain_text

MAX_TEMPLATE_BYTES = 1_000_000  # SES: 1 MB of inline template, as JSON
SHOWN_UNRENDERED = 20_000  # characters of a content that is too complex to render


class Rendering(NamedTuple):
    """An issue's templates, what it consists of, and what is wrong with it.

    The templates can be shown, whatever that is.
    """

    issue: RenderedIssue
    outline: Outline
    findings: Sequence[Finding]


class _Issue(NamedTuple):
    """An issue without its content. The marks are set in ``title`` and ``preheader``."""

    title: str
    preheader: str
    newsletter: Newsletter
    marks: Marks


class _Content(NamedTuple):
    """A content, rendered: the HTML of a whole mail, and the plain text of the content alone."""

    html: str
    text: str
    outline: Outline


class _Body(NamedTuple):
    """An issue's HTML without its frame. ``headline``: empty if the content has its own."""

    html: str
    headline: str
    preheader: str
    kind: str
    style_tags: str = ""


def render_issue(  # noqa: PLR0913 - the parts of an issue, and where they go
    title: IssueTitle,
    content: IssueContent,
    newsletter: Newsletter,
    preheader: Preheader | None = None,
    *,
    has_page: bool = True,
    numbers: LinkNumbers | None = None,
) -> Rendering:
    """Render the three templates of an issue, whose variables ``substitutions`` has.

    An HTML fragment goes into our frame; a whole document keeps its own form. The title is the
    headline unless the content has one: Markdown that begins with a first-level heading, a
    fragment with an ``h1``, any document. Without a preheader, the first sentence is one, except
    in a document. ``has_page``: whether it is in the public archive, where its footer and
    ``[[archive]]`` lead then. ``numbers``: those of its links if clicks on them are counted; new
    links are added.
    """
    texts = title, content, newsletter, *([preheader] if preheader else [])
    marks = Marks.foreign_to(*texts, has_page=has_page, numbers=numbers)
    issue = _Issue(
        marks.set_in_prose(str(title), lambda _: "the title"),
        marks.set_in_prose(str(preheader or ""), lambda _: "the preheader"),
        newsletter,
        marks,
    )
    try:
        parts = _rendered(content, issue)
    except TooComplex as error:
        parameters: dict[str, Any] = {"variant": error.why, **error.parameters}
        marks.findings.add("too-complex", **parameters)
        parts = _unrendered(content, issue)
    rendered = RenderedIssue(
        subject=marks.restore(frame.subject("issue", newsletter, title=issue.title), "text"),
        html=marks.restore(parts.html, "html"),
        text=marks.restore(_text_mail(parts.text, issue), "text"),
    )
    size = template_bytes(rendered)
    if size > MAX_TEMPLATE_BYTES:
        marks.findings.add("too-large", bytes=size, most=MAX_TEMPLATE_BYTES)
    return Rendering(rendered, parts.outline, [*marks.findings])


def _rendered(content: IssueContent, issue: _Issue) -> _Content:
    """Render a content. Raises ``TooComplex``."""
    match content:
        case MarkdownContent(markdown=markdown):
            return _of_markdown(issue.marks.protect(markdown), issue)
        case HtmlContent(html=written, text=written_text):
            return _of_html(written, written_text, issue)


def _unrendered(content: IssueContent, issue: _Issue) -> _Content:
    """Return the beginning of the source as it is written."""
    source = content.markdown if isinstance(content, MarkdownContent) else content.html
    source = source[:SHOWN_UNRENDERED]
    shown = f'<pre style="white-space: pre-wrap">{escape(source)}</pre>'
    body = _Body(shown, issue.title, issue.preheader, "html")
    return _Content(_framed(body, issue), source, Outline())


def _of_markdown(markdown: str, issue: _Issue) -> _Content:
    tokens = author_markdown.parse(markdown, issue.marks, typography_of(issue.newsletter))
    headline = "" if begins_with_headline(tokens) else issue.title
    parts = outline.of_markdown(tokens, issue.marks, has_own_headline=not headline)
    author_markdown.count_links(tokens, issue.marks)
    text = _with_headline(headline, plain_text(tokens, issue.marks.columns), issue)
    newsletter = issue.newsletter
    rendered = author_markdown.render(tokens)
    content = frame.styled(rendered, "issue/content.css", newsletter, newsletter.language)
    first = issue.preheader or preheaders.of_markdown(tokens, issue.marks.columns)
    framed = _framed(_Body(content, headline, first, "markdown"), issue)
    return _Content(framed, text, parts)


def typography_of(newsletter: Newsletter) -> Typography:
    """Return how the operator wants Markdown set."""
    return Typography(
        quotes=quotes_of(newsletter.language) if newsletter.has_typographic_quotes else (),
        keeps_line_breaks=newsletter.keeps_line_breaks,
    )


def begins_with_headline(tokens: list[Token]) -> bool:
    """Return whether Markdown has its own headline, so that the title is not repeated above it."""
    return bool(tokens) and tokens[0].type == "heading_open" and tokens[0].tag == "h1"


def _of_html(written: str, written_text: str | None, issue: _Issue) -> _Content:
    source = Source(written, issue.marks.findings)
    if source.is_document:
        content = _of_document(source, written_text, issue)
    else:
        content = _of_fragment(source, written_text, issue)
    if written_text is not None:
        content.outline.alternative = outline.of_text(written_text)
    return content


def _of_document(source: Source, written_text: str | None, issue: _Issue) -> _Content:
    marks = issue.marks
    inserted = _document_preheader(issue), _document_footer(issue)
    html = author_html.document(source, marks, *inserted)
    if written_text is None:
        unreported = replace(marks, findings=Findings())  # they are reported already
        content = author_html.fragment(source, unreported)
        tokens = html_text.tokens_of(author_html.with_styles_inlined(content, marks))
        text = plain_text(tokens, marks.columns)
    else:
        text = _text_part(written_text, marks)
    return _Content(html, text, outline.of_html(source, has_own_headline=True))


def _of_fragment(source: Source, written_text: str | None, issue: _Issue) -> _Content:
    columns = issue.marks.columns
    fragment = author_html.fragment(source, issue.marks)
    headline = "" if fragment.has_headline else issue.title
    content = author_html.with_styles_inlined(fragment, issue.marks)
    if written_text is None:
        tokens = html_text.tokens_of(content)
        text = _with_headline(headline, plain_text(tokens, columns), issue)
        first = issue.preheader or preheaders.of_markdown(tokens, columns)
    else:
        text = _text_part(written_text, issue.marks)
        first = issue.preheader or preheaders.of_text(text, issue.title, columns)
    body = _Body(content, headline, first, "html", fragment.style_tags)
    parts = outline.of_html(source, has_own_headline=fragment.has_headline)
    return _Content(_framed(body, issue), text, parts)


def _with_headline(headline: str, text: str, issue: _Issue) -> str:
    return f"{heading(headline, 'h1', issue.marks.columns)}\n\n{text}" if headline else text


def _framed(body: _Body, issue: _Issue) -> str:
    # The content is inserted after the frame's styles are inlined: it has its own styles, and
    # parsing it a second time could change it.
    document = frame.framed(
        "issue/html.html",
        issue.newsletter,
        language=issue.newsletter.language,
        # An author's HTML has its own colours, made for a light background.
        adapts_to_dark=body.kind == "markdown",
        kind=body.kind,
        title=issue.title,
        headline=body.headline,
        preheader=body.preheader,
        author_style_tags=body.style_tags,
        content=issue.marks.content,
        **_footer(issue.marks),
    )
    return document.replace(issue.marks.content, body.html)


def _document_preheader(issue: _Issue) -> str:
    if not issue.preheader:
        return ""  # the document may have its own
    language = issue.newsletter.language
    preheader = frame.filled(
        "issue/document_preheader.html",
        issue.newsletter,
        preheader=issue.preheader,
        language=language,
        direction=direction(language),
    )
    styled = frame.styled(preheader, "frame/frame.css", issue.newsletter, language)
    return styled.replace("<!--padding-->", preheaders.PADDING)


def _document_footer(issue: _Issue) -> str:
    newsletter = issue.newsletter
    footer = frame.filled("issue/document_footer.html", newsletter, **_footer(issue.marks))
    return frame.styled(footer, "frame/frame.css", newsletter, newsletter.language)


def _footer(marks: Marks) -> dict[str, object]:
    """Return the values of a footer's template. ``archive_url``: empty without a page there."""
    links = {f"{name}_url": marks.links.get(name, "") for name in LINKS}
    return {"footer": marks.footer, **links}


def _text_part(text: str, marks: Marks) -> str:
    lines = Lines(text)

    def place(offset: int) -> str:
        return f"line {lines.at(offset)} of the text"

    return marks.counted_in_text(marks.set_in_prose(text, place))


def _text_mail(text: str, issue: _Issue) -> str:
    return frame.filled(
        "issue/text.txt",
        issue.newsletter,
        content=text.rstrip("\n"),
        **_footer(issue.marks),
    )


def template_bytes(issue: RenderedIssue) -> int:
    """Return the size of the templates as botocore sends them: JSON in ASCII."""
    return len(json.dumps({"Subject": issue.subject, "Html": issue.html, "Text": issue.text}))
