"""An issue's own page once it is published, and what its author does with it."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from broadsheet.domain import errors, pauses
from broadsheet.domain.authors import Role
from broadsheet.domain.issues import IssueStatus
from broadsheet.services.issues import correction, lifecycle, publication, statements
from broadsheet.services.people import segments, statistics
from broadsheet.studio import figures, pages, plans
from broadsheet.studio.screens import publishing
from broadsheet.studio.screens.publishing import Refusal
from broadsheet.studio.screens.writing import issue_id_in
from broadsheet.studio.visit import Route
from broadsheet.web import problems, sentences
from broadsheet.web.response import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from broadsheet.database.connection import Connection
    from broadsheet.domain.issue_progress import Issue
    from broadsheet.domain.issues import IssueId
    from broadsheet.services.issues.publication import IssueWithBooks
    from broadsheet.studio.visit import Visit

COUNTDOWN = 600  # seconds; a page that is open longer stops asking
_ENDED = {IssueStatus.FINISHED, IssueStatus.CANCELED}


def show(visit: Visit) -> Response:
    """Show an issue."""
    with visit.connected() as connection:
        return page(visit, connection, issue_id_in(visit))


def page(
    visit: Visit, connection: Connection, issue_id: IssueId, refusal: Refusal | None = None
) -> Response:
    """Return an issue's page. ``refusal``: why something was not done."""
    shown, counted_at = publication.look(connection, issue_id, visit.request.correlation_id)
    issue = shown.issue
    if issue.status is IssueStatus.DRAFT:
        return publishing.page(visit, connection, issue_id, None, refusal)
    has_begun = issue.frozen_at is not None
    counted = statistics.of_issues(connection, [issue_id.root]) if has_begun else []
    audience = 0
    if not has_begun and not issue.corrected:
        audience = segments.audience_now(connection, issue.segment)
    return pages.show(
        visit,
        "issue.html",
        status=refusal.status if refusal else HTTPStatus.OK,
        refusal=refusal,
        audience=audience,
        bars=figures.bars(shown.books, sum(each.unsubscribed for each in counted))
        if shown.books
        else [],
        has_older_versions=shown.books is not None
        and correction.has_readers(connection, issue, shown.books),
        key=uuid4(),
        at=visit.form.line("at")
        or (issue.publish_at or issue.created_at).strftime("%Y-%m-%dT%H:%M"),
        archive=f"{visit.request.site}/archive/{issue.slug}",
        **_progress(visit, shown, counted_at),
    )


def progress(visit: Visit) -> Response:
    """Return how far an issue is, for the script that puts it into its page."""
    with visit.connected() as connection:
        shown, counted_at = publication.look(
            connection, issue_id_in(visit), visit.request.correlation_id
        )
    return pages.show(visit, "progress.html", **_progress(visit, shown, counted_at))


def _progress(visit: Visit, shown: IssueWithBooks, counted_at: datetime | None) -> dict[str, Any]:
    """Return what the progress is made from.

    ``moves``: whether it may look otherwise soon; ``starts_in``: in how many seconds.
    """
    issue, language = shown.issue, visit.request.language
    starts_in = max(0, round((issue.due_at - datetime.now(UTC)).total_seconds()))
    is_counting_down = issue.status is IssueStatus.SCHEDULED and starts_in <= COUNTDOWN
    is_ending = issue.status is IssueStatus.CANCELED and shown.books and shown.books.waiting
    return {
        "shown": shown,
        "counted_at": counted_at,
        "issue": issue,
        "books": shown.books,
        "starts_in": starts_in if is_counting_down else None,
        "moves": is_counting_down or is_ending or issue.status is IssueStatus.SENDING,
        "state": _state(issue),
        "waits": sentences.code_on_page(shown.waits.code, {}, language) if shown.waits else "",
        "paused": ""
        if issue.paused_because in {None, pauses.BY_AUTHOR}
        else sentences.of_pause(issue.paused_because, language),
    }


def _state(issue: Issue) -> str:
    """Return what changes when the page has other buttons."""
    has_begun = "-begun" if issue.frozen_at else ""
    return f"{issue.status}{has_begun}"


def _act(visit: Visit, action: Callable[[Connection, IssueId], object], said: str) -> Response:
    """Act on the issue in the path, and show it; or say why that can't be done."""
    issue_id = issue_id_in(visit)
    with visit.connected() as connection:
        try:
            action(connection, issue_id)
        except errors.WrongState as error:
            status, known, _ = problems.classify(error)
            sentence = sentences.on_page(known, visit.request.language)
            return page(visit, connection, issue_id, Refusal(status, sentence))
    return pages.redirect(visit, f"/issues/{issue_id}", said=said)


