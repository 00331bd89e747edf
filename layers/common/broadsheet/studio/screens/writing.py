"""Writes an issue beside its preview. Whatever goes wrong, what was typed stays in the page."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from pydantic import ValidationError

from broadsheet import settings
from broadsheet.domain import errors
from broadsheet.domain.authors import Role
from broadsheet.domain.issue_requests import ExpectedVersion
from broadsheet.domain.issues import EDITABLE, IssueId, IssueStatus
from broadsheet.domain.publications import IdempotencyKey
from broadsheet.services import looks
from broadsheet.services.issues import editing, illustrating, publication
from broadsheet.services.people import segments
from broadsheet.studio import differences, mail_view, pages, remarks
from broadsheet.studio.issue_form import IssueForm, by_field
from broadsheet.studio.mail_view import View
from broadsheet.studio.visit import Route
from broadsheet.web import problems, sentences
from broadsheet.web.response import Response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.issue_progress import Issue
    from broadsheet.domain.issue_versions import IssueVersion
    from broadsheet.services.issues.previewing import Preview
    from broadsheet.studio.differences import Piece
    from broadsheet.studio.remarks import Remark
    from broadsheet.studio.visit import Visit

AUTOSAVE = "autosave"  # of the field `do`


@dataclass(frozen=True)
class _Shown:
    """What the page shows beside the form.

    ``issue``: None for a new one. ``theirs``: what somebody else has saved meanwhile,
    and ``pieces`` what differs.
    ``remarks``: what the check found; None before it was asked. ``theme``: as an author chose it;
    None is that of the form's page, so that the database may sleep while a preview is made.
    """

    issue: Issue | None = None
    segments: Sequence[str] = ()
    wrong: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    theirs: tuple[IssueVersion, IssueForm] | None = None
    pieces: Sequence[Piece] = ()
    remarks: Sequence[Remark] | None = None
    preview: Preview | None = None
    notice: str = ""
    theme: str | None = None


def begin(visit: Visit) -> Response:
    """Show the form for a new issue."""
    with visit.connected() as connection:
        shown = _around(connection)
    return _page(visit, IssueForm(key=str(uuid4())), shown)


def create(visit: Visit) -> Response:
    """Store a new draft, once however often it is sent; or show its form again."""
    return _respond(visit, IssueForm.of(visit.form), None)


def write(visit: Visit) -> Response:
    """Show the form for a stored issue, or why it can't be edited."""
    with visit.connected() as connection:
        issue, written = editing.find_editable(connection, issue_id_in(visit))
        shown = _around(connection, issue)
    form = IssueForm.of_version(issue, written)
    if not may_edit(visit, issue):
        return pages.show(visit, "write_closed.html", issue=issue, form=form)
    return _page(visit, form, shown)


def save(visit: Visit) -> Response:
    """Store the next version of an issue; or show its form again."""
    return _respond(visit, IssueForm.of(visit.form), issue_id_in(visit))


def show_frame(visit: Visit) -> Response:
    """Show the frame of the preview while there is none."""
    language = visit.request.language
    sentence = language.gettext("The preview appears here.")
    view = View.named(visit.query.get("view", ""))
    return Response.page(
        HTTPStatus.OK,
        mail_view.empty(sentence, language.tag),
        policy=mail_view.policy(view, runs=True),
    )


def preview(visit: Visit) -> Response:
    """Show the mail in the frame; nothing is stored, and the database may sleep."""
    form, view = IssueForm.of(visit.form), View.named(visit.form.line("view"))
    shown, found = _rendered(visit, form) if form.has_begun else (None, [])
    language = settings.newsletter_language()
    if shown is None:
        reason = visit.request.language.gettext("There is no text yet.")
        html = mail_view.plain(reason, reason, visit.request.language.tag)
    else:
        html = mail_view.document(shown, view, language)
    if not visit.wants_json:
        return Response.page(HTTPStatus.OK, html, policy=mail_view.policy(view, runs=False))
    check = pages.fragment(visit, "remarks.html", remarks=found, preview=shown)
    marks = {each.line: each.is_error for each in reversed(found) if each.field == "text"}
    count = f" ({len(found)})" if found else ""
    return Response.json(
        HTTPStatus.OK, {"html": html, "check": check, "count": count, "marks": marks}
    )


def upload(visit: Visit) -> Response:
    """Store an image that was pasted or dropped, and return its address."""
    file = visit.form.files.get("image")
    if file is None:
        raise errors.InvalidForm
    try:
        _, url = illustrating.store(file.content, visit.request.site)
    except errors.BroadsheetError as error:
        status, error, _ = problems.classify(error)
        problem = sentences.on_page(error, visit.request.language)
        return Response.json(status, {"problem": problem})
    return Response.json(HTTPStatus.CREATED, {"url": url})


