"""A draft's own page: its check, a test mail, asking for approval, and publishing it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4

from pydantic import ValidationError

from broadsheet import settings
from broadsheet.domain import errors
from broadsheet.domain.authors import Role
from broadsheet.domain.findings import NEVER_ACCEPTED, Severity
from broadsheet.domain.issue_requests import ExpectedVersion
from broadsheet.domain.issues import IssueStatus
from broadsheet.domain.previews import PreviewRequest, StoredIssueTestRequest
from broadsheet.services import looks
from broadsheet.services.issues import approval, editing, previewing, testing
from broadsheet.services.people import segments
from broadsheet.studio import forms, pages, plans
from broadsheet.studio.plans import Plan
from broadsheet.studio.screens.writing import issue_id_in
from broadsheet.studio.visit import Route
from broadsheet.web import problems, sentences
from broadsheet.web.body import invalid_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.findings import Finding
    from broadsheet.domain.issue_progress import Issue
    from broadsheet.domain.issue_requests import IssueDraft
    from broadsheet.domain.issues import IssueId
    from broadsheet.i18n import Language
    from broadsheet.studio.visit import Visit
    from broadsheet.web.response import Response


@dataclass(frozen=True)
class Refusal:
    """Why the page is shown again. ``field``: beside which field, if it is about one."""

    status: HTTPStatus
    sentence: str
    field: str = ""


def page(
    visit: Visit,
    connection: Connection,
    issue_id: IssueId,
    plan: Plan | None = None,
    refusal: Refusal | None = None,
) -> Response:
    """Return a draft's page. ``plan``: as it was chosen last."""
    issue, draft = editing.find_draft_of(connection, issue_id)
    if issue.status is not IssueStatus.DRAFT:  # published meanwhile
        return pages.redirect(visit, f"/issues/{issue_id}", said="used")
    plan = plan or Plan.of_issue(issue)
    request = _as_preview(issue, draft, plan)
    shown = previewing.preview(request, looks.newsletter(connection))
    prospect = previewing.prospect(connection, request)
    findings = [*shown.findings, *previewing.sender_findings(), *prospect.findings]
    typed = visit.form if visit.request.method == "POST" else None
    return pages.show(
        visit,
        "draft.html",
        status=refusal.status if refusal else HTTPStatus.OK,
        issue=issue,
        shown=shown,
        prospect=prospect,
        findings=sentences.findings_on_page(findings, visit.request.language),
        errors=acceptable(findings, visit.request.language),
        accepted=typed.texts("accept") if typed else [],
        plan=plan,
        at=typed.line("at") if typed else _as_typed(plan),
        segments=_names(connection, plan),
        samples=sorted({*plans.SAMPLES, *([plan.careful.sample] if plan.careful else [])}),
        holds=sorted({*plans.HOLDS, *([plan.careful.hold] if plan.careful else [])}),
        key=uuid4(),
        to=typed.text("to") if typed else str(visit.author.email or ""),
        addresses=_addresses(visit),
        refusal=refusal,
        sender=settings.newsletter().sender_name,
    )


def acceptable(findings: Sequence[Finding], language: Language) -> dict[str, str]:
    """Return the errors that an author may accept: the first sentence of each code."""
    return {
        each.code: sentences.finding_on_page(each, language)
        for each in reversed(findings)
        if each.severity is Severity.ERROR and each.code not in NEVER_ACCEPTED
    }


def _as_preview(issue: Issue, draft: IssueDraft, plan: Plan) -> PreviewRequest:
    given = {name: getattr(draft, name) for name in type(draft).model_fields}
    return PreviewRequest(
        **given,
        segment=plan.segment,
        publish_at=plan.publish_at,
        draft=plan.publish_at is None,
        issue=issue.id,
    )


def _as_typed(plan: Plan) -> str:
    """Return a plan's time as the field for it has one, in UTC."""
    return plan.publish_at.strftime("%Y-%m-%dT%H:%M") if plan.publish_at else ""


def _names(connection: Connection, plan: Plan) -> list[str]:
    names = [str(each.name) for each in segments.find_all(connection)]
    return list(dict.fromkeys([*names, *([str(plan.segment)] if plan.segment else [])]))


def _addresses(visit: Visit) -> list[str]:
    own = [visit.author.email] if visit.author.email else []
    return [str(each) for each in dict.fromkeys([*own, *visit.author.test_addresses])]


