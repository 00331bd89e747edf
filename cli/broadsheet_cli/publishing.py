"""Publish, schedule and edit the issue of a file, so that no interruption sends it twice.

An issue begins as a draft, which is sent to nobody. The request that makes it is recorded before
it is sent, and repeated as it was until its answer is recorded. A draft can be published once; what
comes after is asked of the newsletter, not remembered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from broadsheet_cli import issue_file, records
from broadsheet_cli.errors import Changed, CommandFailed, Refused
from broadsheet_cli.records import Publication

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from broadsheet_cli.answers import Created, Finding, Issue
    from broadsheet_cli.api import Newsletter
    from broadsheet_cli.issue_file import IssueFile

UNDO_SECONDS = 60
EDITABLE = frozenset(("draft", "scheduled", "paused"))


@dataclass(frozen=True)
class Ready:
    """A file whose text has all it needs to be sent: its images are uploaded.

    ``names``: of these images in the file, by their addresses.
    """

    file: IssueFile
    request: dict[str, Any]
    names: dict[str, str] = field(default_factory=dict)

    def in_file(self, finding: Finding) -> dict[str, str]:
        """Return a finding in the words of the file: its place there, and its images' names."""
        message = finding.message
        for address, name in self.names.items():
            message = message.replace(address, name)
        place = self.file.place(finding.where)
        return {**finding.document, "message": message, "place": place}


def known_issue(newsletter: Newsletter, path: Path, corrects: str | None = None) -> Issue | None:
    """Return the issue that a file has, if it has one that may still be sent or was.

    One that was deleted, or canceled before anybody got it, makes room for another.
    """
    _settle(newsletter, path, corrects)
    publication = records.read(path, newsletter.address)
    if not publication.issue_id:
        return None
    issue = newsletter.find(publication.issue_id)
    if issue is None or (issue.status == "canceled" and not _reached_somebody(issue)):
        records.write(path, newsletter.address, publication.ended())
        return None
    return issue


def draft(newsletter: Newsletter, ready: Ready, accepted: Sequence[str] = ()) -> Issue:
    """Return the issue of a file, which is a draft with its present text unless it is published.

    Raises ``Changed`` if the newsletter has an issue of this file that this folder doesn't know,
    or another text of it.
    """
    careful = {} if ready.file.careful is None else {"careful": ready.file.careful}
    issue, _ = _make(newsletter, ready, {"draft": True, **careful})
    if issue.status == "draft" and has_changed(newsletter, ready):
        return edit(newsletter, ready, issue, accepted=accepted)
    return issue


def correction(
    newsletter: Newsletter, ready: Ready, corrects: str, when: datetime, accepted: Sequence[str]
) -> tuple[Issue, Created | None]:
    """Return the correction that a file is, sent at ``when`` unless it was requested before.

    With it the answer that says how many it is for, if it was requested now.
    """
    more = {"publish_at": _written(when), **_accepting(accepted)}
    return _make(newsletter, ready, more, corrects)


def has_changed(newsletter: Newsletter, ready: Ready) -> bool:
    """Return whether a file has another text than the newsletter."""
    known = records.read(ready.file.path, newsletter.address)
    return known.digest != records.digest_of(_numbered(ready.request, known.number))


def publish(newsletter: Newsletter, issue: Issue, when: datetime, accepted: Sequence[str]) -> None:
    """Publish a draft. One that was published meanwhile stays as it is."""
    moment = _written(when)
    request = {"publish_at": moment, **_accepting(accepted)}
    try:
        newsletter.publish(issue.id, request, key=f"publish-{issue.id}-{moment}")
    except Refused as refused:
        if refused.status != HTTPStatus.CONFLICT:
            raise
        if newsletter.issue(issue.id).status == "draft":
            raise


def edit(
    newsletter: Newsletter,
    ready: Ready,
    issue: Issue,
    *,
    over: int | None = None,
    accepted: Sequence[str] = (),
) -> Issue:
    """Give an issue the text of its file, unless somebody else has changed it. Return the issue.

    ``over``: the version of somebody else's that is replaced all the same. Raises ``Changed``
    with their text in a file of its own, and ``CommandFailed``.
    """
    path = ready.file.path
    publication = records.read(path, newsletter.address)
    if issue.status not in EDITABLE:
        hint = f" Pause it first: broadsheet pause {path}" if issue.status == "sending" else ""
        raise CommandFailed(f"The issue is {issue.status} and can't be edited.{hint}")
    request = _numbered(ready.request, publication.number)
    known = issue.version if publication.version is None else publication.version
    version = known if over is None else over
    ours, before = _fingerprint(ready.request), publication.attempt
    records.write(path, newsletter.address, publication.model_copy(update={"attempt": ours}))
    while True:
        try:
            edited = newsletter.replace(issue.id, {**request, **_accepting(accepted)}, version)
        except Refused as refused:
            if refused.status != HTTPStatus.PRECONDITION_FAILED:
                raise
        else:
            break
        # An edit of ours whose answer was lost is no conflict.
        edited = now = newsletter.issue(issue.id)
        content = newsletter.content(issue.id)
        theirs = _fingerprint({**content, "title": now.title})
        if theirs == ours:
            break
        if theirs != before:
            raise Changed(_conflict(path, now, content))
        version = now.version
    made = publication.made(edited.id, edited.version, records.digest_of(request))
    records.write(path, newsletter.address, made)
    return edited