def issue_id_in(visit: Visit) -> IssueId:
    """Return the id in the path. Raises ``IssueNotFound``."""
    try:
        return IssueId(UUID(visit.path["id"]))
    except ValueError:
        raise errors.IssueNotFound from None


def may_edit(visit: Visit, issue: Issue) -> bool:
    """Return whether the author may edit an issue as it is now."""
    needed = Role.WRITE if issue.status is IssueStatus.DRAFT else Role.PUBLISH
    return issue.status in EDITABLE and visit.may(needed)


def _respond(visit: Visit, form: IssueForm, issue_id: IssueId | None) -> Response:
    """Do what the form's button says, and keep what was typed if that fails."""
    try:
        match visit.form.line("do"):
            case "check":
                shown, found = _rendered(visit, form)
                beside = _beside(visit, issue_id)
                return _page(visit, form, replace(beside, remarks=found, preview=shown))
            case "image":
                return _add_image(visit, form, issue_id)
            case "theirs" if issue_id is not None:
                return _take_theirs(visit, form, issue_id)
            case button:
                issue_id, version = _store(visit, form, issue_id, types=button == AUTOSAVE)
    except Exception as error:  # noqa: BLE001 - an unexpected one is logged; the text stays
        return _refuse(visit, form, issue_id, error)
    path = f"/issues/{issue_id}/write"
    if visit.wants_json:
        stored = {"version": version, "address": visit.link(path)}
        return Response.json(HTTPStatus.OK, stored)
    return pages.redirect(visit, path, said="saved")


def _store(
    visit: Visit, form: IssueForm, issue_id: IssueId | None, *, types: bool
) -> tuple[IssueId, int]:
    """Store a form, and return the issue and its version.

    A new issue that is there already, since its answer was lost, is edited.
    """
    with visit.connected() as connection:
        if issue_id is None:
            key = _key(form)
            try:
                made = publication.publish(
                    connection,
                    visit.author.name,
                    key,
                    form.draft(),
                    visit.request.correlation_id,
                )
            except errors.IdempotencyKeyReused:
                issue_id = publication.find_keyed(connection, visit.author.name, key).id
                form = replace(form, version="1")
            else:
                return made.issue.id, 1
        return issue_id, edit(connection, visit, form, issue_id, types=types)


def edit(
    connection: Connection,
    visit: Visit,
    form: IssueForm,
    issue_id: IssueId,
    *,
    types: bool = False,
) -> int:
    """Replace the version that a form was made from, and return the next one.

    Sending a form twice stores it once. Raises what ``editing.edit`` does.
    """
    expected = ExpectedVersion(frozenset({f'"{form.version}"'}))
    editor = editing.Editor(visit.author.name, visit.author.role, types)
    request = form.edit(visit.form.texts("accept"))
    try:
        editing.edit(connection, issue_id, editor, expected, request, visit.request.correlation_id)
    except errors.StaleVersion:
        issue, written = editing.find_editable(connection, issue_id)
        if form.says_the_same(IssueForm.of_version(issue, written)):
            return written.version
        raise
    return int(form.version) + 1


def _key(form: IssueForm) -> IdempotencyKey:
    try:
        return IdempotencyKey(form.key)
    except ValidationError:
        raise errors.InvalidForm from None


def _take_theirs(visit: Visit, form: IssueForm, issue_id: IssueId) -> Response:
    """Store what was typed, and then again what somebody else has saved, so that both stay."""
    with visit.connected() as connection:
        issue, written = editing.find_editable(connection, issue_id)
        theirs = replace(IssueForm.of_version(issue, written), chooses_segment=True)
        if theirs.version != form.version:
            raise errors.StaleVersion(issue.version)
        mine = edit(connection, visit, form, issue_id)
        edit(connection, visit, replace(theirs, version=str(mine)), issue_id)
    return pages.redirect(visit, f"/issues/{issue_id}/write", said="saved")


def _add_image(visit: Visit, form: IssueForm, issue_id: IssueId | None) -> Response:
    beside = _beside(visit, issue_id)
    file = visit.form.files.get("image")
    if file is None:
        missing = visit.request.language.gettext("Choose a file first.")
        return _page(visit, form, replace(beside, wrong={"image": missing}))
    try:
        _, url = illustrating.store(file.content, visit.request.site)
    except errors.BroadsheetError as error:
        status, error, _ = problems.classify(error)
        sentence = sentences.on_page(error, visit.request.language)
        return _page(visit, form, replace(beside, wrong={"image": sentence}), status)
    form = form.with_image(url, visit.form.line("image_alt"))
    return _page(visit, form, replace(beside, notice="image"))


