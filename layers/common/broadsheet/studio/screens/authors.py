"""Authors: listed, added, changed and removed by those who may manage."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import uuid4

from pydantic import ValidationError

from broadsheet.domain.all_authors import NewAuthor
from broadsheet.domain.authors import AuthorName, Role
from broadsheet.domain.errors import (
    AuthorExists,
    AuthorNotFound,
    AuthorsAddressTaken,
    BroadsheetError,
    DependencyUnavailable,
    InvalidForm,
    RoleNeeded,
    SecretChangeUnknown,
)
from broadsheet.domain.studio import token_of
from broadsheet.domain.subscribers import EmailAddress
from broadsheet.services.authors import registering
from broadsheet.studio import forms, pages, sessions
from broadsheet.studio.screens.people import wrong_fields
from broadsheet.studio.visit import Route
from broadsheet.web import problems, sentences

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broadsheet.studio.visit import Visit
    from broadsheet.web.response import Response

_PATH = "/settings/authors"
_FIELD_OF = {AuthorExists: "name", AuthorsAddressTaken: "email"}


@dataclass(frozen=True)
class _Refusal:
    """What is wrong with a form: of each field, or of all of it."""

    fields: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    status: HTTPStatus = HTTPStatus.BAD_REQUEST


_NONE = _Refusal(status=HTTPStatus.OK)


def list_all(visit: Visit) -> Response:
    """List all authors, each once."""
    found = registering.find_all()
    newest_last = sorted(found.readable, key=lambda entry: entry.created_at)
    by_name = {str(entry.name): entry for entry in newest_last}
    return pages.show(
        visit,
        "authors.html",
        authors=[by_name[name] for name in sorted(by_name, key=str.casefold)],
        malformed=found.malformed,
    )


def show_form(visit: Visit) -> Response:
    """Show the form that adds an author."""
    return _add_form(visit, _NONE)


def _add_form(visit: Visit, refusal: _Refusal) -> Response:
    return pages.show(
        visit,
        "add_author.html",
        status=refusal.status,
        key=_key(visit),
        typed={name: visit.form.text(name) for name in ("name", "role", "email")},
        refusal=refusal,
    )


def _key(visit: Visit) -> str:
    """Return the key of the form that was sent, or a new one: a form does its work once."""
    return visit.form.line("key") or str(uuid4())


def add(visit: Visit) -> Response:
    """Add an author, show their token once, and invite them by mail."""
    form = visit.form
    fields = {"name": form.line("name"), "role": form.line("role")}
    try:
        wanted = NewAuthor.model_validate(fields | {"email": form.line("email") or None})
    except ValidationError as error:
        wrong = wrong_fields(visit, error)
        if "role" in wrong:
            wrong["role"] = visit.request.language.gettext("Choose what they may do.")
        return _add_form(visit, _Refusal(wrong))
    key = forms.idempotency_key(form)
    try:
        added = registering.add(visit.session, wanted, key, visit.request.site)
    except BroadsheetError as error:
        return _add_form(visit, _refusal(visit, error))
    return _token(visit, wanted.name, added.token, wanted, is_invited=added.is_invited)


def _refusal(visit: Visit, error: BroadsheetError) -> _Refusal:
    """Return what a page says of an error, beside the form that it belongs to.

    Whoever may not manage any more sees no such page: then the error is raised again.
    """
    if isinstance(error, RoleNeeded):
        raise error
    status, known, _ = problems.classify(error)
    sentence = sentences.on_page(known, visit.request.language)
    if named := _FIELD_OF.get(type(error)):
        return _Refusal({named: sentence}, status=status)
    return _Refusal(problem=sentence, status=status)


def _token(
    visit: Visit,
    name: AuthorName,
    token: str,
    added: NewAuthor | None = None,
    *,
    is_invited: bool = False,
) -> Response:
    """Show a token, once; ``added``: its author, if they were added just now."""
    return pages.show(
        visit,
        "author_token.html",
        status=HTTPStatus.CREATED,
        name=name,
        token=token,
        added=added,
        is_invited=is_invited,
        site=visit.request.site,
    )


def show(visit: Visit) -> Response:
    """Show an author, with what can be changed."""
    return _author(visit, _name(visit.query.get("name", "")), _NONE)


def _author(visit: Visit, name: AuthorName, refusal: _Refusal) -> Response:
    entries = registering.find_all().entries_of(name)
    return pages.show(
        visit,
        "author.html",
        status=refusal.status,
        shown=entries[-1],
        tokens=[entry.created_at for entry in entries if entry.token_sha256],
        is_own=name == visit.author.name,
        key=_key(visit),
        typed_email=visit.form.text("email") if visit.form.has("email") else None,
        refusal=refusal,
    )


def _not_done(visit: Visit, name: AuthorName, error: BroadsheetError) -> Response:
    """Show an author with what can't be done; if it may have been done, that alone."""
    if isinstance(error, SecretChangeUnknown):
        raise error
    return _author(visit, name, _refusal(visit, error))


