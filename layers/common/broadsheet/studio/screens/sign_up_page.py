"""What the sign-up page says of the newsletter, with how its top reads."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from pydantic import ValidationError

from broadsheet import settings
from broadsheet.domain import errors
from broadsheet.domain.authors import Role
from broadsheet.domain.authors_voice import MOST_CHARACTERS, AuthorsVoice
from broadsheet.services.authors import introducing
from broadsheet.studio import pages
from broadsheet.studio.visit import Route
from broadsheet.web import problems, sentences

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from broadsheet.domain.voice import Voice
    from broadsheet.studio.visit import Visit
    from broadsheet.web.response import Response

_PATH = "/settings/sign-up"


def show(visit: Visit) -> Response:
    """Show what authors say, and what the page says for it."""
    with visit.connected() as connection:
        stored = introducing.show(connection)
    return _page(visit, stored.model_dump(), _voice(stored))


def store(visit: Visit) -> Response:
    """Replace what authors say, or show how the page would read."""
    typed = {name: visit.form.line(name) for name in MOST_CHARACTERS}
    try:
        wanted = AuthorsVoice.model_validate(typed)
    except ValidationError as error:
        wrong = {str(detail["loc"][0]) for detail in error.errors()}
        kept = {name: text for name, text in typed.items() if name not in wrong}
        voice = _voice(AuthorsVoice.model_validate(kept))
        return _page(visit, typed, voice, wrong=wrong, status=HTTPStatus.BAD_REQUEST)
    if visit.form.line("do") == "preview":
        return _page(visit, typed, _voice(wanted), is_unsaved=True)
    try:
        with visit.connected() as connection:
            introducing.replace(connection, visit.author.name, wanted)
    except errors.BroadsheetError as cause:
        status, known, _ = problems.classify(cause)
        problem = sentences.on_page(known, visit.request.language)
        return _page(visit, typed, _voice(wanted), problem=problem, status=status)
    return pages.redirect(visit, _PATH, said="saved")


def _voice(authors: AuthorsVoice) -> Voice:
    return settings.voice().replaced_by(authors)


def _page(  # noqa: PLR0913 - what the page shows
    visit: Visit,
    typed: Mapping[str, str],
    voice: Voice,
    *,
    wrong: Collection[str] = (),
    problem: str = "",
    is_unsaved: bool = False,
    status: HTTPStatus = HTTPStatus.OK,
) -> Response:
    operators = settings.voice()
    return pages.show(
        visit,
        "sign_up_page.html",
        status=status,
        typed=typed,
        voice=voice,
        operators={
            "description": operators.description,
            "author_name": operators.author,
            "frequency": operators.frequency,
        },
        most=MOST_CHARACTERS,
        wrong=wrong,
        problem=problem,
        is_unsaved=is_unsaved,
        sign_up=visit.request.link("/"),
    )


ROUTES = {
    f"GET {_PATH}": Route(show, Role.MANAGE),
    f"POST {_PATH}": Route(store, Role.MANAGE),
}
