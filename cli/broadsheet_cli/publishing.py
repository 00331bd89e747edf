"""Publish, schedule and edit the issue of a file, so that no interruption sends it twice.

An issue begins as a draft, which is sent to nobody. The request that makes it is recorded before
it is sent, and repeated as it was until its answer is recorded. A draft can be published once; what
comes after is asked of the newsletter, not remembered.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from broadsheet_cli import issue_file, records
from broadsheet_cli.errors import Changed, CommandFailed, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from broadsheet_cli.answers import Created, Finding, Issue
    from broadsheet_cli.api import Newsletter
    from broadsheet_cli.issue_file import IssueFile
    from broadsheet_cli.records import Pending, Publication

UNDO_SECONDS = 60
EDITABLE = frozenset(("draft", "scheduled", "paused"))


@dataclass(frozen=True)
class Ready:
    """A file whose text has all it needs to be sent: its images are uploaded.

    ``names``: of these images in the file, by their addresses. ``lacking``: those that can't be
    used, where not all are needed.
    """

    file: IssueFile
    request: dict[str, Any]
    names: dict[str, str] = field(default_factory=dict)
    lacking: list[str] = field(default_factory=list)

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
    return recorded_issue(newsletter, path)


def recorded_issue(newsletter: Newsletter, path: Path) -> Issue | None:
    """Return the issue that a file's record names, without finishing what was cut off."""
    publication = records.read(path, newsletter.address)
    if not publication.issue_id:
        return None
    issue = newsletter.find(publication.issue_id)
    if issue is None or (issue.status == "canceled" and not _reached_somebody(issue)):
        # One that was canceled before it began leaves its slug to the next: its own is its id.
        kept = [issue.slug] if issue and issue.slug and issue.slug != issue.id else []
        records.write(path, newsletter.address, publication.ended(kept))
        return None
    return issue


def draft(newsletter: Newsletter, ready: Ready, accepted: Sequence[str] = ()) -> Issue:
    """Return the issue of a file, which is a draft with its present text unless it is published.

    Raises ``Changed`` if the newsletter has an issue of this file that this folder doesn't know,
    or another text of it.
    """
    issue = _make(newsletter, ready, {"draft": True})
    known = records.read(ready.file.path, newsletter.address)
    # Another version than the recorded one has a text that nobody was asked about here.
    is_known = issue.version == known.version
    if issue.status == "draft" and (not is_known or has_changed(newsletter, ready)):
        return edit(newsletter, ready, issue, accepted=accepted)
    return issue


def correction(
    newsletter: Newsletter, ready: Ready, corrects: str, when: datetime, accepted: Sequence[str]
) -> tuple[Issue, Created | None]:
    """Return the correction that a file is, sent at ``when`` unless it was sent before.

    With it the answer that says how many it is for, if it was requested now. One that was cut off
    and is still scheduled gets the file's present text, and the present time.
    """
    path, more = ready.file.path, {"publish_at": _written(when), **_accepting(accepted)}
    publication = records.read(path, newsletter.address)
    _refuse_another(publication.pending, path, corrects)
    if publication.pending is None and (issue := known_issue(newsletter, path, corrects)):
        return issue, None
    publication = records.read(path, newsletter.address)
    request = publication.with_own_slug(ready.request)
    if publication.pending:
        pending = publication.pending.again(request, more)
    else:
        pending = publication.new_request(request, more, name=_name(ready), corrects=corrects)
    created = _request_correction(newsletter, path, corrects, pending)
    issue = newsletter.issue(created.id)
    if issue.status == "scheduled" and has_changed(newsletter, ready):
        issue = edit(newsletter, ready, issue, accepted=accepted)
    if issue.status == "scheduled" and publication.pending:
        issue = newsletter.act(issue.id, "schedule", {"publish_at": more["publish_at"]})
    return issue, created


def addressed(ready: Ready, issue: Issue | None) -> Ready:
    """Return a file whose request names the segment that its issue has, if the file names none."""
    if issue is None or issue.segment is None or "segment" in ready.request:
        return ready
    return replace(ready, request={**ready.request, "segment": issue.segment})


def has_changed(newsletter: Newsletter, ready: Ready) -> bool:
    """Return whether a file has another text than the newsletter."""
    known = records.read(ready.file.path, newsletter.address)
    return known.digest != records.digest_of(known.with_own_slug(ready.request))


