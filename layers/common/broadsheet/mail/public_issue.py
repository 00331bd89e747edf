"""Renders an issue for everybody: its content for the archive's pages and feeds.

It is made from what the author wrote, without the mail's frame and without any reader's data: a
name becomes what stands for it where a reader gave none, and the links to leave and to manage lead
to the sign-up page. Markdown has no colours, so that a page can show it in its own. An author's
HTML keeps its inline styles, and beside them nothing but what ``_SAFE`` names: no script, no form,
nothing that covers the page around it.
"""

import re
from collections.abc import Sequence
from html import escape
from typing import Literal, NamedTuple

import nh3

from broadsheet.domain.findings import Findings
from broadsheet.domain.issue_requests import HtmlContent, MarkdownContent
from broadsheet.domain.issue_versions import IssueVersion
from broadsheet.domain.newsletter import Newsletter
from broadsheet.mail import author_html, author_markdown, html_text
from broadsheet.mail import preheader as preheaders
from broadsheet.mail.checks import outline
from broadsheet.mail.checks.outline import Image
from broadsheet.mail.html_source import Source
from broadsheet.mail.issue_mail import SHOWN_UNRENDERED, begins_with_headline, typography_of
from broadsheet.mail.limits import TooComplex
from broadsheet.mail.placeholders import Marks
from broadsheet.mail.substitutions import Links, Reader, Tokens, filled_in

_EVERYBODY = Reader("", Tokens("", ""), {})
_WHOLE_ADDRESS = re.compile(r"https?://[^\s\[\]]+", re.IGNORECASE)
_EMBEDDED_IMAGE = re.compile(r"data:image/(?:png|gif|jpeg|webp);", re.IGNORECASE)
_STYLES = frozenset(
    (
        *("background", "background-color", "background-image", "background-position"),
        *("background-repeat", "background-size", "border-collapse", "border-radius"),
        *("border-spacing", "box-sizing", "caption-side", "clear", "color", "direction", "display"),
        *("empty-cells", "float", "height", "letter-spacing", "line-height", "list-style"),
        *("list-style-position", "list-style-type", "max-height", "max-width", "min-height"),
        *("min-width", "mso-hide", "opacity", "overflow", "overflow-wrap", "overflow-x"),
        *("table-layout", "unicode-bidi", "vertical-align", "visibility", "white-space", "width"),
        *("word-break", "word-spacing", "word-wrap"),
        *("text-align", "text-decoration", "text-decoration-color", "text-decoration-line"),
        *("text-decoration-style", "text-indent", "text-shadow", "text-transform"),
        *("font", "font-family", "font-size", "font-style", "font-variant", "font-weight"),
        *("border", "border-color", "border-style", "border-width"),
        *(
            f"border-{side}{part}"
            for side in ("top", "right", "bottom", "left")
            for part in ("", "-color", "-style", "-width")
        ),
        "padding",
        *(f"padding-{side}" for side in ("top", "right", "bottom", "left")),
        "margin",
        *(f"margin-{side}" for side in ("top", "right", "bottom", "left")),
    )
)
_OF_CELLS = {"abbr", "bgcolor", "colspan", "headers", "nowrap", "rowspan", "scope"}
_ATTRIBUTES = nh3.ALLOWED_ATTRIBUTES | {
    "*": {"align", "dir", "height", "lang", "role", "style", "title", "valign", "width"},
    "a": {"href", "hreflang"},
    "font": {"color", "face", "size"},
    "img": {"alt", "border", "hspace", "src", "vspace"},
    "table": {"bgcolor", "border", "cellpadding", "cellspacing", "summary"},
    "td": _OF_CELLS,
    "th": _OF_CELLS,
    "tr": {"bgcolor"},
}


def _kept(tag: str, attribute: str, value: str) -> str | None:
    """Return an attribute's value if it may stay: data only as an image."""
    if not value.strip().lower().startswith("data:"):
        return value
    is_image = tag == "img" and attribute == "src" and _EMBEDDED_IMAGE.match(value.strip())
    return value if is_image else None


