"""The first screen: all issues, newest first; and what is done to a draft as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import AwareDatetime, TypeAdapter

from broadsheet.domain.authors import Role
from broadsheet.domain.issue_requests import PublishRequest
from broadsheet.domain.issues import IssueStatus
from broadsheet.services.issues import editing, publication
from broadsheet.services.people import statistics
from broadsheet.studio import forms, pages
from broadsheet.studio.screens.writing import issue_id_in
from broadsheet.studio.visit import Route
from broadsheet.web.pagination import Listing

if TYPE_CHECKING:
    from broadsheet.studio.visit import Visit
    from broadsheet.web.response import Response

_ISSUES = Listing("before", TypeAdapter(tuple[AwareDatetime, UUID]), 20, 100)
_SHOWN = 100  # characters of a draft's text
_KINDS = {
    "": tuple(IssueStatus),
    "drafts": (IssueStatus.DRAFT,),
    "under-way": (IssueStatus.SCHEDULED, IssueStatus.SENDING, IssueStatus.PAUSED),
    "ended": (IssueStatus.FINISHED, IssueStatus.CANCELED),
}


def list_issues(visit: Visit) -> Response:
    """List the issues, or those of one kind, a page at a time."""
    kind = visit.query.get("kind", "")
    kind = kind if kind in _KINDS else ""
    limit, before = _ISSUES.limit(visit.request), _ISSUES.start(visit.request)
    with visit.connected() as connection:
        found = publication.newest(connection, limit + 1, before, _KINDS[kind])
        issues, more = found[:limit], found[limit:]
        counted = statistics.of_issues(connection, [each.id.root for each in issues])
        drafts = [each.id for each in issues if each.status is IssueStatus.DRAFT]
        texts = editing.find_latest_texts(connection, drafts)
    statistics.have_counted(counted, visit.request.correlation_id)
    following = ""
    if more:
        last, kept = issues[-1], {"kind": kind} if kind else {}
        place = (last.created_at, last.id.root)
        following = _ISSUES.link(visit.request, "/studio", place, kept)
    return pages.show(
        visit,
        "issues.html",
        issues=issues,
        following=following,
        kind=kind,
        counts={each.id: each for each in counted},
        saved={each: text.saved_at for each, text in texts.items()},
        beginnings={each: _beginning(text.beginning) for each, text in texts.items()},
    )


def _beginning(text: str) -> str:
    """Return the first words of a text, by which drafts of the same title are told apart."""
    words = " ".join(text.split())
    if len(words) <= _SHOWN:
        return words
    cut = words[: _SHOWN - 1]
    whole = cut.rpartition(" ")[0]  # far shorter in a language without spaces
    kept = whole if len(whole) > _SHOWN // 2 else cut
    return f"{kept.rstrip('.,:;')}…"


def duplicate(visit: Visit) -> Response:
    """Store a draft with an issue's text, and open it to be edited."""
    with visit.connected() as connection:
        issue, draft = editing.find_draft_of(connection, issue_id_in(visit))
        made = publication.publish(
            connection,
            visit.author.name,
            forms.idempotency_key(visit.form),
            PublishRequest(
                **{name: getattr(draft, name) for name in type(draft).model_fields},
                segment=issue.segment,
                careful=issue.careful,
                draft=True,
            ),
            visit.request.correlation_id,
        )
    return pages.redirect(visit, f"/issues/{made.issue.id}/write", said="duplicated")


def confirm_deletion(visit: Visit) -> Response:
    """Ask once more before a draft is deleted."""
    with visit.connected() as connection:
        issue, _ = editing.find_draft_of(connection, issue_id_in(visit))
    return pages.show(visit, "confirm_deletion.html", issue=issue)


def delete(visit: Visit) -> Response:
    """Delete a draft."""
    with visit.connected() as connection:
        editing.delete_draft(connection, issue_id_in(visit))
    return pages.redirect(visit, "/", said="deleted")


ROUTES = {
    "GET /": Route(list_issues, Role.WRITE),
    "POST /issues/{id}/duplicate": Route(duplicate, Role.WRITE),
    "GET /issues/{id}/delete": Route(confirm_deletion, Role.WRITE),
    "POST /issues/{id}/delete": Route(delete, Role.WRITE),
}