def is_as_stored(newsletter: Newsletter, ready: Ready, issue: Issue) -> bool:
    """Return whether an editable issue has a file's text already, in the version we know."""
    version = records.read(ready.file.path, newsletter.address).version
    is_ours = issue.version == version and issue.status in EDITABLE
    return is_ours and not has_changed(newsletter, ready)


def publish(newsletter: Newsletter, issue: Issue, when: datetime, accepted: Sequence[str]) -> None:
    """Publish this version of a draft. One that was published meanwhile stays as it is.

    Raises ``Changed`` if the draft has another version.
    """
    moment = _written(when)
    request = {"publish_at": moment, **_accepting(accepted)}
    key = f"publish-{issue.id}-{moment}"
    try:
        newsletter.publish(issue.id, request, issue.version, key)
    except Refused as refused:
        is_stale = refused.status == HTTPStatus.PRECONDITION_FAILED
        if not is_stale and refused.status != HTTPStatus.CONFLICT:
            raise
        if newsletter.issue(issue.id).status != "draft":
            return
        if not is_stale:
            raise
        raise Changed(
            "Somebody else has changed this draft meanwhile, and nothing was sent: run the same "
            "command again, and look at what it shows."
        ) from refused


def take_back(newsletter: Newsletter, issue: Issue, accepted: Sequence[str]) -> Issue:
    """Cancel a draft that may be published at this moment, and return it with its text.

    A request to publish it may still be on its way. So this publishes it for the next day, after
    which that request finds no draft, and cancels it.
    """
    try:
        publish(newsletter, issue, newsletter.now() + timedelta(days=1), accepted)
    except (Changed, Refused):  # the request on its way is refused for the same reason
        return newsletter.issue(issue.id)
    return withdraw(newsletter, issue.id) or issue


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
    request = publication.with_own_slug(ready.request)
    known = issue.version if publication.version is None else publication.version
    ours = fingerprint(request, request)
    records.write(path, newsletter.address, publication.model_copy(update={"attempt": ours}))
    replacement = _Replacement(path, {**request, **_accepting(accepted)}, publication.attempt)
    edited = replacement.store(newsletter, issue.id, known if over is None else over)
    made = publication.made(edited.id, edited.version, records.digest_of(request))
    records.write(path, newsletter.address, made)
    return edited


@dataclass(frozen=True)
class _Replacement:
    """A text of a file that replaces its issue's.

    ``earlier``: the fingerprint of the one that was sent before, whose answer may be lost.
    """

    path: Path
    request: dict[str, Any]
    earlier: str | None

    def store(self, newsletter: Newsletter, issue_id: str, version: int) -> Issue:
        """Store it unless somebody else has changed the issue. Raises ``Changed``."""
        while True:
            try:
                return newsletter.replace(issue_id, self.request, version)
            except Refused as refused:
                if refused.status != HTTPStatus.PRECONDITION_FAILED:
                    raise
            # An edit of this file whose answer was lost is no conflict.
            now = newsletter.issue(issue_id)
            content = newsletter.content(issue_id)
            theirs = fingerprint({**now.document, **content}, self.request)
            if theirs == fingerprint(self.request, self.request):
                return now
            if theirs != self.earlier:
                raise Changed(_conflict(self.path, now, content))
            version = now.version


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


def _make(newsletter: Newsletter, ready: Ready, more: dict[str, Any]) -> Issue:
    """Return a file's issue, after making it if there is none."""
    path = ready.file.path
    while (issue := known_issue(newsletter, path)) is None:
        publication = records.read(path, newsletter.address)
        request = publication.with_own_slug(ready.request)
        pending = publication.new_request(request, more, name=_name(ready))
        records.write(path, newsletter.address, publication.begun(pending))
        _settle(newsletter, path, None)
    return issue


def _settle(newsletter: Newsletter, path: Path, corrects: str | None) -> None:
    """Finish a request that was begun, with its issue as the result.

    That of a correction sends it: only the command that began it finishes it, and here, where
    nobody agreed to its text, it makes one for the next day.
    """
    publication = records.read(path, newsletter.address)
    pending = publication.pending
    _refuse_another(pending, path, corrects)
    if pending is None:
        return
    if corrects:
        later = {**pending.more, "publish_at": _written(newsletter.now() + timedelta(days=1))}
        _request_correction(newsletter, path, corrects, pending.again(pending.request, later))
        return
    request = {**pending.request, **pending.more}
    try:
        created = newsletter.create(request, pending.key)
    except Refused as refused:
        raise _without_issue(newsletter, path, refused, publication) from refused
    made = publication.made(created.id, 1, records.digest_of(pending.request))
    records.write(path, newsletter.address, made)


