"""The versions of an issue: who wrote them, what differs between two, and back to one of them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from broadsheet.domain.authors import Role
from broadsheet.domain.errors import InvalidVersion
from broadsheet.services.issues import editing
from broadsheet.studio import differences, pages
from broadsheet.studio.issue_form import IssueForm
from broadsheet.studio.screens import writing
from broadsheet.studio.visit import Route

if TYPE_CHECKING:
    from broadsheet.studio.visit import Visit
    from broadsheet.web.response import Response

_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


def show(visit: Visit) -> Response:
    """List an issue's versions, and show what differs between two of them."""
    issue_id = writing.issue_id_in(visit)
    with visit.connected() as connection:
        issue, current = editing.find_editable(connection, issue_id)
        versions = editing.find_versions(connection, issue_id)
        numbers = [each.version for each in versions]
        after = _number(visit.query.get("to")) or current.version
        earlier = next((each for each in numbers if each < after), after)
        before = _number(visit.query.get("from")) or earlier
        compared = [editing.find_version(connection, issue_id, each) for each in (before, after)]
    texts = [IssueForm.of_content(each).as_text() for each in compared]
    pieces = differences.between(*texts)
    return pages.show(
        visit,
        "history.html",
        issue=issue,
        versions=versions,
        before=before,
        after=after,
        pieces=pieces,
        may_edit=writing.may_edit(visit, issue),
    )


def restore(visit: Visit) -> Response:
    """Make a new version with the text of an earlier one."""
    issue_id = writing.issue_id_in(visit)
    number = _number(visit.form.line("version"))
    if number is None:
        raise InvalidVersion
    with visit.connected() as connection:
        issue, _ = editing.find_editable(connection, issue_id)
        written = editing.find_version(connection, issue_id, number)
        earlier = IssueForm.of_version(issue, written)
        form = replace(earlier, version=visit.form.line("current"))
        writing.edit(connection, visit, form, issue_id)
    return pages.redirect(visit, f"/issues/{issue_id}/write", said="restored")


def _number(text: str | None) -> int | None:
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise InvalidVersion
    return int(text)


ROUTES = {
    "GET /issues/{id}/versions": Route(show, Role.WRITE),
    "POST /issues/{id}/versions": Route(restore, Role.WRITE),
}
