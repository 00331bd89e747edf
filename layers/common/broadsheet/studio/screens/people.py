"""Readers: found, shown with all that happened to them, added, and acted for on their behalf."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from broadsheet.database import search
from broadsheet.domain import errors
from broadsheet.domain.authors import Role
from broadsheet.domain.errors import SubscriberNotFound
from broadsheet.domain.issues import IssueId
from broadsheet.domain.on_behalf import ActRequest, AddRequest, ForgiveRequest, TagsRequest
from broadsheet.domain.search import MAX_QUERY_CHARACTERS, Place, Search
from broadsheet.domain.statistics import Period
from broadsheet.domain.subscribers import EmailAddress, SubscriberId, SubscriberStatus
from broadsheet.domain.tags import Tag
from broadsheet.services.issues import publication
from broadsheet.services.people import fates, on_behalf, statistics, tracing
from broadsheet.studio import pages
from broadsheet.studio.growth import chart
from broadsheet.studio.visit import Route
from broadsheet.web import fates as sentences_of_fates
from broadsheet.web import sentences
from broadsheet.web.body import invalid_fields
from broadsheet.web.pagination import Listing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.fates import Trace
    from broadsheet.studio.visit import Visit
    from broadsheet.web.response import Response

_PEOPLE = Listing("after", TypeAdapter(Place), 50, 500)
_ISSUES_TO_ASK_ABOUT = 20
_DAYS = {"30": 30, "90": 90, "365": 365}


def find(visit: Visit) -> Response:
    """Show those whom a search describes, a page at a time."""
    return _found(visit)


def _found(visit: Visit, wrong: str = "") -> Response:
    """``wrong``: with the address in the form that asks why."""
    wanted = _wanted(visit.query)
    limit, after = _PEOPLE.limit(visit.request), _PEOPLE.start(visit.request)
    with visit.connected() as connection:
        found = search.find(connection, wanted, limit + 1, after)
        issues = publication.newest(connection, _ISSUES_TO_ASK_ABOUT, None)
    shown, following = found[:limit], ""
    if len(found) > limit:
        last = shown[-1]
        place = Place(last.email.startswith(wanted.query.lower()), last.email)
        kept = {name: visit.query.get(name, "") for name in ("query", "status", "tag")}
        kept = {name: value for name, value in kept.items() if value}
        following = _PEOPLE.link(visit.request, "/studio/people", place, kept)
    return pages.show(
        visit,
        "people.html",
        status=HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.OK,
        wrong=wrong,
        asked=visit.query if wrong else {},
        people=shown,
        wanted=wanted,
        statuses=list(SubscriberStatus),
        following=following,
        issues=[each for each in issues if each.frozen_at is not None],
    )


def _wanted(query: Mapping[str, str]) -> Search:
    text = query.get("query", "").strip().replace("\0", "")[:MAX_QUERY_CHARACTERS]
    status = query.get("status", "")
    try:
        tag = Tag.normalized(query["tag"]) if query.get("tag", "").strip() else None
    except ValueError:
        raise errors.InvalidTag from None
    return Search(text, SubscriberStatus(status) if status in set(SubscriberStatus) else None, tag)


def why(visit: Visit) -> Response:
    """Answer why somebody got an issue or did not."""
    typed = visit.query.get("email", "").strip()
    try:
        email = EmailAddress(typed)
    except ValidationError as error:
        return _found(visit, " ".join(wrong_fields(visit, error).values()))
    try:
        issue_id = IssueId(UUID(visit.query.get("issue", "")))
    except ValueError:
        raise errors.IssueNotFound from None
    with visit.connected() as connection:
        issue = publication.find(connection, issue_id)
        fate = fates.of_address(connection, str(issue_id), email)
    answer = sentences_of_fates.of_fate(fate, visit.request.language)
    return pages.show(visit, "why.html", email=str(email), issue=issue, answer=answer)


def show(visit: Visit) -> Response:
    """Show somebody, with all that happened to them."""
    with visit.connected() as connection:
        trace = tracing.trace(connection, _id(visit))
    return _shown(visit, trace)


def _shown(
    visit: Visit, trace: Trace, status: HTTPStatus = HTTPStatus.OK, wrong: str = ""
) -> Response:
    language = visit.request.language
    timeline = [
        (each, sentences_of_fates.of_happening(each, language)) for each in reversed(trace.timeline)
    ]
    return pages.show(
        visit,
        "person.html",
        status=status,
        person=trace.subscriber,
        standing=sentences_of_fates.of_fate(trace.standing, language),
        timeline=timeline,
        wrong=wrong,
        typed={name: visit.form.text(name) for name in ("tags", "reason")},
        has_typed_tags=visit.form.has("tags"),
    )


def _id(visit: Visit) -> SubscriberId:
    try:
        return SubscriberId(UUID(visit.path["id"]))
    except ValueError:
        raise SubscriberNotFound from None


def change_tags(visit: Visit) -> Response:
    """Replace all tags of somebody."""

    def act(connection: Connection, subscriber: SubscriberId, author: AuthorName) -> None:
        wanted = TagsRequest.model_validate({"tags": split_tags(visit.form.text("tags"))})
        on_behalf.change_tags(connection, subscriber, author, wanted.tags)

    return _act(visit, act, "tags-changed")


def split_tags(text: str) -> list[str]:
    """Return the tags in what was typed, divided by commas or lines."""
    return [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]


def unsubscribe(visit: Visit) -> Response:
    """Unsubscribe somebody who asked an author for it."""

    def act(connection: Connection, subscriber: SubscriberId, author: AuthorName) -> None:
        wanted = ActRequest.model_validate({"reason": visit.form.line("reason") or None})
        on_behalf.unsubscribe(connection, subscriber, author, wanted.reason)

    return _act(visit, act, "unsubscribed")


def forgive(visit: Visit) -> Response:
    """Make a bounce or a complaint count no more."""

    def act(connection: Connection, subscriber: SubscriberId, author: AuthorName) -> None:
        wanted = ForgiveRequest.model_validate({"reason": visit.form.line("reason")})
        on_behalf.forgive(connection, subscriber, author, wanted.reason)

    return _act(visit, act, "forgiven")


def _act(
    visit: Visit, act: Callable[[Connection, SubscriberId, AuthorName], None], said: str
) -> Response:
    """Act on somebody; what can't be done is said beside them, with what was typed."""
    with visit.connected() as connection:
        try:
            act(connection, _id(visit), visit.author.name)
        except ValidationError as error:
            wrong = " ".join(wrong_fields(visit, error).values())
        except errors.WrongStanding as error:
            wrong = sentences.on_page(error, visit.request.language)
        else:
            return pages.redirect(visit, f"/people/{_id(visit)}", said=said)
        trace = tracing.trace(connection, _id(visit))
    return _shown(visit, trace, HTTPStatus.BAD_REQUEST, wrong)