def withdraw(newsletter: Newsletter, issue_id: str) -> Issue | None:
    """Cancel an issue, or delete it if it is still a draft; return it, or None if it was deleted.

    A request to publish it may still be on its way: it finds no draft any more, or comes first
    and is canceled.
    """
    while True:
        try:
            return newsletter.act(issue_id, "cancel")
        except Refused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                return None
            if refused.status != HTTPStatus.CONFLICT:
                raise
        issue = newsletter.find(issue_id)
        if issue is not None and issue.status != "draft":
            return issue  # finished: there is nothing left to cancel
        try:
            newsletter.delete(issue_id)
        except Refused as refused:
            if refused.status != HTTPStatus.CONFLICT:
                raise
        else:
            return None


def undo_until(newsletter: Newsletter, seconds: float = UNDO_SECONDS) -> datetime:
    """Return when an issue leaves that can be canceled for so long, by the newsletter's clock."""
    return newsletter.now() + timedelta(seconds=seconds)


def _make(
    newsletter: Newsletter, ready: Ready, more: dict[str, Any], corrects: str | None = None
) -> tuple[Issue, Created | None]:
    """Return a file's issue, and the answer to the request that made it if that was now."""
    path, created = ready.file.path, None
    while (issue := known_issue(newsletter, path, corrects)) is None:
        publication = records.read(path, newsletter.address)
        request = _numbered(ready.request, publication.number)
        begun = publication.begun(request, more, name=_name(ready), corrects=corrects)
        records.write(path, newsletter.address, begun)
        created = _settle(newsletter, path, corrects)
    return issue, created


def _settle(newsletter: Newsletter, path: Path, corrects: str | None) -> Created | None:
    """Finish a request that was begun, and return its answer.

    That of a correction sends it: it is finished only by the command that began it.
    """
    publication = records.read(path, newsletter.address)
    pending = publication.pending
    if pending is None:
        return None
    if pending.corrects != corrects:
        command = f"correct {pending.corrects}" if pending.corrects else "publish"
        raise CommandFailed(f"First finish what was interrupted: broadsheet {command} {path}")
    request = {**pending.request, **pending.more}
    try:
        if corrects:
            created = newsletter.correct(corrects, request, pending.key)
        else:
            created = newsletter.create(request, pending.key)
    except Refused as refused:
        # It made no issue: so that the next request is today's, not this one.
        records.write(path, newsletter.address, Publication(number=publication.number))
        if refused.code in {"idempotency-key-reused", "slug-taken"}:
            raise Changed(_unknown_issue(path, request)) from refused
        raise
    made = publication.made(created.id, 1, records.digest_of(pending.request))
    records.write(path, newsletter.address, made)
    return created


def _unknown_issue(path: Path, request: dict[str, Any]) -> str:
    slug = request.get("slug", path.name)
    return (
        f"The newsletter has an issue called “{slug}” already, and {path.parent / records.FOLDER} "
        "doesn't know it.\nIf it is this file's, `broadsheet issues` shows its id, and `broadsheet "
        f"edit {path} --issue ID` links the two.\nIf it is another's, give this file a slug of its "
        "own: a line “slug: …” in its front matter."
    )


def _conflict(path: Path, now: Issue, content: dict[str, Any]) -> str:
    """Return what to do about somebody else's version, after writing it beside the file."""
    theirs = path.with_name(f"{path.stem}.version-{now.version}{path.suffix}")
    front_matter = f"---\ntitle: {issue_file.quoted(now.title)}\n---\n"
    theirs.write_text(front_matter + _text_of(content), encoding="utf-8")
    return (
        f"Somebody else has changed this issue: it is at version {now.version}.\n"
        f"Their text is in {theirs}, yours is still in {path}: put together what shall stay, and\n"
        f"  broadsheet edit {path} --over {now.version}"
    )


def _name(ready: Ready) -> str:
    """Return the name that two copies of a file have in common."""
    return ready.file.slug or ready.file.path.name


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _accepting(accepted: Sequence[str]) -> dict[str, list[str]]:
    return {"accept_warnings": list(accepted)} if accepted else {}


def _fingerprint(document: dict[str, Any]) -> str:
    return records.digest_of(document["title"], _text_of(document))


def _text_of(document: dict[str, Any]) -> str:
    content = document.get("content")
    fields = content if isinstance(content, dict) else document
    return str(fields.get("markdown") or fields.get("html") or "")


def _numbered(request: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a request whose slug is its own: the first one's was canceled and keeps its slug."""
    if number == 1 or "slug" not in request:
        return request
    return {**request, "slug": f"{request['slug']}-{number}"}


def _reached_somebody(issue: Issue) -> bool:
    return bool(issue.books and (issue.books.accepted or issue.books.unresolved))