_SAFE = nh3.Cleaner(
    tags={*nh3.ALLOWED_TAGS, "big", "font", "main", "section", "tfoot"},
    clean_content_tags={
        *("head", "iframe", "math", "noscript", "object", "script", "select", "style", "svg"),
        *("template", "textarea", "title"),
    },
    attributes=_ATTRIBUTES,
    attribute_filter=_kept,
    url_schemes={"data", "http", "https", "mailto", "tel"},
    filter_style_properties=set(_STYLES),
    link_rel=None,
)


class PublicIssue(NamedTuple):
    """An issue as everybody sees it. ``headline``: empty if the content has its own.

    ``image``: the address of its first image.
    """

    title: str
    headline: str
    description: str
    html: str
    is_authors_html: bool
    image: str | None


class _Body(NamedTuple):
    """A content, with the marks in it. ``first``: its first sentence."""

    html: str
    has_headline: bool
    first: str
    images: Sequence[Image]


def public_issue(
    written: IssueVersion, newsletter: Newsletter, site: str, page: str
) -> PublicIssue:
    """Return a version of an issue as everybody sees it.

    ``site``: the newsletter's whole address, and ``page`` that of the issue's page. What is too
    complex to render is shown as typed.
    """
    preheader = [written.preheader] if written.preheader else []
    marks = Marks.foreign_to(written.title, written.content, newsletter, *preheader)
    links = Links(f"{site}/", f"{site}/", page)
    title = _filled(marks.set_in_prose(str(written.title), lambda _: ""), "text", marks, links)
    try:
        body = _rendered(written, newsletter, marks)
    except TooComplex:
        body = _as_typed(written)
    first = marks.set_in_prose(str(written.preheader or ""), lambda _: "") or body.first
    return PublicIssue(
        title=title,
        headline="" if body.has_headline else title,
        description=_filled(first, "text", marks, links),
        html=_filled(body.html, "html", marks, links),
        is_authors_html=isinstance(written.content, HtmlContent),
        image=next(
            (each.address for each in body.images if _WHOLE_ADDRESS.fullmatch(each.address)), None
        ),
    )


def _filled(text: str, kind: Literal["html", "text"], marks: Marks, links: Links) -> str:
    return filled_in(marks.restore(text, kind), _EVERYBODY, links)


def _rendered(written: IssueVersion, newsletter: Newsletter, marks: Marks) -> _Body:
    match written.content:
        case MarkdownContent(markdown=markdown):
            return _of_markdown(marks.protect(markdown), newsletter, marks)
        case HtmlContent(html=html):
            return _of_html(html, marks)


def _of_markdown(markdown: str, newsletter: Newsletter, marks: Marks) -> _Body:
    tokens = author_markdown.parse(markdown, marks, typography_of(newsletter))
    has_headline = begins_with_headline(tokens)
    return _Body(
        author_markdown.render(tokens),
        has_headline,
        preheaders.of_markdown(tokens, marks.columns),
        outline.of_markdown(tokens, marks, has_own_headline=has_headline).images,
    )


def _of_html(html: str, marks: Marks) -> _Body:
    source = Source(html, Findings())
    fragment = author_html.fragment(source, marks)
    styled = author_html.with_styles_inlined(fragment, marks)
    safe = _SAFE.clean(styled)
    return _Body(
        safe,
        fragment.has_headline,
        preheaders.of_markdown(html_text.tokens_of(safe), marks.columns),
        outline.of_html(source, has_own_headline=fragment.has_headline).images,
    )


def _as_typed(written: IssueVersion) -> _Body:
    content = written.content
    source = content.markdown if isinstance(content, MarkdownContent) else content.html
    return _Body(f"<pre>{escape(source[:SHOWN_UNRENDERED])}</pre>", False, "", ())  # noqa: FBT003 - a tuple's