def _name(text: str) -> AuthorName:
    try:
        return AuthorName(text)
    except ValidationError:
        raise AuthorNotFound from None


def change_role(visit: Visit) -> Response:
    """Change what an author may do."""
    was, role = (visit.form.line(name) for name in ("was", "role"))
    if not {was, role} <= set(Role):
        raise InvalidForm
    return _act(
        visit, lambda name: registering.change_role(visit.session, name, Role(was), Role(role))
    )


def change_address(visit: Visit) -> Response:
    """Change where an author's links are mailed, or take the address away."""
    was, typed = (visit.form.line(name) for name in ("was", "email"))
    try:
        email = EmailAddress(typed) if typed else None
    except ValidationError as error:
        said = next(iter(wrong_fields(visit, error).values()))
        return _author(visit, _name(visit.form.line("name")), _Refusal({"email": said}))

    def change(name: AuthorName) -> None:
        registering.change_address(visit.session, name, was, email, visit.request.site)

    return _act(visit, change)


def make_token(visit: Visit) -> Response:
    """Make one more token for an author, and show it once."""
    name, key = _name(visit.form.line("name")), forms.idempotency_key(visit.form)
    try:
        token = registering.make_token(visit.session, name, key)
    except BroadsheetError as error:
        return _not_done(visit, name, error)
    return _token(visit, name, token)


def end_older_tokens(visit: Visit) -> Response:
    """Leave an author their newest token."""
    return _act(visit, lambda name: registering.end_older_tokens(visit.session, name))


def _act(visit: Visit, act: Callable[[AuthorName], None]) -> Response:
    """Change an author; what can't be done is said beside them, with what was typed.

    Those who have changed their own address or tokens stay signed in.
    """
    name = _name(visit.form.line("name"))
    try:
        act(name)
    except BroadsheetError as error:
        return _not_done(visit, name, error)
    changed = pages.redirect(
        visit, f"{_PATH}/change?name={quote(str(name))}", said="author-changed"
    )
    if name != visit.author.name:
        return changed
    try:
        return replace(changed, cookies=[_cookie(visit)])
    except DependencyUnavailable:  # the change is made all the same
        return changed


def _cookie(visit: Visit) -> str:
    entry = registering.find_all().entries_of(visit.author.name)[-1]
    session = visit.session.model_copy(update={"token": token_of(entry)})
    return sessions.cookie(session, visit.request)


def ask_to_remove(visit: Visit) -> Response:
    """Show what removing an author means, and its button."""
    name = _name(visit.query.get("name", ""))
    registering.refuse_own(visit.session, name)
    registering.find_all().entries_of(name)
    return pages.show(visit, "remove_author.html", name=name)


def remove(visit: Visit) -> Response:
    """Remove an author with all their tokens."""
    name = _name(visit.form.line("name"))
    try:
        registering.remove(visit.session, name)
    except BroadsheetError as error:
        return _not_done(visit, name, error)
    return pages.redirect(visit, _PATH, said="author-removed")


ROUTES = {
    f"GET {_PATH}": Route(list_all, Role.MANAGE),
    f"GET {_PATH}/add": Route(show_form, Role.MANAGE),
    f"POST {_PATH}/add": Route(add, Role.MANAGE),
    f"GET {_PATH}/change": Route(show, Role.MANAGE),
    f"POST {_PATH}/role": Route(change_role, Role.MANAGE),
    f"POST {_PATH}/address": Route(change_address, Role.MANAGE),
    f"POST {_PATH}/token": Route(make_token, Role.MANAGE),
    f"POST {_PATH}/old-tokens": Route(end_older_tokens, Role.MANAGE),
    f"GET {_PATH}/remove": Route(ask_to_remove, Role.MANAGE),
    f"POST {_PATH}/remove": Route(remove, Role.MANAGE),
}
