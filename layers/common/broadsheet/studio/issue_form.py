"""The form in which an issue is written: what it holds, and what the services get of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from pydantic import ValidationError

from broadsheet.domain.issue_requests import EditRequest, HtmlContent, PublishRequest
from broadsheet.domain.issue_versions import IssueVersion
from broadsheet.domain.previews import PreviewRequest
from broadsheet.domain.welcome import WelcomeRequest
from broadsheet.web import body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from broadsheet.domain.errors import InvalidField
    from broadsheet.domain.issue_progress import Issue
    from broadsheet.domain.welcome import WelcomeMail
    from broadsheet.studio.forms import Form

HTML = "html"  # of the field `written_as`
_FIELDS = {"markdown": "text", "content": "text", "content.html": "text", "content.text": "plain"}


@dataclass(frozen=True)
class IssueForm:
    """What the fields hold. ``text``: Markdown, or HTML, beside which ``plain`` may be its text.

    ``key``: of a new issue, so that it is made once. ``version``: of a stored one, which the page
    was made from. ``chooses_segment``: whether the form asks whom the issue is for.
    """

    key: str = ""
    version: str = ""
    title: str = ""
    preheader: str = ""
    slug: str = ""
    segment: str = ""
    chooses_segment: bool = False
    archive: bool = True
    is_html: bool = False
    text: str = ""
    plain: str = ""

    @classmethod
    def of(cls, form: Form) -> Self:
        """Return what was typed."""
        return cls(
            key=form.line("key"),
            version=form.line("version"),
            title=form.line("title"),
            preheader=form.line("preheader"),
            slug=form.line("slug"),
            segment=form.line("segment"),
            chooses_segment=form.has("segment"),
            archive=form.has("archive"),
            is_html=form.line("written_as") == HTML,
            text=form.text("text"),
            plain=form.text("plain"),
        )

    @property
    def has_begun(self) -> bool:
        """Return whether anything is written yet."""
        return bool(self.title.strip() or self.preheader.strip() or self.text.strip())

    @classmethod
    def of_version(cls, issue: Issue, written: IssueVersion) -> Self:
        """Return a stored version, with what the issue says beside its text."""
        return replace(
            cls.of_content(written),
            slug=issue.slug,
            segment=str(issue.segment or ""),
            archive=issue.archive,
        )

    @classmethod
    def of_content(cls, written: IssueVersion | WelcomeMail) -> Self:
        """Return what a stored version says, or the welcome mail."""
        content = written.content
        is_html = isinstance(content, HtmlContent)
        return cls(
            version=str(written.version) if isinstance(written, IssueVersion) else "",
            title=str(written.title),
            preheader=str(written.preheader or ""),
            is_html=is_html,
            text=content.html if isinstance(content, HtmlContent) else content.markdown,
            plain=(content.text or "") if isinstance(content, HtmlContent) else "",
        )

    def as_text(self) -> str:
        """Return all that readers read, as one text."""
        parts = filter(None, (self.title, self.preheader, self.text, self.plain))
        return "".join(f"{part.rstrip()}\n\n" for part in parts)

    def says_the_same(self, other: Self) -> bool:
        """Return whether saving this would change nothing of another's version."""
        return self._said(other) == other._said(other)

    def _said(self, stored: Self) -> tuple[object, ...]:
        return (
            *(self.title, self.preheader, self.archive, self.is_html, self.text, self.plain),
            self.slug or stored.slug,
            self.segment if self.chooses_segment else stored.segment,
        )

    def with_image(self, url: str, description: str) -> Self:
        """Return it with an image at the end of the text."""
        if self.is_html:
            mark = f'<img src="{url}" alt="{description.replace('"', "&quot;")}">'
        else:
            mark = f"![{description.replace(']', '\\]')}]({url})"
        return replace(self, text=f"{self.text.rstrip()}\n\n{mark}\n".lstrip())

    def draft(self) -> PublishRequest:
        """Return the request to store a new draft. Raises ``InvalidFields``."""
        return _parsed(PublishRequest, self._fields() | {"draft": True})

    def edit(self, accepted: list[str]) -> EditRequest:
        """Return the request to replace an issue's text. Raises ``InvalidFields``."""
        return _parsed(EditRequest, self._fields() | {"accept_warnings": accepted})

    def welcome(self, accepted: list[str], *, with_newest_issue: bool) -> WelcomeRequest:
        """Return the request to replace the welcome mail. Raises ``InvalidFields``."""
        more = {"accept_warnings": accepted, "with_newest_issue": with_newest_issue}
        return _parsed(WelcomeRequest, self._mail() | more)

    def preview(
        self, reader: str, stand_in: str
    ) -> tuple[PreviewRequest | None, Mapping[str, InvalidField]]:
        """Return what can be shown, leaving out fields that are wrong, and what is wrong with them.

        ``stand_in``: the title until there is one. Without a text, nothing can be shown.
        """
        fields = self._fields() | {"draft": True} | ({"name": reader} if reader else {})
        try:
            return PreviewRequest.model_validate(fields), {}
        except ValidationError as error:
            wrong = body.invalid_fields(error).fields
        kept = {name: value for name, value in fields.items() if name not in wrong}
        kept.setdefault("title", stand_in)
        try:
            return PreviewRequest.model_validate(kept), by_field(wrong)
        except ValidationError:  # there is no text
            return None, by_field(wrong)

    def _mail(self) -> dict[str, object]:
        content: dict[str, object] = {"markdown": self.text}
        if self.is_html:
            content = {
                "content": {"html": self.text} | ({"text": self.plain} if self.plain else {})
            }
        preheader = {"preheader": self.preheader} if self.preheader else {}
        return {"title": self.title} | content | preheader

    def _fields(self) -> dict[str, object]:
        return (
            {"archive": self.archive}
            | self._mail()
            | ({"slug": self.slug} if self.slug else {})
            | ({"segment": self.segment or None} if self.chooses_segment else {})
        )


def by_field(wrong: Mapping[str, InvalidField]) -> dict[str, InvalidField]:
    """Return what is wrong by the names of the form's fields."""
    return {_FIELDS.get(name, name): each for name, each in wrong.items()}


def _parsed[Request: BaseModel](model: type[Request], fields: Mapping[str, object]) -> Request:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise body.invalid_fields(error) from None
