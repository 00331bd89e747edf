"""Settings: who the authors are, and the looks of the mails."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from broadsheet import authors_secret, i18n, settings
from broadsheet.domain.authors import Role
from broadsheet.domain.previews import PreviewRequest
from broadsheet.i18n import translatable
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
    """Show authors their own role, and whoever manages the newsletter all authors."""
    authors = authors_secret.authors().entries if visit.may(Role.MANAGE) else ()
    by_name = sorted(authors, key=lambda each: str(each.name).casefold())
    theme = settings.newsletter().theme
    return pages.show(visit, "settings.html", authors=by_name, theme=theme)


def show_theme(_visit: Visit) -> Response:
    """Show a sample mail in the theme that is in use."""
    # The renderer takes a third of a second to import, which the other screens can spare.
    from broadsheet.services.issues import previewing  # noqa: PLC0415 - see above

    language = i18n.language(settings.newsletter_language())
    words = [language.gettext(each) for each in _SAMPLE]
    text = "## {}\n\n{} [{}](https://example.com/)\n\n- {}\n- {}\n\n> {}".format(*words)
    fields = {"title": language.gettext("A sample"), "markdown": text, "archive": False}
    shown = previewing.preview(PreviewRequest.model_validate(fields))
    html = mail_view.document(shown, View.LIGHT, settings.newsletter_language())
    return Response.page(HTTPStatus.OK, html, policy=mail_view.policy(View.LIGHT, runs=False))


ROUTES = {
    "GET /settings": Route(show, Role.WRITE),
    "GET /settings/theme": Route(show_theme, Role.WRITE),
}