def _refuse(visit: Visit, form: IssueForm, issue_id: IssueId | None, cause: Exception) -> Response:
    """Show the form again with what was typed, and what is wrong."""
    status, error, _ = problems.classify(cause)
    sentence = sentences.on_page(error, visit.request.language)
    if visit.wants_json:
        return Response.json(status, {"problem": sentence})
    shown = replace(_beside(visit, issue_id), problem=sentence)
    match error:
        case errors.InvalidFields():
            wrong = by_field(error.fields)
            said = sentences.of_fields(wrong, visit.request.language)
            problem = visit.request.language.gettext("This isn't saved yet.")
            shown = replace(shown, wrong=said, problem=problem)
        case errors.SlugTaken():
            shown = replace(shown, wrong={"slug": sentence})
        case errors.UnsendableIssue():
            shown = replace(
                shown, remarks=remarks.of_findings(error.findings, form, visit.request.language)
            )
        case errors.StaleVersion():
            form, shown = _beside_theirs(visit, form, shown)
        case errors.IssueNotFound():  # deleted meanwhile
            form = replace(form, key=str(uuid4()), version="")
    return _page(visit, form, shown, status)


def _beside_theirs(visit: Visit, form: IssueForm, shown: _Shown) -> tuple[IssueForm, _Shown]:
    if shown.issue is None:  # the database is away again
        return form, shown
    with visit.connected() as connection:
        issue, written = editing.find_editable(connection, shown.issue.id)
    theirs = IssueForm.of_version(issue, written)
    pieces = differences.between(theirs.as_text(), form.as_text())
    shown = replace(shown, issue=issue, theirs=(written, theirs), pieces=pieces, problem="")
    return replace(form, version=str(issue.version)), shown


def _beside(visit: Visit, issue_id: IssueId | None) -> _Shown:
    """Return what the form is shown with, as far as the database says it now."""
    try:
        with visit.connected() as connection:
            issue = publication.find(connection, issue_id) if issue_id else None
            return _around(connection, issue)
    except (errors.DatabaseUnavailable, errors.IssueNotFound):
        return _Shown()


def _around(connection: Connection, issue: Issue | None = None) -> _Shown:
    names = [str(each.name) for each in segments.find_all(connection)]
    return _Shown(issue, names, theme=looks.chosen(connection) or "")


def _rendered(visit: Visit, form: IssueForm) -> tuple[Preview | None, list[Remark]]:
    # The renderer takes a third of a second to import, which the other screens can spare.
    from broadsheet.services.issues import previewing  # noqa: PLC0415 - see above

    language = visit.request.language
    request, wrong = form.preview(visit.form.line("reader"), language.gettext("Untitled"))
    found = remarks.of_fields(wrong, language)
    if request is None:
        return None, found
    shown = previewing.preview(request, looks.in_theme(visit.form.line("theme")))
    return shown, [*found, *remarks.of_findings(shown.findings, form, language)]


def _page(
    visit: Visit, form: IssueForm, shown: _Shown, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    path = f"/issues/{shown.issue.id}/write" if shown.issue else "/issues/new"
    names = dict.fromkeys([*shown.segments, *filter(None, [form.segment])])
    return pages.show(
        visit,
        "write.html",
        status=status,
        form=form,
        shown=shown,
        wrong=defaultdict(str, shown.wrong),
        path=path,
        segments=list(names),
        view=View.named(visit.form.line("view")),
        reader=visit.form.line("reader"),
        image_alt="" if shown.notice else visit.form.line("image_alt"),
        accepted=visit.form.texts("accept"),
        theme=visit.form.line("theme") if shown.theme is None else shown.theme,
        saves_itself=shown.theirs is None
        and (shown.issue is None or shown.issue.status is IssueStatus.DRAFT),
    )


ROUTES = {
    "GET /issues/new": Route(begin, Role.WRITE),
    "POST /issues/new": Route(create, Role.WRITE),
    "GET /issues/{id}/write": Route(write, Role.WRITE),
    "POST /issues/{id}/write": Route(save, Role.WRITE),
    "GET /preview": Route(show_frame, Role.WRITE),
    "POST /preview": Route(preview, Role.WRITE),
    "POST /images": Route(upload, Role.WRITE),
}