def _correlated(
    visit: Visit, action: Callable[[Connection, IssueId, str], object]
) -> Callable[[Connection, IssueId], object]:
    """Return an action that names this request to whatever it causes."""
    return lambda connection, issue_id: action(connection, issue_id, visit.request.correlation_id)


def undo(visit: Visit) -> Response:
    """Return a published issue to a draft, if its sending has not begun."""
    issue_id, said = issue_id_in(visit), "undone"
    with visit.connected() as connection:
        try:
            lifecycle.undo(connection, issue_id, visit.request.correlation_id)
            if publication.find(connection, issue_id).corrects:
                said = "correction-undone"
        except errors.IssueStarted:
            said = "too-late"
    return pages.redirect(visit, f"/issues/{issue_id}", said=said)


def pause(visit: Visit) -> Response:
    """Stop sending until the issue is resumed."""
    return _act(visit, lifecycle.pause, "paused")


def resume(visit: Visit) -> Response:
    """Continue a paused issue."""
    return _act(visit, _correlated(visit, lifecycle.resume), "resumed")


def confirm_cancel(visit: Visit) -> Response:
    """Say what canceling means, before it is done."""
    with visit.connected() as connection:
        shown, counted_at = publication.look(
            connection, issue_id_in(visit), visit.request.correlation_id
        )
    if shown.issue.status in {*_ENDED, IssueStatus.DRAFT}:
        return pages.redirect(visit, f"/issues/{shown.issue.id}")
    return pages.show(
        visit, "cancel.html", issue=shown.issue, books=shown.books, counted_at=counted_at
    )


def cancel(visit: Visit) -> Response:
    """Stop sending for good."""
    return _act(visit, _correlated(visit, lifecycle.cancel), "canceled")


def retry(visit: Visit) -> Response:
    """Send again to those who failed."""
    return _act(visit, _correlated(visit, lifecycle.retry), "retried")


def send_soon(visit: Visit) -> Response:
    """Send a scheduled issue as soon as the time to undo it has passed."""
    return _reschedule(visit, plans.in_a_minute(), "published")


def reschedule(visit: Visit) -> Response:
    """Change the time of a scheduled issue."""
    try:
        at = plans.time_of(visit.form)
    except plans.NotATime:
        sentence = visit.request.language.gettext("Choose a day and a time.")
        with visit.connected() as connection:
            refusal = Refusal(HTTPStatus.BAD_REQUEST, sentence, "at")
            return page(visit, connection, issue_id_in(visit), refusal)
    return _reschedule(visit, max(at, plans.in_a_minute()), "scheduled")


def _reschedule(visit: Visit, at: datetime, said: str) -> Response:
    return _act(
        visit,
        lambda connection, issue_id: lifecycle.reschedule(
            connection, issue_id, at, visit.request.correlation_id
        ),
        said,
    )


def set_archive(visit: Visit) -> Response:
    """Put a finished issue into the public archive, or take it out."""
    archive = visit.form.line("archive") == "true"
    return _act(
        visit,
        lambda connection, issue_id: lifecycle.set_archive(
            connection, issue_id, visit.request.correlation_id, archive=archive
        ),
        "archived" if archive else "unarchived",
    )


def show_statement(visit: Visit) -> Response:
    """Show what is certified of a finished issue's circulation."""
    with visit.connected() as connection:
        signed = statements.show(connection, issue_id_in(visit))
    return Response.json(HTTPStatus.OK, signed.model_dump(mode="json"))


ROUTES = {
    "GET /issues/{id}": Route(show, Role.WRITE),
    "GET /issues/{id}/progress": Route(progress, Role.WRITE),
    "GET /issues/{id}/statement": Route(show_statement, Role.WRITE),
    "POST /issues/{id}/undo": Route(undo, Role.PUBLISH),
    "POST /issues/{id}/pause": Route(pause, Role.PUBLISH),
    "POST /issues/{id}/resume": Route(resume, Role.PUBLISH),
    "GET /issues/{id}/cancel": Route(confirm_cancel, Role.PUBLISH),
    "POST /issues/{id}/cancel": Route(cancel, Role.PUBLISH),
    "POST /issues/{id}/retry": Route(retry, Role.PUBLISH),
    "POST /issues/{id}/send": Route(send_soon, Role.PUBLISH),
    "POST /issues/{id}/schedule": Route(reschedule, Role.PUBLISH),
    "POST /issues/{id}/archive": Route(set_archive, Role.PUBLISH),
}
