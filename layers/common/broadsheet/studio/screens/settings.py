"""Settings: what the author may do, and the looks of the mails."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from broadsheet import i18n, settings
from broadsheet.domain.authors import Role
from broadsheet.domain.errors import PageNotFound
from broadsheet.domain.previews import PreviewRequest
from broadsheet.i18n import translatable
from broadsheet.mail import theme
from broadsheet.mail.theme import InvalidTheme
from broadsheet.services import looks
from broadsheet.studio import mail_view, pages
from broadsheet.studio.mail_view import View
from broadsheet.studio.visit import Route
from broadsheet.web.response import Response

if TYPE_CHECKING:
    from broadsheet.studio.visit import Visit


_SAMPLE = (
    translatable("A heading"),
    translatable("This is a paragraph."),
    translatable("And this is a link."),
    translatable("The first of two"),
    translatable("The second of two"),
    translatable("This is a quotation."),
)


def show(visit: Visit) -> Response:
    """Show authors their own role, and the theme."""
    with visit.connected() as connection:
        return _page(visit, looks.chosen(connection) or "")


def choose_theme(visit: Visit) -> Response:
    """Set the theme that was chosen, or say that mails can't have it."""
    # It renders mail, which takes a third of a second to import; the other screens don't.
    from broadsheet.services.authors import styling  # noqa: PLC0415 - see above

    try:
        with visit.connected() as connection:
            styling.choose(connection, visit.author.name, visit.form.line("theme"))
    except InvalidTheme:
        return _refuse(visit)
    return pages.redirect(visit, "/settings", said="saved")


def show_theme(visit: Visit) -> Response:
    """Show a sample mail in a theme. Raises ``PageNotFound``."""
    from broadsheet.services.authors import styling  # noqa: PLC0415 - as in ``choose_theme``
    from broadsheet.services.issues import previewing  # noqa: PLC0415 - as in ``choose_theme``

    name = visit.query.get("name", "")
    if name not in theme.names():
        raise PageNotFound
    try:
        styling.refuse_unusable(name)
    except InvalidTheme:
        return _refuse(visit)
    language = i18n.language(settings.newsletter_language())
    words = [language.gettext(each) for each in _SAMPLE]
    text = "## {}\n\n{} [{}](https://example.com/)\n\n- {}\n- {}\n\n> {}".format(*words)
    fields = {"title": language.gettext("A sample"), "markdown": text, "archive": False}
    shown = previewing.preview(PreviewRequest.model_validate(fields), looks.in_theme(name))
    html = mail_view.document(shown, View.LIGHT, settings.newsletter_language())
    return Response.page(HTTPStatus.OK, html, policy=mail_view.policy(View.LIGHT, runs=False))


def _refuse(visit: Visit) -> Response:
    problem = visit.request.language.gettext(
        "Mails can't have this theme. Choose another, or ask the operator to look at it: the log "
        "says what is wrong."
    )
    with visit.connected() as connection:
        chosen = looks.chosen(connection) or ""
    return _page(visit, chosen, problem=problem, status=HTTPStatus.BAD_REQUEST)


def _page(
    visit: Visit, chosen: str, *, problem: str = "", status: HTTPStatus = HTTPStatus.OK
) -> Response:
    in_use = looks.in_theme(chosen).theme
    return pages.show(
        visit,
        "settings.html",
        status=status,
        themes=theme.names(),
        chosen=chosen if in_use == chosen else "",
        in_use=in_use,
        of_operator=settings.newsletter().theme,
        problem=problem,
    )


ROUTES = {
    "GET /settings": Route(show, Role.WRITE),
    "GET /settings/theme": Route(show_theme, Role.WRITE),
    "POST /settings/theme": Route(choose_theme, Role.MANAGE),
}