def wrong_fields(visit: Visit, error: ValidationError) -> dict[str, str]:
    """Return what is wrong with each field, in words."""
    return sentences.of_fields(invalid_fields(error).fields, visit.request.language)


def ask_to_erase(visit: Visit) -> Response:
    """Show what erasing somebody means, and its button."""
    with visit.connected() as connection:
        person = search.find_by_id(connection, _id(visit))
    if person is None:
        raise SubscriberNotFound
    return pages.show(visit, "erase.html", person=person)


def erase(visit: Visit) -> Response:
    """Erase all that is stored about somebody."""
    with visit.connected() as connection:
        on_behalf.erase(connection, _id(visit), visit.author.name)
    return pages.redirect(visit, "/people", said="erased")


def show_form(visit: Visit) -> Response:
    """Show the form that adds somebody."""
    return _add_form(visit)


def _add_form(visit: Visit, wrong: Mapping[str, str] | None = None, known: str = "") -> Response:
    names = ("email", "name", "tags", "consented_on", "source")
    return pages.show(
        visit,
        "add_person.html",
        status=HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.OK,
        typed={name: visit.form.text(name) for name in names},
        has_consent=visit.form.has("has_consent"),
        wrong=wrong or {},
        known=known,
    )


def add(visit: Visit) -> Response:
    """Add somebody, who is mailed to confirm; or with a consent that was given elsewhere."""
    form = visit.form
    fields: dict[str, object] = {
        "email": form.line("email"),
        "name": form.line("name"),
        "tags": split_tags(form.text("tags")),
    }
    if form.has("has_consent"):
        given = form.line("consented_on")
        fields["confirmed"] = {"at": f"{given}T00:00:00Z", "source": form.line("source")}
    try:
        request = AddRequest.model_validate(fields)
    except ValidationError as error:
        return _add_form(visit, wrong_fields(visit, error))
    with visit.connected() as connection:
        try:
            added = on_behalf.add(
                connection,
                request,
                visit.author.name,
                visit.request.origin,
                visit.request.correlation_id,
            )
        except (errors.WrongStanding, errors.ConsentInFuture) as error:
            known = str(getattr(error, "subscriber_id", "") or "")
            sentence = sentences.on_page(error, visit.request.language)
            return _add_form(visit, {"": sentence}, known)
    said = {"queued": "added-asked", "withheld": "added-withheld", None: "added"}[added.mail]
    return pages.redirect(visit, f"/people/{added.id}", said=said)


def show_growth(visit: Visit) -> Response:
    """Show how the readers grew, as a chart with its table, and each issue's figures."""
    days = visit.query.get("days", "30")
    today = datetime.now(UTC).date()
    period = Period(today - timedelta(days=_DAYS.get(days, 30) - 1), today)
    with visit.connected() as connection:
        found = statistics.gather(connection, period)
    return pages.show(
        visit,
        "growth.html",
        statistics=found,
        chart=chart(found),
        chosen=days if days in _DAYS else "30",
        choices=list(_DAYS),
    )


ROUTES = {
    "GET /people": Route(find, Role.MANAGE),
    "GET /people/why": Route(why, Role.MANAGE),
    "GET /people/add": Route(show_form, Role.MANAGE),
    "POST /people/add": Route(add, Role.MANAGE),
    "GET /people/growth": Route(show_growth, Role.MANAGE),
    "GET /people/{id}": Route(show, Role.MANAGE),
    "POST /people/{id}/tags": Route(change_tags, Role.MANAGE),
    "POST /people/{id}/unsubscribe": Route(unsubscribe, Role.MANAGE),
    "POST /people/{id}/forgive": Route(forgive, Role.MANAGE),
    "GET /people/{id}/erase": Route(ask_to_erase, Role.MANAGE),
    "POST /people/{id}/erase": Route(erase, Role.MANAGE),
}
