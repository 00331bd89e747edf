"""Publish, schedule, edit and correct an issue."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live
from rich.text import Text

from broadsheet_cli import issue_file, publishing, records
from broadsheet_cli.answers import Finding, Issue, Preview
from broadsheet_cli.api import Newsletter
from broadsheet_cli.commands import following
from broadsheet_cli.console import console, duration, is_interactive, note, print_json, readers, say
from broadsheet_cli.errors import (
    INTERRUPTED,
    WRONG_ARGUMENTS,
    CommandFailed,
    NoAccess,
    Refused,
)
from broadsheet_cli.issue_file import IssueFile
from broadsheet_cli.options import (
    Accept,
    File,
    FileOrDraft,
    Json,
    Yes,
    connect,
    find_id,
    find_issue,
    parse_id,
)
from broadsheet_cli.preparing import errors_in, prepare, show_findings
from broadsheet_cli.publishing import Ready

Countdown = Annotated[
    int,
    typer.Option(
        "--countdown", min=0, metavar="SECONDS", help="How long Ctrl-C can still cancel it."
    ),
]


def publish(  # noqa: PLR0913 - a command's arguments
    file: FileOrDraft,
    *,
    accept: Accept = [],  # noqa: B006 - typer copies it
    countdown: Countdown = publishing.UNDO_SECONDS,
    now: Annotated[bool, typer.Option("--now", help="Whatever the file's date says.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Then follow it.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Send an issue to all readers, a minute after you say yes; until then Ctrl-C cancels it.

    A file that was published is not sent again, however often this is called.
    """
    newsletter = connect()
    soon = f"in {duration(countdown)}" if countdown else "now"
    question = f"Send it to {{readers}} {soon}?"
    if not file.is_file() and (draft_id := find_id(str(file))):
        draft = newsletter.issue(draft_id)
        if draft.status == "draft":
            draft, ready = _stored(newsletter, draft)
            _agree(newsletter, ready, accept, question, yes=yes, as_json=as_json)
            draft = _publish_stored(newsletter, draft, accept, countdown, as_json=as_json)
        else:
            _note_published(file, draft)
        _show(newsletter, draft, watch=watch, as_json=as_json)
        return
    issue = publishing.known_issue(newsletter, file)
    if issue is None or issue.status == "draft":
        ready = publishing.addressed(prepare(newsletter, file), issue)
        _refuse_early(newsletter, ready, now=now)
        _agree(newsletter, ready, accept, question, yes=yes, as_json=as_json)
        launch = _Launch(newsletter, accept, made_here=issue is None)
        with _undoing(lambda: launch.undo(file), as_json=as_json):
            issue = publishing.draft(newsletter, ready, accept)
            if issue.status == "draft":
                launch.publish(issue, countdown)
            else:
                _note_published(file, issue)
            issue = _count_down(newsletter, issue.id, file, as_json=as_json)
    elif issue.status == "scheduled":
        _note_changes(newsletter, file)
        with _undoing(lambda: _withdraw(newsletter, file), as_json=as_json):
            issue = _count_down(newsletter, issue.id, file, as_json=as_json)
    else:
        _note_published(file, issue)
    _show(newsletter, issue, watch=watch, as_json=as_json)


