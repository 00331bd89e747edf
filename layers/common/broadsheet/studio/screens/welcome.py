"""The mail that welcomes new subscribers: written beside its preview, which shows it as a mail."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from broadsheet import settings
from broadsheet.domain import errors
from broadsheet.domain.authors import Role
from broadsheet.services import looks
from broadsheet.studio import mail_view, pages, remarks
from broadsheet.studio.issue_form import IssueForm, by_field
from broadsheet.studio.mail_view import View
from broadsheet.studio.visit import Route
from broadsheet.web import problems, sentences
from broadsheet.web.response import Response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.newsletter import Newsletter
    from broadsheet.domain.welcome import WelcomeMail
    from broadsheet.studio.remarks import Remark
    from broadsheet.studio.visit import Visit

_PATH = "/settings/welcome"


@dataclass(frozen=True)
class _Shown:
    """What the page shows beside the form.

    ``stored``: the mail as new subscribers get it; None if there is none. ``has_typed``: the form
    has what was typed. ``is_others``: somebody else has stored it meanwhile. ``theme``: as an
    author chose it; None is that of the form's page.
    """

    stored: WelcomeMail | None
    with_newest_issue: bool
    has_typed: bool = False
    is_others: bool = False
    wrong: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    remarks: Sequence[Remark] = ()
    theme: str | None = None


def show(visit: Visit) -> Response:
    """Show the welcome mail, with its form to authors who may change it."""
    with visit.connected() as connection:
        stored, theme = _stored(connection), looks.chosen(connection) or ""
    form = IssueForm.of_content(stored) if stored else IssueForm()
    with_newest_issue = stored is not None and stored.with_newest_issue
    return _page(visit, form, _Shown(stored, with_newest_issue, theme=theme))


def store(visit: Visit) -> Response:
    """Replace the welcome mail; or show the form again with what was typed."""
    # It renders mail, which takes a third of a second to import; the other screens don't.
    from broadsheet.services.subscribers import welcome_text  # noqa: PLC0415 - see above

    form, with_newest = IssueForm.of(visit.form), visit.form.has("with_newest_issue")
    shown = _Shown(None, with_newest, has_typed=True)
    try:
        with visit.connected() as connection:
            shown = replace(shown, stored=_stored(connection))
            if shown.stored and visit.form.line("edited_at") != _edited_at(shown.stored):
                return _page(visit, form, replace(shown, is_others=True), HTTPStatus.CONFLICT)
            request = form.welcome(visit.form.texts("accept"), with_newest_issue=with_newest)
            welcome_text.replace(connection, visit.author.name, request)
    except Exception as error:  # noqa: BLE001 - an unexpected one is logged; the text stays
        return _refuse(visit, form, shown, error)
    return pages.redirect(visit, _PATH, said="saved")


def _stored(connection: Connection) -> WelcomeMail | None:
    from broadsheet.services.subscribers import welcome_text  # noqa: PLC0415 - as in ``store``

    try:
        return welcome_text.show(connection)
    except errors.WelcomeNotFound:
        return None


def _edited_at(stored: WelcomeMail) -> str:
    return stored.edited_at.isoformat()


def _refuse(visit: Visit, form: IssueForm, shown: _Shown, cause: Exception) -> Response:
    status, error, _ = problems.classify(cause)
    language = visit.request.language
    unsaved = language.gettext("This isn't saved yet.")
    match error:
        case errors.InvalidFields():
            said = sentences.of_fields(by_field(error.fields), language)
            shown = replace(shown, wrong=said, problem=unsaved)
        case errors.UnsendableIssue():
            found = remarks.of_findings(error.findings, form, language)
            shown = replace(shown, remarks=found, problem=unsaved)
        case _:
            shown = replace(shown, problem=sentences.on_page(error, language))
    return _page(visit, form, shown, status)


def _page(
    visit: Visit, form: IssueForm, shown: _Shown, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    return pages.show(
        visit,
        "welcome.html",
        status=status,
        form=form,
        shown=shown,
        wrong=defaultdict(str, shown.wrong),
        edited_at=_edited_at(shown.stored) if shown.stored else "",
        is_sent=settings.sends_welcome_mail(),
        may_write=visit.may(Role.PUBLISH),
        view=View.named(visit.form.line("view")),
        accepted=visit.form.texts("accept"),
        theme=visit.form.line("theme") if shown.theme is None else shown.theme,
    )


def show_stored(visit: Visit) -> Response:
    """Show the mail in its frame, as new subscribers get it."""
    with visit.connected() as connection:
        stored, newsletter = _stored(connection), looks.newsletter(connection)
    return _mail(visit, IssueForm.of_content(stored) if stored else IssueForm(), newsletter)


def preview(visit: Visit) -> Response:
    """Show the mail in its frame, as it was typed; nothing is stored."""
    return _mail(visit, IssueForm.of(visit.form), looks.in_theme(visit.form.line("theme")))


def _mail(visit: Visit, form: IssueForm, newsletter: Newsletter) -> Response:
    from broadsheet.services.issues import previewing  # noqa: PLC0415 - as in ``store``

    view, language = View.named(visit.form.line("view")), visit.request.language
    # Like the mail itself, its preview has no page in the archive.
    request, _ = replace(form, archive=False).preview("", language.gettext("Untitled"))
    if request is None:
        reason = language.gettext("There is no text yet.")
        html = mail_view.plain(reason, reason, language.tag)
    else:
        shown = previewing.preview(request, newsletter)
        html = mail_view.document(shown, view, settings.newsletter_language())
    return Response.page(HTTPStatus.OK, html, policy=mail_view.policy(view, runs=False))


ROUTES = {
    f"GET {_PATH}": Route(show, Role.WRITE),
    f"POST {_PATH}": Route(store, Role.PUBLISH),
    f"GET {_PATH}/mail": Route(show_stored, Role.WRITE),
    f"POST {_PATH}/mail": Route(preview, Role.WRITE),
}