def publish(visit: Visit) -> Response:
    """Publish a draft as its page said, or show what the form means now.

    The button says what happens. When something else was chosen since, or somebody has changed
    the text, nothing is published, and the page shows the new meaning first.
    """
    issue_id, form = issue_id_in(visit), visit.form
    with visit.connected() as connection:
        try:
            plan = Plan.of_form(form)
        except plans.NotATime:
            sentence = visit.request.language.gettext("Choose a day and a time.")
            refusal = Refusal(HTTPStatus.BAD_REQUEST, sentence, "at")
            return page(visit, connection, issue_id, None, refusal)
        except ValueError:
            raise errors.InvalidForm from None
        if plan.has_passed:
            sentence = visit.request.language.gettext(
                "This time has passed. Choose a later one, or send in 60 seconds."
            )
            refusal = Refusal(HTTPStatus.BAD_REQUEST, sentence, "at")
            return page(visit, connection, issue_id, replace(plan, publish_at=None), refusal)
        if form.line("do") == "look":
            return page(visit, connection, issue_id, plan)
        if form.text("shown") != plan.fingerprint:
            changed = visit.request.language.gettext(
                "Nothing is sent yet: what you chose changes what the button does. Look at it "
                "once more."
            )
            return page(visit, connection, issue_id, plan, Refusal(HTTPStatus.OK, changed))
        return _publish(visit, connection, issue_id, plan)


def _publish(visit: Visit, connection: Connection, issue_id: IssueId, plan: Plan) -> Response:
    form = visit.form
    expected = ExpectedVersion(frozenset({f'"{form.line("version")}"'}))
    try:
        editing.publish_draft(
            connection,
            issue_id,
            editing.Publisher(visit.author.name, expected),
            forms.idempotency_key(form),
            plan.request(form.texts("accept")),
            visit.request.correlation_id,
        )
    except errors.IdempotencyKeyReused:  # pressed twice, or sent again after it was undone
        return pages.redirect(visit, f"/issues/{issue_id}", said="used")
    except (errors.UnsendableIssue, errors.StaleVersion) as error:
        return page(visit, connection, issue_id, plan, _refused(visit, error))
    except errors.WrongState as error:
        return _again(visit, connection, issue_id, _refused(visit, error))
    is_later = plan.publish_at is not None and plan.publish_at > plans.in_a_minute()
    said = "scheduled" if is_later else "published"
    return pages.redirect(visit, f"/issues/{issue_id}", said=said)


def _refused(visit: Visit, error: errors.BroadsheetError, field: str = "") -> Refusal:
    status, error, _ = problems.classify(error)
    language = visit.request.language
    if isinstance(error, errors.StaleVersion):
        changed = language.gettext(
            "Nothing is sent: the text was changed after you had read it. This is the page of the "
            "new version."
        )
        return Refusal(status, changed, field)
    if isinstance(error, errors.UnsendableIssue):
        wrong = language.gettext(
            "Nothing is sent: the check has found errors. Correct them, or tick those that you "
            "accept."
        )
        return Refusal(status, wrong, field)
    return Refusal(status, sentences.on_page(error, language), field)


def send_test(visit: Visit) -> Response:
    """Send the current version of an issue as a test mail."""
    issue_id = issue_id_in(visit)
    typed = visit.form.text("to").replace(",", " ").split()
    to = [*dict.fromkeys([*visit.form.texts("address"), *typed])]
    with visit.connected() as connection:
        try:
            wanted = StoredIssueTestRequest.model_validate({"to": to})
            testing.require_allowed_addresses(visit.author.name, visit.author.role, wanted.to)
            draft = editing.find_draft(connection, issue_id)
            testing.send(connection, visit.author.name, draft, wanted.to, None)
        except ValidationError as error:
            wrong = _of_addresses(visit, error, nothing=not to)
            return _again(visit, connection, issue_id, wrong)
        except errors.BroadsheetError as error:
            return _again(visit, connection, issue_id, _refused(visit, error, "to"))
    return pages.redirect(visit, f"/issues/{issue_id}", said="tested")


def _of_addresses(visit: Visit, error: ValidationError, *, nothing: bool) -> Refusal:
    language = visit.request.language
    sentence = language.gettext("Give one to five addresses, with spaces between them.")
    fields = sentences.of_fields(invalid_fields(error).fields, language)
    if not nothing and len(fields) == 1 and "to" not in fields:
        sentence = next(iter(fields.values()))
    return Refusal(HTTPStatus.BAD_REQUEST, sentence, "to")


def _again(visit: Visit, connection: Connection, issue_id: IssueId, refusal: Refusal) -> Response:
    """Show the page of an issue again, whatever its status is."""
    from broadsheet.studio.screens import sending  # noqa: PLC0415 - it shows this page for drafts

    return sending.page(visit, connection, issue_id, refusal)


def ask(visit: Visit) -> Response:
    """Ask those who may publish for their approval, once for each version."""
    issue_id = issue_id_in(visit)
    url = f"{visit.request.site}/studio/issues/{issue_id}"
    with visit.connected() as connection:
        try:
            approval.ask(connection, visit.author.name, issue_id, url)
        except errors.BroadsheetError as error:
            return _again(visit, connection, issue_id, _refused(visit, error))
    return pages.redirect(visit, f"/issues/{issue_id}", said="asked")


ROUTES = {
    "POST /issues/{id}/publish": Route(publish, Role.PUBLISH),
    "POST /issues/{id}/test": Route(send_test, Role.WRITE),
    "POST /issues/{id}/ask": Route(ask, Role.WRITE),
}