def schedule(
    file: File,
    when: Annotated[
        str | None,
        typer.Argument(help="As in “2026-12-01 08:00”, your time; else the file's date."),
    ] = None,
    *,
    accept: Accept = [],  # noqa: B006 - typer copies it
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Send an issue to all readers at a time, or change the time of one that is scheduled."""
    newsletter = connect()
    issue = publishing.known_issue(newsletter, file)
    moment = _moment(newsletter, file, when)
    if issue is None or issue.status == "draft":
        ready = publishing.addressed(prepare(newsletter, file), issue)
        question = f"Send it to {{readers}} at {_local(moment)}?"
        _agree(newsletter, ready, accept, question, yes=yes, as_json=as_json)
        issue = publishing.draft(newsletter, ready, accept)
        if issue.status == "draft":
            publishing.publish(newsletter, issue, moment, accept)
            issue = newsletter.issue(issue.id)
        else:
            _note_published(file, issue)
    elif issue.publish_at != moment:
        issue = newsletter.act(issue.id, "schedule", {"publish_at": moment.isoformat()})
        _note_changes(newsletter, file)
    _show(newsletter, issue, as_json=as_json)


def edit(
    file: File,
    *,
    accept: Accept = [],  # noqa: B006 - typer copies it
    issue: Annotated[
        str | None,
        typer.Option("--issue", metavar="ID", help="The issue, if this folder doesn't know it."),
    ] = None,
    over: Annotated[
        int | None,
        typer.Option("--over", metavar="VERSION", help="Replace this version of somebody else's."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Store a file's text in its issue: a draft, scheduled or paused one; or in a new draft.

    If somebody else has changed the issue, their text is written beside yours, and nothing is
    replaced.
    """
    newsletter = connect()
    if issue is not None:
        _link(newsletter, file, parse_id(issue))
    ready = prepare(newsletter, file)
    known = publishing.known_issue(newsletter, file)
    if known and known.segment and ready.file.segment is None:
        note(f"It stays for the segment {known.segment}: “segment: false” would take that back.")
    with _findings_at_their_lines(ready):
        if known is None:
            findings = newsletter.preview(ready.request).warnings
            edited = publishing.draft(newsletter, ready, accept)
            note(f"{file} is stored as a new draft.")
        elif publishing.is_as_stored(newsletter, ready, known):
            note(f"{file} is unchanged: the issue has this text as version {known.version}.")
            edited, findings = known, []
        else:
            edited = publishing.edit(newsletter, ready, known, over=over, accepted=accept)
            findings = edited.warnings
            if edited.books and not edited.books.waiting:
                note("Nobody waits for it: `broadsheet correct` reaches who has the earlier text.")
    if not as_json:
        show_findings(ready, findings)
    _show(newsletter, edited, as_json=as_json)


def ask(file: File, *, as_json: Json = False) -> None:
    """Store an issue as a draft, and ask those who may publish it for their approval."""
    newsletter = connect()
    ready = prepare(newsletter, file)
    draft = publishing.draft(newsletter, ready)
    if draft.status != "draft":
        raise CommandFailed(f"{file} was published before, and is {draft.status} now.")
    asked = newsletter.ask(draft.id)
    if as_json:
        print_json({"issue": draft.document, "asked": asked})
    else:
        people = "1 person" if asked == 1 else f"{asked} people"
        say(f"Asked {people} to publish it: broadsheet publish {draft.id}")


def correct(  # noqa: PLR0913 - a command's arguments
    issue: Annotated[str, typer.Argument(metavar="ISSUE", help="The issue's file, id or address.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The correction's own text.")],
    *,
    accept: Accept = [],  # noqa: B006 - typer copies it
    countdown: Countdown = publishing.UNDO_SECONDS,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Send a correction to exactly those who got an older version of an issue than its last.

    As with `publish`, Ctrl-C cancels it for a minute, and it is never sent twice.
    """
    newsletter = connect()
    corrected = find_issue(newsletter, issue)
    ready = prepare(newsletter, file)
    if ready.file.careful:
        raise CommandFailed(f"{file}: a correction has no careful start: remove that line.")
    if ready.file.segment:
        raise CommandFailed(f"{file}: a correction has readers already: remove the line “segment”.")
    # What was cut off is finished further below, with the file's present text.
    recorded = publishing.recorded_issue(newsletter, file)
    if recorded and recorded.status == "draft":
        raise CommandFailed(
            f"{file} is the draft of an issue of its own, which `broadsheet publish {file}` sends: "
            "write the correction into another file."
        )
    # Who got it with their welcome mail is in no books: the answer counts them, too.
    known = _with_older_version(corrected)
    whom = f"the {readers(known)}" if known else "those"
    which = f"{corrected.version} of “{corrected.title}”"
    question = f"Send it in {duration(countdown)} to {whom} with an older version than {which}?"
    _agree(newsletter, ready, accept, question, yes=yes, as_json=as_json)
    with _undoing(lambda: _withdraw(newsletter, file, corrected.id), as_json=as_json):
        when = publishing.undo_until(newsletter, countdown)
        sent, made = publishing.correction(newsletter, ready, corrected.id, when, accept)
        if sent.status != "scheduled":
            _note_published(file, sent)
        elif made is None:
            _note_changes(newsletter, file)
        else:
            perhaps = f", and perhaps {made.unsettled:,} more" if made.unsettled else ""
            note(f"It goes to {readers(made.audience_now)}{perhaps}.")
        sent = _count_down(newsletter, sent.id, file, as_json=as_json)
    _show(newsletter, sent, as_json=as_json)


@contextmanager
def _findings_at_their_lines(ready: Ready) -> Iterator[None]:
    """Show the findings for which the newsletter refuses a text."""
    try:
        yield
    except Refused as refused:
        findings = [Finding.model_validate(each) for each in refused.problem.get("warnings", [])]
        if not findings:
            raise
        show_findings(ready, findings)
        raise CommandFailed(_with_errors(errors_in(findings))) from refused


def _with_errors(errors: Sequence[Finding]) -> str:
    codes = " ".join(f"--accept {code}" for code in sorted({each.code for each in errors}))
    return f"It is not sent with these errors. Correct them, or: {codes}"


def _refuse_early(newsletter: Newsletter, ready: Ready, *, now: bool) -> None:
    """Refuse to send what its file keeps back or plans for later."""
    file = ready.file
    if file.is_held_back:
        raise CommandFailed(f"{file.path} says “published: false”: remove that line to publish it.")
    if not now and file.publish_at and file.publish_at > newsletter.now() + timedelta(minutes=1):
        raise CommandFailed(
            f"{file.path} is dated {_local(file.publish_at)}: `broadsheet schedule {file.path}` "
            "sends it then, and `--now` in a minute."
        )


def _agree(  # noqa: PLR0913 - what is asked
    newsletter: Newsletter,
    ready: Ready,
    accepted: Sequence[str],
    question: str,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Show what publishing means, and go on only if that is wanted.

    A question about all readers has ``{readers}`` where their number stands.
    """
    if "{readers}" in question:
        preview, audience = newsletter.preview_with_audience(ready.request)
        question = question.replace("{readers}", readers(audience) + _of_segment(ready))
    else:
        preview = newsletter.preview(ready.request)
        preview = preview.model_copy(update={"audience": None, "seconds": None, "cost": None})
    if not as_json:
        _show_summary(newsletter, ready, preview)
    if not preview.may_publish:
        raise NoAccess(
            "Your token may write and not publish: nothing was sent. "
            f"`broadsheet ask {ready.file.path}` asks somebody who may."
        )
    if errors := errors_in(preview.warnings, accepted):
        if as_json:
            print_json(preview.document)
        raise CommandFailed(_with_errors(errors))
    if yes:
        return
    if not is_interactive():
        note("Nobody is there to be asked: --yes sends it.")
        raise typer.Exit(WRONG_ARGUMENTS)
    if not typer.confirm(question):
        raise CommandFailed("Nothing was sent.")


def _show_summary(newsletter: Newsletter, ready: Ready, preview: Preview) -> None:
    show_findings(ready, preview.warnings)
    rows = [
        ("Subject", preview.subject),
        ("Preheader", preview.preheader or ""),
        ("Newsletter", newsletter.address.url),
        (
            "Readers",
            "" if preview.audience is None else f"{preview.audience:,}{_of_segment(ready)}",
        ),
        ("Takes", "" if preview.seconds is None else duration(preview.seconds)),
        ("Costs", "" if preview.cost is None else f"${preview.cost:,.2f}"),
        ("Size", f"{preview.bytes / 1000:.0f} kB"),
    ]
    for name, value in rows:
        if value:
            say(f"{name:<11}{value}")


def _of_segment(ready: Ready) -> str:
    segment = ready.request.get("segment")
    return f" of the segment {segment}" if segment else ""


def _with_older_version(issue: Issue) -> int:
    versions = issue.books.accepted_by_version if issue.books else {}
    return sum(number for version, number in versions.items() if int(version) < issue.version)


def _stored(newsletter: Newsletter, draft: Issue) -> tuple[Issue, Ready]:
    """Return a draft as of the version of its text, and this text as if it were a file's."""
    content = newsletter.content(draft.id)
    draft = draft.model_copy(update={"version": content["version"]})
    fields = ("title", "preheader", "markdown", "content")
    request = {name: content[name] for name in fields if content.get(name)}
    name = Path(draft.slug or draft.id)
    ready = Ready(IssueFile(path=name, title=draft.title, slug="", body=""), request)
    return draft, publishing.addressed(ready, draft)


def _publish_stored(
    newsletter: Newsletter, draft: Issue, accept: Sequence[str], countdown: int, *, as_json: bool
) -> Issue:
    """Publish somebody's draft, of which there is no file here to lose or keep it."""
    launch = _Launch(newsletter, accept, made_here=False)
    with _undoing(lambda: launch.take_back(draft), as_json=as_json):
        launch.publish(draft, countdown)
        return _count_down(newsletter, draft.id, Path(draft.id), as_json=as_json)


class _Launch:
    """The publication of a draft, until it is taken back. ``made_here``: the draft, by this run."""

    def __init__(self, newsletter: Newsletter, accept: Sequence[str], *, made_here: bool) -> None:
        self._newsletter = newsletter
        self._accept = accept
        self._made_here = made_here
        self._began = newsletter.now()
        self._published: Issue | None = None  # or about to be

    def publish(self, draft: Issue, countdown: int) -> None:
        """Publish it, so that it leaves after the countdown."""
        when = publishing.undo_until(self._newsletter, countdown)
        self._published = draft
        publishing.publish(self._newsletter, draft, when, self._accept)

    def undo(self, file: Path) -> Issue | None:
        """Delete the file's draft if this run made it, cancel what is published, keep the rest."""
        issue = publishing.known_issue(self._newsletter, file)
        if issue is None:
            return None
        # Another copy of the folder may have made it with the same key.
        is_new = issue.created_at is not None and issue.created_at >= self._began
        if issue.status != "draft" or (self._made_here and is_new):
            return publishing.withdraw(self._newsletter, issue.id)
        return self.take_back(issue)

    def take_back(self, draft: Issue) -> Issue:
        """Cancel a draft that may be published already; otherwise it stays as it is."""
        if self._published is None:
            return draft
        return publishing.take_back(self._newsletter, self._published, self._accept)


@contextmanager
def _undoing(undo: Callable[[], Issue | None], *, as_json: bool) -> Iterator[None]:
    """Undo when Ctrl-C is pressed inside, and end with the proof."""
    try:
        yield
    except KeyboardInterrupt:
        # A second Ctrl-C must not stop what the first one asked for.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        note("Canceling.")
        _prove_undone(undo(), as_json=as_json)
        raise typer.Exit(INTERRUPTED) from None


def _withdraw(newsletter: Newsletter, file: Path, corrects: str | None = None) -> Issue | None:
    """Cancel or delete a file's issue.

    A request whose answer is not known is repeated to learn which issue it made.
    """
    made = publishing.known_issue(newsletter, file, corrects)
    return publishing.withdraw(newsletter, made.id) if made else None


def _prove_undone(issue: Issue | None, *, as_json: bool) -> None:
    """Show that nothing was sent, or how much."""
    if as_json:
        print_json(None if issue is None else issue.document)
    elif issue is None:
        say("Nothing was sent: the draft is deleted, your file stays.", "green")
    elif issue.status == "draft":
        say("Nothing was sent: the draft stays as it is.", "green")
    elif issue.audience is None and issue.status == "canceled":
        following.show(issue)
        say("Nothing was sent: it was canceled before it began.", "green")
    else:
        following.show(issue)
        say("It had begun: the books say who has it.", "yellow")


def _count_down(newsletter: Newsletter, issue_id: str, file: Path, *, as_json: bool) -> Issue:
    """Wait until a scheduled issue's time has come, if it is soon and somebody is there."""
    issue = newsletter.issue(issue_id)
    if issue.status != "scheduled" or issue.publish_at is None:
        return issue
    due = issue.publish_at
    left = (due - newsletter.now()).total_seconds()
    if as_json or not is_interactive() or left > 2 * publishing.UNDO_SECONDS:
        note(f"It is sent at {_local(due)}; until then, `broadsheet cancel {file}` sends nothing.")
        return issue
    with Live(console=console(), auto_refresh=False) as live:
        while (left := (due - newsletter.now()).total_seconds()) > 0:
            live.update(Text(f"It is sent in {left:.0f} s. Ctrl-C cancels it."), refresh=True)
            time.sleep(min(left, 1))
        live.update(Text("It is sent now."), refresh=True)
    return newsletter.issue(issue_id)


def _show(newsletter: Newsletter, issue: Issue, *, as_json: bool, watch: bool = False) -> None:
    if watch:
        following.follow(newsletter, issue, as_json=as_json)
    elif as_json:
        print_json(issue.document)
    else:
        following.show(issue)


def _note_published(file: Path, issue: Issue) -> None:
    note(f"{file} was published before, and is {issue.status} now: nothing is sent again.")


def _note_changes(newsletter: Newsletter, file: Path) -> None:
    """Say so when a scheduled issue has another text than its file."""
    if publishing.has_changed(newsletter, prepare(newsletter, file)):
        note(f"{file} has changed since: `broadsheet edit {file}` brings that into the issue.")


def _link(newsletter: Newsletter, file: Path, issue_id: str) -> None:
    """Remember that a file is the text of an issue that was made elsewhere."""
    issue = newsletter.issue(issue_id)
    known = records.read(file, newsletter.address)
    if known.issue_id != issue.id:
        # No issue has version 0: its text is replaced only if it is the file's, or by --over.
        records.write(file, newsletter.address, known.made(issue.id, 0, ""))


def _moment(newsletter: Newsletter, file: Path, when: str | None) -> datetime:
    if when is None:
        moment = issue_file.read(file).publish_at
        if moment is None:
            raise CommandFailed(
                f'Say when: broadsheet schedule {file} "2026-12-01 08:00"; or “date: …” there.'
            )
    else:
        moment = issue_file.parse_moment(when)
        if moment is None:
            raise CommandFailed(f"“{when}” is no time such as 2026-12-01 08:00.")
    if moment <= newsletter.now():
        raise CommandFailed(
            f"{_local(moment)} has passed: `broadsheet publish {file}` sends it now."
        )
    return moment


def _local(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z}"
