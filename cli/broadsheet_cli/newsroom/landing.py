"""Brings the newsletter to what a branch says: publishes what was added, cancels what was removed.

What counts is what the branch holds now, not which commit this run is for. So it does no harm to
run a job again, to run two at once, or to push by force, and merge commits and squashes are alike.
An issue is found again by its file's slug; no record is kept at GitHub.

The idempotency key derives from the slug, and from how often the branch got the file: one that was
removed before its issue began, and added again, is another publication. While the issue is there,
or has reached somebody, it keeps its slug, and is never published again.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from broadsheet_cli import issue_file, publishing
from broadsheet_cli.answers import Finding
from broadsheet_cli.errors import CommandFailed, Refused
from broadsheet_cli.newsroom import history
from broadsheet_cli.newsroom.run import annotate, annotate_findings
from broadsheet_cli.preparing import prepare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from broadsheet_cli.answers import Issue
    from broadsheet_cli.api import Newsletter
    from broadsheet_cli.issue_file import IssueFile
    from broadsheet_cli.publishing import Ready

MOST_NEW = 3  # of one push: more are an archive that is moved here, and nobody's wish to mail
LATE = timedelta(days=1)  # a new file dated earlier is of the past
LOOKED_AT = 300  # of the newest issues
SETTLE_SECONDS = 60  # for mails that were under way when an issue was canceled
SETTLE_PAUSE = 3
OPEN = frozenset(("draft", "scheduled", "sending", "paused"))

type Severity = Literal["notice", "warning", "error"]


@dataclass(frozen=True)
class Outcome:
    """What became of a file or an issue. ``path``: from the top of the repository."""

    severity: Severity
    said: str
    path: Path | None
    issue: Issue | None = None


@dataclass
class Landing:
    """One run. ``author``: as whom; no other author's issue is touched."""

    newsletter: Newsletter
    author: str
    folder: Path
    undo: timedelta
    accepted: Sequence[str] = ()
    outcomes: list[Outcome] = field(default_factory=list)

    def land(self, branch: str, before: str, after: str) -> None:
        """Do what a push to a branch asks for, and what the branch says by now."""
        tip = history.fetch_branch(branch)
        knows_before = history.fetch_commit(before)
        pushed = history.changed(before, after, self.folder) if knows_before else []
        if not knows_before and before != history.NOTHING:
            self._say(
                "error",
                "GitHub has lost what the branch was before this push: nothing new "
                "is published. Change the issue's file once more.",
            )
        with history.checked_out(tip) as tree:
            present = self._read(tree)
            self._withdraw_missing(present)
            gone = [path for path in pushed if path not in present.values()]
            self._account_for(before, gone, present)
            self._publish(tree, tip, [path for path in pushed if path in present.values()])
        # A revert that was merged meanwhile may have found nothing yet to cancel.
        while (now := history.fetch_branch(branch)) != tip:
            tip = now
            with history.checked_out(tip) as tree:
                self._withdraw_missing(self._read(tree))

    # --- What is removed --------------------------------------------------------------------------

    def _withdraw_missing(self, present: Mapping[str, Path]) -> None:
        """Cancel each of our open issues whose file is gone, or is held back by now."""
        for issue in self._ours():
            if issue.status in OPEN and issue.slug not in present:
                self._withdraw(issue)

    def _account_for(self, before: str, gone: Sequence[Path], present: Mapping[str, Path]) -> None:
        """Say how many have what a push removed too late."""
        if not gone:
            return
        with history.checked_out(before) as tree:
            slugs = {issue_file.read(tree / path).slug for path in gone if (tree / path).is_file()}
        for slug in slugs - present.keys():
            issue = self._by_slug(slug)
            is_told = issue is None or issue.id in {
                each.issue.id for each in self.outcomes if each.issue
            }
            if issue and issue.author == self.author and issue.has_ended and not is_told:
                self._say("warning", f"“{issue.title}”: {proof(issue)}", issue=issue)

    def _withdraw(self, issue: Issue) -> None:
        ended = publishing.withdraw(self.newsletter, issue.id)
        deadline = time.monotonic() + SETTLE_SECONDS
        while ended and _is_unsettled(ended) and time.monotonic() < deadline:
            time.sleep(SETTLE_PAUSE)
            ended = self.newsletter.issue(issue.id)
        severity: Severity = "notice" if ended is None or ended.audience is None else "warning"
        self._say(severity, f"“{issue.title}”: {proof(ended)}", issue=ended or issue)

    # --- What is there ----------------------------------------------------------------------------

    def _read(self, tree: Path) -> dict[str, Path]:
        """Return the files of a tree by their slugs, without those that are held back.

        Raises ``CommandFailed`` if two have one slug: neither would be told from the other.
        """
        found: dict[str, Path] = {}
        for path in history.issues_in(tree, self.folder):
            file = issue_file.read(tree / path)
            if file.is_held_back:
                continue
            if file.slug in found:
                raise CommandFailed(f"{path} and {found[file.slug]} have one slug: {file.slug}")
            found[file.slug] = path
        return found

    def _publish(self, tree: Path, tip: str, paths: Sequence[Path]) -> None:
        files = {path: issue_file.read(tree / path) for path in paths}
        known = {path: self._by_slug(file.slug) for path, file in files.items()}
        new = [path for path, issue in known.items() if issue is None]
        if len(new) > MOST_NEW:
            for path in new:
                self._say(
                    "error",
                    f"{len(new)} new issues at once are more than {MOST_NEW}: none is published. "
                    "Add them in several pushes.",
                    path,
                )
        for path, issue in known.items():
            if issue is None and len(new) > MOST_NEW:
                continue
            try:
                self._bring(tree, path, issue, history.times_added(path, tip))
            except Refused as refused:
                self._say("error", f"It is not published: {refused}", path)

    def _bring(self, tree: Path, path: Path, issue: Issue | None, number: int) -> None:
        """Publish a file for the n-th time that the branch has it, or bring its issue up to it."""
        ready = prepare(self.newsletter, tree / path)
        if issue is None and not self._is_of_the_past(ready.file, path):
            try:
                self._create(ready, path, number)
            except Refused as refused:
                if refused.code not in {"idempotency-key-reused", "slug-taken"}:
                    self._refuse(ready, path, refused)
                    return
                # Another run has just made it; or it was canceled, and has no slug any more.
                issue = self._by_slug(ready.file.slug)
                if issue is None:
                    self._say_canceled(path)
        if issue is not None:
            self._update(ready, path, issue)

    def _create(self, ready: Ready, path: Path, number: int) -> None:
        due = max(ready.file.publish_at or self.newsletter.now(), self.newsletter.now() + self.undo)
        request = {
            **ready.request,
            "publish_at": due.astimezone(UTC).isoformat(timespec="milliseconds"),
            **({"accept_warnings": list(self.accepted)} if self.accepted else {}),
        }
        named = json.dumps([ready.file.slug, number])
        key = f"newsroom-{sha256(named.encode()).hexdigest()[:40]}"
        created = self.newsletter.create(request, key)
        issue = self.newsletter.issue(created.id)
        if issue.status == "canceled":  # the key's earlier one, which has given its slug back
            self._say_canceled(path)
            return
        self._say(
            "notice",
            f"“{issue.title}” {_when(issue)}. Until then, reverting the merge sends nothing.",
            path,
            issue,
        )

    def _update(self, ready: Ready, path: Path, issue: Issue) -> None:
        """Bring an issue that is not sent yet to its file's text and time."""
        if issue.author != self.author:
            self._say(
                "error",
                f"{issue.author} has published an issue called {issue.slug}: give "
                "this file another slug.",
                path,
                issue,
            )
            return
        content = self.newsletter.content(issue.id)
        has_changed = publishing.fingerprint(
            {**issue.document, **content}, ready.request
        ) != publishing.fingerprint(ready.request, ready.request)
        if issue.status == "canceled" or issue.has_ended or issue.status == "sending":
            self._leave(path, issue, has_changed=has_changed)
            return
        if has_changed and content.get("author") != self.author:
            self._say(
                "error",
                f"{content.get('author')} has changed this issue since: merge both texts, by hand.",
                path,
                issue,
            )
            return
        if has_changed:
            accepted = {"accept_warnings": list(self.accepted)} if self.accepted else {}
            request = {**ready.request, **accepted}
            try:
                issue = self.newsletter.replace(issue.id, request, issue.version)
            except Refused as refused:
                self._refuse(ready, path, refused)
                return
        issue = self._moved_to_date(issue, ready.file.publish_at)
        what = "has its new text" if has_changed else "is as the file says"
        self._say("notice", f"“{issue.title}” {what}, and {_when(issue)}.", path, issue)

    def _moved_to_date(self, issue: Issue, date: datetime | None) -> Issue:
        """Move a scheduled issue to its file's date, unless that is too soon to undo it."""
        is_other = issue.status == "scheduled" and date and date != issue.publish_at
        if not is_other or not date or date <= self._soonest():
            return issue
        return self.newsletter.act(issue.id, "schedule", {"publish_at": date.isoformat()})

    def _leave(self, path: Path, issue: Issue, *, has_changed: bool) -> None:
        """Say why an issue that is sent or canceled stays as it is."""
        if issue.status == "canceled":
            self._say(
                "warning",
                f"“{issue.title}” was canceled, and is not sent again. {proof(issue)} "
                "To send it, give the file another slug.",
                path,
                issue,
            )
        elif has_changed:
            self._say(
                "warning",
                f"“{issue.title}” is {issue.status}: its readers have the earlier "
                f"text. `broadsheet correct` sends a correction.",
                path,
                issue,
            )
        else:
            self._say(
                "notice", f"“{issue.title}” is {issue.status}; nothing is sent again.", path, issue
            )

    def _say_canceled(self, path: Path) -> None:
        self._say(
            "warning",
            "It was canceled before anybody got it, and is not sent again. To send it, remove the "
            "file, and add it again in another push.",
            path,
        )

    def _refuse(self, ready: Ready, path: Path, refused: Refused) -> None:
        if refused.status == HTTPStatus.PRECONDITION_FAILED:
            self._say(
                "error", "Somebody has changed this issue at this moment: run it again.", path
            )
            return
        findings = [Finding.model_validate(each) for each in refused.problem.get("warnings", [])]
        annotate_findings(ready, findings, path)
        self._say("error", f"It is not published: {refused}", path)

    def _is_of_the_past(self, file: IssueFile, path: Path) -> bool:
        is_late = bool(file.publish_at and file.publish_at < self.newsletter.now() - LATE)
        if is_late:
            self._say(
                "warning",
                f"It is dated {file.publish_at:%Y-%m-%d}, and new here: nothing is "
                "sent. Change its date to send it.",
                path,
            )
        return is_late

    def _soonest(self) -> datetime:
        return self.newsletter.now() + self.undo

    # --- Which issue is a file's ------------------------------------------------------------------

    def _by_slug(self, slug: str) -> Issue | None:
        """Return the issue with a slug, whoever made it."""
        for issue in self.newsletter.issues(LOOKED_AT):
            if issue.slug == slug:
                return self.newsletter.issue(issue.id)
        return None

    def _ours(self) -> list[Issue]:
        return [each for each in self.newsletter.issues(LOOKED_AT) if each.author == self.author]

    def _say(
        self, severity: Severity, said: str, path: Path | None = None, issue: Issue | None = None
    ) -> None:
        self.outcomes.append(Outcome(severity, said, path, issue))
        annotate(severity, said, path=path, title="newsroom")


def proof(issue: Issue | None) -> str:
    """Return what a canceled issue's books prove: that nobody got it, or how many did."""
    if issue is None:
        return "Nothing was sent: it was a draft, and is deleted."
    if issue.audience is None:
        return f"Nothing was sent: it is {issue.status}, and had not begun."
    books = issue.books
    if books is None:
        return f"It is {issue.status}, and had begun."
    said = f"{books.accepted:,} of {issue.audience:,} readers got it"
    if books.waiting or books.unresolved:
        said += f", and of {books.waiting + books.unresolved:,} it is not known yet"
    return f"It is {issue.status}: {said}."


def _when(issue: Issue) -> str:
    if issue.status != "scheduled" or issue.publish_at is None:
        return f"is {issue.status}"
    return f"is sent at {issue.publish_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _is_unsettled(issue: Issue) -> bool:
    return bool(issue.books and (issue.books.waiting or issue.books.unresolved))
