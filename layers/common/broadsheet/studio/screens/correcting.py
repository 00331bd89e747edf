"""Correcting an issue: another one, to exactly those who got a version from before an edit."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from pydantic import ValidationError

from broadsheet.domain import errors
from broadsheet.domain.authors import Role
from broadsheet.domain.issue_requests import CorrectionRequest
from broadsheet.services.issues import correction, publication
from broadsheet.studio import forms, pages, plans
from broadsheet.studio.screens import publishing
from broadsheet.studio.screens.writing import issue_id_in
from broadsheet.studio.visit import Route
from broadsheet.web import problems, sentences
from broadsheet.web.body import invalid_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.findings import Finding
    from broadsheet.domain.issue_progress import Issue
    from broadsheet.domain.issues import IssueId
    from broadsheet.services.issues.correction import Corrected, ReadersNow
    from broadsheet.studio.visit import Visit
    from broadsheet.web.response import Response


def write(visit: Visit) -> Response:
    """Show the form, and how many would get the correction."""
    with visit.connected() as connection:
        beside = _beside(connection, issue_id_in(visit))
    return _page(visit, beside)


def correct(visit: Visit) -> Response:
    """Publish a correction, which can be undone for as long as any other issue."""
    try:
        with visit.connected() as connection:
            corrected = _correct(visit, connection)
    except errors.IdempotencyKeyReused:  # pressed twice: its time is another by now
        return pages.redirect(visit, "/", said="used")
    except ValidationError as error:
        return _refuse(visit, invalid_fields(error))
    except errors.BroadsheetError as error:
        return _refuse(visit, error)
    return pages.redirect(visit, f"/issues/{corrected.correction.id}", said="published")


def _correct(visit: Visit, connection: Connection) -> Corrected:
    form = visit.form
    wanted = CorrectionRequest.model_validate(
        {
            "title": form.line("title"),
            "markdown": form.text("text"),
            "publish_at": plans.in_a_minute(),
            "accept_warnings": form.texts("accept"),
        }
    )
    return correction.correct(
        connection,
        issue_id_in(visit),
        visit.author.name,
        forms.idempotency_key(form),
        wanted,
        visit.request.correlation_id,
    )


class _Beside(NamedTuple):
    """What the form is shown with: the issue, and how many would get the correction."""

    issue: Issue
    readers: ReadersNow


def _beside(connection: Connection, issue_id: IssueId) -> _Beside:
    issue = publication.find(connection, issue_id)
    return _Beside(issue, correction.count_readers(connection, issue))


def _refuse(visit: Visit, error: errors.BroadsheetError) -> Response:
    """Show the form with what was typed, also while the database is away."""
    try:
        with visit.connected() as connection:
            beside = _beside(connection, issue_id_in(visit))
    except errors.DatabaseUnavailable:
        beside = None
    return _page(visit, beside, error)


def _page(
    visit: Visit, beside: _Beside | None, error: errors.BroadsheetError | None = None
) -> Response:
    """Return the form, with what was typed; ``error``: why it was not taken."""
    language = visit.request.language
    status, problem, wrong = HTTPStatus.OK, "", {"title": "", "markdown": ""}
    found: Sequence[Finding] = []
    if error is not None:
        status, known, _ = problems.classify(error)
        problem = sentences.on_page(known, language)
        if isinstance(known, errors.InvalidFields):
            wrong |= sentences.of_fields(known.fields, language)
            problem = ""
        if isinstance(known, errors.UnsendableIssue):
            found = known.errors
    return pages.show(
        visit,
        "correct.html",
        status=status,
        beside=beside,
        path=f"/issues/{issue_id_in(visit)}",
        title=visit.form.line("title"),
        text=visit.form.text("text"),
        key=visit.form.line("key") or uuid4(),
        accepted=visit.form.texts("accept"),
        problem=problem,
        wrong=wrong,
        findings=sentences.findings_on_page(found, language),
        acceptable=publishing.acceptable(found, language),
    )


ROUTES: Mapping[str, Route] = {
    "GET /issues/{id}/correct": Route(write, Role.PUBLISH),
    "POST /issues/{id}/correct": Route(correct, Role.PUBLISH),
}