def _request_correction(
    newsletter: Newsletter, path: Path, corrects: str, pending: Pending
) -> Created:
    """Request a correction, or find the one that an earlier request made, and record it.

    An earlier request has an old text, and a time that may have passed. So it is repeated only
    after the newsletter says that the key is used: then it makes nothing, and names its issue.
    """
    before = records.read(path, newsletter.address)
    records.write(path, newsletter.address, before.begun(pending))
    for request, more in ((pending.request, pending.more), *pending.earlier):
        try:
            created = newsletter.correct(corrects, {**request, **more}, pending.key)
        except Refused as refused:
            problem = refused
            if refused.code != "idempotency-key-reused":
                break
        else:
            made = before.made(created.id, 1, records.digest_of(request))
            records.write(path, newsletter.address, made)
            return created
    raise _without_issue(newsletter, path, problem, before) from problem


def _without_issue(
    newsletter: Newsletter, path: Path, refused: Refused, before: Publication
) -> CommandFailed:
    """Record that a request made no issue, so that the next one is another; return what to say."""
    is_taken = refused.code in {"idempotency-key-reused", "slug-taken"}
    # An earlier request that was cut off may still have made one.
    was_cut_off = before.pending is not None and before.pending.corrects and not is_taken
    after = before if was_cut_off else before.without_issue()
    records.write(path, newsletter.address, after)
    return Changed(_unknown_issue(path)) if is_taken else refused


def _refuse_another(pending: Pending | None, path: Path, corrects: str | None) -> None:
    """Refuse a command while another one's request is not finished."""
    if pending and pending.corrects != corrects:
        command = f"correct {pending.corrects}" if pending.corrects else "publish"
        raise CommandFailed(f"First finish what was interrupted: broadsheet {command} {path}")


def _unknown_issue(path: Path) -> str:
    slug = issue_file.read(path).slug
    return (
        f"The newsletter has an issue called “{slug}” already, and {path.parent / records.FOLDER} "
        "doesn't know it.\nIf it is this file's, `broadsheet issues` shows its id, and `broadsheet "
        f"edit {path} --issue ID` links the two.\nIf it is another's, give this file a slug of its "
        "own: a line “slug: …” in its front matter."
    )


def _conflict(path: Path, now: Issue, content: dict[str, Any]) -> str:
    """Return what to do about somebody else's version, after writing it beside the file."""
    front_matter = f"---\ntitle: {issue_file.quoted(now.title)}\n---\n"
    text = front_matter + _text_of(content)
    theirs = _write_beside(path, f"{path.stem}.version-{now.version}", text)
    return (
        f"Somebody else has changed this issue: it is at version {now.version}.\n"
        f"Their text is in {theirs}, yours is still in {path}: merge the two, and then\n"
        f"  broadsheet edit {path} --over {now.version}"
    )


def _write_beside(path: Path, stem: str, text: str) -> Path:
    """Write a text beside a file under a free name, or find it there; return where it is."""
    for number in itertools.count(1):
        suffix = f"-{number}" if number > 1 else ""
        beside = path.with_name(f"{stem}{suffix}{path.suffix}")
        try:
            with beside.open("x", encoding="utf-8") as stream:
                stream.write(text)
        except FileExistsError:
            if beside.read_bytes() != text.encode():
                continue
        return beside
    raise AssertionError


def _name(ready: Ready) -> str:
    """Return the name that two copies of a file have in common."""
    return ready.file.slug or ready.file.path.name


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _accepting(accepted: Sequence[str]) -> dict[str, list[str]]:
    return {"accept_warnings": list(accepted)} if accepted else {}


def fingerprint(document: dict[str, Any], request: dict[str, Any]) -> str:
    """Return what two texts of an issue have in common; what a request leaves out stays."""
    kept = [document.get(name) for name in ("slug", "archive", "segment") if name in request]
    preheader = document.get("preheader") or None
    return records.digest_of(document["title"], _text_of(document), preheader, kept)


def _text_of(document: dict[str, Any]) -> str:
    content = document.get("content")
    fields = content if isinstance(content, dict) else document
    return str(fields.get("markdown") or fields.get("html") or "")


def _reached_somebody(issue: Issue) -> bool:
    return bool(issue.books and (issue.books.accepted or issue.books.unresolved))
