"""Before readers see an issue: previews, test mails, and asking for approval."""

from http import HTTPStatus

from broadsheet import settings
from broadsheet.database.connection import connected
from broadsheet.domain.authors import AuthorName, Role
from broadsheet.domain.errors import DatabaseUnavailable
from broadsheet.domain.previews import IssueTestRequest, PreviewRequest, StoredIssueTestRequest
from broadsheet.services import looks
from broadsheet.services.issues import approval, editing, previewing, testing
from broadsheet.services.issues.previewing import Prospect
from broadsheet.web import sentences
from broadsheet.web.issues import LARGEST_BODY, issue_id_of
from broadsheet.web.request import Request
from broadsheet.web.response import Response
from broadsheet.web.router import router

LARGEST_TEST = 16 * 1024  # bytes of a request without an issue


def preview(request: Request) -> Response:
    """Show an issue as a reader would see it, with all that is wrong with it; store nothing.

    While the database sleeps or is down, what publishing would mean stays unknown, and the mail
    has the operator's theme.
    """
    wanted = request.document(PreviewRequest, LARGEST_BODY)
    theme, prospect = _known_now(wanted)
    shown = previewing.preview(wanted, looks.in_theme(theme))
    known = prospect.findings if prospect else [previewing.audience_unknown()]
    findings = [*shown.findings, *previewing.sender_findings(), *known]
    answer = shown._asdict() | {
        "may_publish": request.role is None or request.role.includes(Role.PUBLISH),
        "audience": prospect.audience if prospect else None,
        "seconds": prospect.seconds if prospect else None,
        "cost": prospect.cost if prospect else None,
        "warnings": sentences.of_findings(findings),
    }
    del answer["findings"]
    return Response.json(HTTPStatus.OK, answer)


def _known_now(wanted: PreviewRequest) -> tuple[str, Prospect | None]:
    """Return the theme that an author chose, and what publishing would mean."""
    try:
        with connected(settings.timings().preview_connect_timeout) as connection:
            return looks.chosen(connection) or "", previewing.prospect(connection, wanted)
    except DatabaseUnavailable:
        return "", None


def send_test(request: Request) -> Response:
    """Send an issue to some addresses as a test."""
    wanted = request.document(IssueTestRequest, LARGEST_BODY)
    author = AuthorName(request.author)
    testing.require_allowed_addresses(author, request.role, wanted.to)
    with connected(settings.timings().test_connect_timeout) as connection:
        findings = testing.send(connection, author, wanted, wanted.to, wanted.name)
    return _accepted(len(wanted.to), sentences.of_findings(findings))


def send_stored_test(request: Request) -> Response:
    """Send the current version of a stored issue to some addresses as a test."""
    issue_id = issue_id_of(request)
    wanted = request.document(StoredIssueTestRequest, LARGEST_TEST)
    author = AuthorName(request.author)
    testing.require_allowed_addresses(author, request.role, wanted.to)
    with connected(settings.timings().test_connect_timeout) as connection:
        draft = editing.find_draft(connection, issue_id)
        findings = testing.send(connection, author, draft, wanted.to, wanted.name)
    return _accepted(len(wanted.to), sentences.of_findings(findings))


def ask(request: Request) -> Response:
    """Ask those who may publish for their approval of a draft, once for each version of it."""
    issue_id = issue_id_of(request)
    issue_url = f"{request.site}/studio/issues/{issue_id}"
    with connected(settings.timings().test_connect_timeout) as connection:
        asked = approval.ask(connection, AuthorName(request.author), issue_id, issue_url)
    return Response.json(HTTPStatus.ACCEPTED, {"asked": asked})


def _accepted(mails: int, warnings: list[dict[str, str | None]]) -> Response:
    return Response.json(HTTPStatus.ACCEPTED, {"sent": mails, "warnings": warnings})


handler = router(
    {
        "POST /issues/preview": preview,
        "POST /issues/test": send_test,
        "POST /issues/{id}/test": send_stored_test,
        "POST /issues/{id}/ask": ask,
    }
)
