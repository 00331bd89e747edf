"""The authors' API of people: who they are, what became of them, and acts on their behalf."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from broadsheet import settings
from broadsheet.database import search
from broadsheet.database.connection import Connection, connected
from broadsheet.domain.authors import AuthorName
from broadsheet.domain.errors import (
    ExportNotFound,
    ImportNotFound,
    InvalidAddress,
    InvalidFields,
    InvalidOutcome,
    InvalidPeriod,
    InvalidQuery,
    InvalidStatus,
    InvalidTag,
    SegmentNotFound,
    SubscriberNotFound,
    WebhookNotFound,
)
from broadsheet.domain.exports import Export, PeopleExportRequest
from broadsheet.domain.fates import Fate, Happening
from broadsheet.domain.imports import Import, ImportLine, ImportRequest, ReadRequest, Verdict
from broadsheet.domain.on_behalf import ActRequest, AddRequest, ForgiveRequest, TagsRequest
from broadsheet.domain.search import MAX_QUERY_CHARACTERS, FoundSubscriber, Place, Search
from broadsheet.domain.segments import Segment, SegmentFilter, SegmentName
from broadsheet.domain.statistics import MOST_DAYS, USUAL_DAYS, Period
from broadsheet.domain.subscribers import EmailAddress, SubscriberId, SubscriberStatus
from broadsheet.domain.tags import Tag
from broadsheet.domain.webhooks import (
    SHOWN_OF_WEBHOOK,
    ReplayRequest,
    Webhook,
    WebhookId,
    WebhookRequest,
    written_message_id,
)
from broadsheet.services.people import (
    exports,
    fates,
    importing,
    imports,
    on_behalf,
    segments,
    stalled_imports,
    statistics,
    tracing,
)
from broadsheet.services.people.segments import CountedSegment
from broadsheet.services.webhooks import registering
from broadsheet.storage import downloads, uploads
from broadsheet.web import csv
from broadsheet.web import fates as sentences
from broadsheet.web.body import invalid_fields
from broadsheet.web.pagination import Listing
from broadsheet.web.request import Request
from broadsheet.web.response import Response
from broadsheet.web.router import router
from broadsheet.web.sentences import import_failure

IMPORTS = Listing("before", TypeAdapter(tuple[AwareDatetime, UUID]), 20, 100)
IMPORT_LINES = Listing("after", TypeAdapter(int), 100, 10_000)
SUBSCRIBERS = Listing("after", TypeAdapter(Place), 50, 500)
FILTERS = ("query", "status", "tag")
LARGEST_BODY = 64 * 1024  # bytes; three hundred tags of the longest are half of that


def list_subscribers(request: Request) -> Response:
    """List those whom ``query``, ``status`` and ``tag`` describe, a page at a time."""
    limit, after = SUBSCRIBERS.limit(request), SUBSCRIBERS.start(request)
    wanted = _wanted(request)
    with _database() as connection:
        found = search.find(connection, wanted, limit + 1, after)
    page = found[:limit]
    following = None
    if len(found) > limit:
        kept = {name: value for name, value in request.query.items() if name in FILTERS}
        following = SUBSCRIBERS.link(request, "/subscribers", _place(wanted, page[-1]), kept)
    documents = [each.model_dump(mode="json") for each in page]
    return Response.json(HTTPStatus.OK, {"subscribers": documents, "next": following})


def _database() -> Any:  # noqa: ANN401 - a context manager of a connection
    return connected(settings.timings().publish_connect_timeout)


def _wanted(request: Request) -> Search:
    query, status = request.query.get("query", "").strip(), request.query.get("status")
    if len(query) > MAX_QUERY_CHARACTERS or "\0" in query:
        raise InvalidQuery(MAX_QUERY_CHARACTERS)
    if status is not None and status not in set(SubscriberStatus):
        raise InvalidStatus(", ".join(SubscriberStatus))
    return Search(query, SubscriberStatus(status) if status else None, _tag(request))


def _tag(request: Request) -> str | None:
    tag = request.query.get("tag")
    try:
        return None if tag is None else Tag.normalized(tag)
    except ValueError:
        raise InvalidTag from None


def _place(wanted: Search, last: FoundSubscriber) -> Place:
    return Place(last.email.startswith(wanted.query.lower()), last.email)


def show_subscriber(request: Request) -> Response:
    """Show a subscriber with the trace: all that happened to them, in its order."""
    subscriber_id = _subscriber_id(request)
    with _database() as connection:
        trace = tracing.trace(connection, subscriber_id)
    document = _shown(request, trace.subscriber) | {
        "standing": _fate(trace.standing),
        "timeline": [_happening(each) for each in trace.timeline],
    }
    return Response.json(HTTPStatus.OK, document)


def _shown(request: Request, subscriber: FoundSubscriber) -> dict[str, Any]:
    href = request.link(f"/subscribers/{subscriber.id}")
    return subscriber.model_dump(mode="json") | {"href": href}


def _fate(fate: Fate) -> dict[str, Any]:
    at = None if fate.at is None else fate.at.isoformat()
    return {"code": fate.code, "message": sentences.of_fate(fate), "at": at}


def _happening(happening: Happening) -> dict[str, Any]:
    return {
        "at": happening.at.isoformat(),
        "code": happening.code,
        "message": sentences.of_happening(happening),
        "issue_id": None if happening.issue_id is None else str(happening.issue_id),
        "issue_title": happening.issue_title,
        "details": _DETAILS.dump_python(happening.details, mode="json"),
    }


_DETAILS = TypeAdapter(dict[str, Any])


def _subscriber_id(request: Request) -> SubscriberId:
    try:
        return SubscriberId(UUID(request.path_parameters["id"]))
    except ValueError:
        raise SubscriberNotFound from None


def why(request: Request) -> Response:
    """Answer in one sentence why the owner of an address got an issue or did not."""
    try:
        email = EmailAddress(unquote(request.path_parameters["email"]))
    except ValidationError:
        raise InvalidAddress from None
    with _database() as connection:
        fate = fates.of_address(connection, request.path_parameters["id"], email)
    return Response.json(HTTPStatus.OK, _fate(fate))


def add(request: Request) -> Response:
    """Add a subscriber, who is mailed to confirm; or with a consent that was given elsewhere."""
    wanted = request.document(AddRequest, LARGEST_BODY)
    with _database() as connection:
        added = on_behalf.add(
            connection, wanted, _author(request), request.origin, request.correlation_id
        )
        subscriber = search.find_by_id(connection, added.id)
    if subscriber is None:  # erased at this very moment
        raise SubscriberNotFound
    document = _shown(request, subscriber) | {"mail": added.mail}
    is_created = HTTPStatus.CREATED if added.is_new else HTTPStatus.OK
    status = HTTPStatus.ACCEPTED if added.mail else is_created
    return Response.json(status, document, {"Location": document["href"]})


def unsubscribe(request: Request) -> Response:
    """Unsubscribe somebody who asked an author for it."""
    reason = _reason(request)
    return _act(request, partial(on_behalf.unsubscribe, reason=reason))


def forgive(request: Request) -> Response:
    """Make a bounce or a complaint count no more."""
    reason = request.document(ForgiveRequest, LARGEST_BODY).reason
    return _act(request, partial(on_behalf.forgive, reason=reason))


def change_tags(request: Request) -> Response:
    """Replace all tags of somebody."""
    tags = request.document(TagsRequest, LARGEST_BODY).tags
    return _act(request, partial(on_behalf.change_tags, tags=tags))


def erase(request: Request) -> Response:
    """Erase all that is stored about somebody; nothing of them is left to be shown."""
    subscriber_id = _subscriber_id(request)
    with _database() as connection:
        on_behalf.erase(connection, subscriber_id, _author(request))
    return Response(HTTPStatus.NO_CONTENT)


def _reason(request: Request) -> str | None:
    return request.document(ActRequest, LARGEST_BODY).reason if request.body else None


def _author(request: Request) -> AuthorName:
    return AuthorName(request.author)


def _act(
    request: Request, action: Callable[[Connection, SubscriberId, AuthorName], None]
) -> Response:
    """Act on the subscriber in the path, and show them as they are then."""
    subscriber_id = _subscriber_id(request)
    with _database() as connection:
        action(connection, subscriber_id, _author(request))
        subscriber = search.find_by_id(connection, subscriber_id)
    if subscriber is None:  # erased at this very moment
        raise SubscriberNotFound
    return Response.json(HTTPStatus.OK, _shown(request, subscriber))


def show_statistics(request: Request) -> Response:
    """Show the numbers of some days in UTC, ``from`` and ``to`` included; else of the last 30."""
    period = _period(request)
    with _database() as connection:
        found = statistics.gather(connection, period)
    days = {"from": period.first.isoformat(), "to": period.last.isoformat()}
    return Response.json(HTTPStatus.OK, days | found.model_dump(mode="json"))


def _period(request: Request) -> Period:
    try:
        last = _date(request, "to") or datetime.now(UTC).date()
        first = _date(request, "from") or last - timedelta(days=USUAL_DAYS - 1)
    except (ValueError, OverflowError):
        raise InvalidPeriod(MOST_DAYS) from None
    if not timedelta(0) <= last - first < timedelta(days=MOST_DAYS):
        raise InvalidPeriod(MOST_DAYS)
    return Period(first, last)


def _date(request: Request, name: str) -> date | None:
    text = request.query.get(name)
    if text is not None and not _DATE.fullmatch(text):
        raise InvalidPeriod(MOST_DAYS)
    return date.fromisoformat(text) if text else None


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def list_segments(request: Request) -> Response:
    """List all segments; there are as many as authors have written."""
    with connected(settings.timings().publish_connect_timeout) as connection:
        found = segments.find_all(connection)
    documents = [_segment(request, each) for each in found]
    return Response.json(HTTPStatus.OK, {"segments": documents})


def show_segment(request: Request) -> Response:
    """Show a segment, with how many are in it now."""
    name = _named_segment(request)
    with connected(settings.timings().publish_connect_timeout) as connection:
        counted = segments.show(connection, name)
    return _counted(request, counted)


def put_segment(request: Request) -> Response:
    """Store a segment, and show how many are in it now."""
    try:
        name = SegmentName(request.path_parameters["name"])
    except ValidationError as error:
        (fault,) = invalid_fields(error).fields.values()
        raise InvalidFields({"name": fault}) from None
    wanted = request.document(SegmentFilter, LARGEST_BODY)
    with connected(settings.timings().publish_connect_timeout) as connection:
        counted = segments.put(connection, name, wanted, AuthorName(request.author))
    return _counted(request, counted)


def delete_segment(request: Request) -> Response:
    """Delete a segment that no issue waits for."""
    name = _named_segment(request)
    with connected(settings.timings().publish_connect_timeout) as connection:
        segments.delete(connection, name)
    return Response(HTTPStatus.NO_CONTENT)


def _named_segment(request: Request) -> SegmentName:
    try:
        return SegmentName(request.path_parameters["name"])
    except ValidationError:
        raise SegmentNotFound from None


def _counted(request: Request, counted: CountedSegment) -> Response:
    document = _segment(request, counted.segment) | {"audience_now": counted.audience}
    return Response.json(HTTPStatus.OK, document)


def _segment(request: Request, segment: Segment) -> dict[str, Any]:
    document = segment.model_dump(mode="json", exclude={"filter"})
    href = request.link(f"/segments/{segment.name}")
    return document | segment.filter.model_dump(mode="json") | {"href": href}


def list_webhooks(request: Request) -> Response:
    """List all webhooks, the oldest first."""
    with connected(settings.timings().publish_connect_timeout) as connection:
        found = registering.find_all(connection)
    documents = [_webhook(request, each) for each in found]
    return Response.json(HTTPStatus.OK, {"webhooks": documents})


def add_webhook(request: Request) -> Response:
    """Add a webhook; this answer alone has its secret."""
    wanted = request.document(WebhookRequest, LARGEST_BODY)
    with connected(settings.timings().publish_connect_timeout) as connection:
        webhook, secret = registering.add(connection, AuthorName(request.author), wanted)
    document = _webhook(request, webhook)
    headers = {"Location": str(document["href"])}
    return Response.json(HTTPStatus.CREATED, document | {"secret": secret}, headers)


def show_webhook(request: Request) -> Response:
    """Show a webhook, with how many messages it has and its newest tries."""
    with connected(settings.timings().publish_connect_timeout) as connection:
        shown = registering.show(connection, _webhook_id(request))
    tries = [each.model_dump(mode="json") for each in shown.tries]
    document = _webhook(request, shown.webhook) | {"messages": shown.messages, "tries": tries}
    return Response.json(HTTPStatus.OK, document)


def delete_webhook(request: Request) -> Response:
    """Delete a webhook with its log."""
    with connected(settings.timings().publish_connect_timeout) as connection:
        registering.delete(connection, _webhook_id(request))
    return Response(HTTPStatus.NO_CONTENT)


def test_webhook(request: Request) -> Response:
    """Send a webhook a message that says nothing."""
    with connected(settings.timings().publish_connect_timeout) as connection:
        message_id = registering.send_test(connection, _webhook_id(request))
    return Response.json(HTTPStatus.ACCEPTED, {"message": written_message_id(message_id)})


def replay_webhook(request: Request) -> Response:
    """Send messages again that have ended."""
    wanted = request.document(ReplayRequest, LARGEST_BODY)
    with connected(settings.timings().publish_connect_timeout) as connection:
        messages = registering.replay(connection, _webhook_id(request), wanted)
    return Response.json(HTTPStatus.ACCEPTED, {"messages": messages})


def enable_webhook(request: Request) -> Response:
    """Enable a webhook that was disabled."""
    with connected(settings.timings().publish_connect_timeout) as connection:
        webhook = registering.enable(connection, _webhook_id(request))
    return Response.json(HTTPStatus.OK, _webhook(request, webhook))


def rotate_webhook(request: Request) -> Response:
    """Make another secret for a webhook; this answer alone has it."""
    with connected(settings.timings().publish_connect_timeout) as connection:
        webhook, secret = registering.rotate(connection, _webhook_id(request))
    return Response.json(HTTPStatus.OK, _webhook(request, webhook) | {"secret": secret})


def _webhook_id(request: Request) -> WebhookId:
    try:
        return WebhookId(UUID(request.path_parameters["id"]))
    except ValueError:
        raise WebhookNotFound from None


def _webhook(request: Request, webhook: Webhook) -> dict[str, Any]:
    document = webhook.model_dump(mode="json", include=SHOWN_OF_WEBHOOK)
    return document | {"href": request.link(f"/webhooks/{webhook.id}")}


def add_import(request: Request) -> Response:
    """Begin an import; its file is sent to the URL that this answers."""
    wanted = request.document(ImportRequest, LARGEST_BODY)
    with _database() as connection:
        known = imports.create(
            connection, _author(request), wanted.file_name, wanted.format, wanted.standing
        )
    document = _import(request, known)
    upload = {"method": "PUT", "url": uploads.address(known.id)}
    headers = {"Location": str(document["href"])}
    return Response.json(HTTPStatus.CREATED, document | {"upload": upload}, headers)


def list_imports(request: Request) -> Response:
    """List imports, newest first, a page at a time."""
    limit, before = IMPORTS.limit(request), IMPORTS.start(request)
    with _database() as connection:
        found = imports.newest(connection, limit + 1, before)
    page, following = found[:limit], None
    if len(found) > limit:
        following = IMPORTS.link(request, "/imports", (page[-1].created_at, page[-1].id))
    documents = [_import(request, each) for each in page]
    return Response.json(HTTPStatus.OK, {"imports": documents, "next": following})


def show_import(request: Request) -> Response:
    """Show how far an import is, and what becomes of its rows."""
    with _database() as connection:
        known = imports.find(connection, _import_id(request))
        stalled_imports.kick(known)
    return Response.json(HTTPStatus.OK, _import(request, known))


def list_import_lines(request: Request) -> Response:
    """List what becomes of the rows of an import, a page at a time, as JSON or CSV."""
    import_id, verdicts = _import_id(request), _verdicts(request)
    limit, after = IMPORT_LINES.limit(request), IMPORT_LINES.start(request) or 0
    with _database() as connection:
        imports.find(connection, import_id)
        found = imports.lines(connection, import_id, after, limit + 1, verdicts)
    page = [ImportLine.model_validate(each, from_attributes=True) for each in found[:limit]]
    following = None
    if len(found) > limit:
        kept = {name: value for name, value in request.query.items() if name == "outcome"}
        path = f"/imports/{import_id}/lines"
        following = IMPORT_LINES.link(request, path, found[limit - 1].number, kept)
    documents = [each.model_dump(mode="json") for each in page]
    if csv.is_accepted(request):
        return csv.respond(ImportLine, documents, following)
    return Response.json(HTTPStatus.OK, {"lines": documents, "next": following})


def _verdicts(request: Request) -> list[Verdict]:
    text = request.query.get("outcome")
    if text is None:
        return []
    if text not in set(Verdict):
        raise InvalidOutcome(", ".join(Verdict))
    return [Verdict(text)]


def read_import(request: Request) -> Response:
    """Read an uploaded file, and find out what would become of its rows."""
    wanted = request.document(ReadRequest, LARGEST_BODY) if request.body else ReadRequest()
    with _database() as connection:
        known = importing.read(connection, _import_id(request), wanted.format, wanted.standing)
    return Response.json(HTTPStatus.ACCEPTED, _import(request, known))


def apply_import(request: Request) -> Response:
    """Apply an import that has been looked at."""
    with _database() as connection:
        known = importing.apply(connection, _import_id(request))
    return Response.json(HTTPStatus.ACCEPTED, _import(request, known))


def undo_import(request: Request) -> Response:
    """Undo an import, as far as nothing newer depends on it."""
    with _database() as connection:
        known = importing.undo(connection, _import_id(request))
    return Response.json(HTTPStatus.ACCEPTED, _import(request, known))


def confirm_import(request: Request) -> Response:
    """Mail the next of those whom an import added to confirm."""
    with _database() as connection:
        asked, left = importing.ask_to_confirm(
            connection,
            _import_id(request),
            _author(request),
            request.origin,
            request.correlation_id,
        )
    return Response.json(HTTPStatus.ACCEPTED, {"asked": asked, "left": left})


def _import_id(request: Request) -> UUID:
    try:
        return UUID(request.path_parameters["id"])
    except ValueError:
        raise ImportNotFound from None


def _import(request: Request, known: Import) -> dict[str, Any]:
    found = known.found
    return {
        "id": str(known.id),
        "author": known.author,
        "file_name": known.file_name,
        "format": known.format,
        "standing": known.standing,
        "status": known.status,
        "rows": known.rows_read,
        "done": known.done_to,
        "outcomes": known.counts,
        "first_lines": known.first_lines,
        "failure": None
        if known.failure is None
        else {
            "step": known.step,
            "code": known.failure,
            "detail": import_failure(known.failure),
        },
        "is_looked_at": found.get("is_looked_at", False),
        "candidates": found.get("candidates", []),
        "standings": [] if known.standing else found.get("standings", []),
        "unused_columns": found.get("unused_columns", []),
        "notes": found.get("notes", []),
        "problem": found.get("problem") or None,
        "created_at": known.created_at.isoformat(),
        "applied_at": None if known.applied_at is None else known.applied_at.isoformat(),
        "href": request.link(f"/imports/{known.id}"),
    }


def add_export(request: Request) -> Response:
    """Have everybody, or everything, written into a file."""
    wanted = PeopleExportRequest()
    if request.body:
        wanted = request.document(PeopleExportRequest, LARGEST_BODY)
    with _database() as connection:
        known = exports.begin(connection, _author(request), wanted.format)
    document = _export(request, known)
    return Response.json(HTTPStatus.ACCEPTED, document, {"Location": str(document["href"])})


def show_export(request: Request) -> Response:
    """Show an export, with where its file is downloaded once it is written."""
    try:
        export_id = UUID(request.path_parameters["id"])
    except ValueError:
        raise ExportNotFound from None
    with _database() as connection:
        known = exports.find(connection, export_id)
    return Response.json(HTTPStatus.OK, _export(request, known))


def _export(request: Request, known: Export) -> dict[str, Any]:
    file_name = exports.file_name(known)
    is_ready = known.ready_at is not None
    return {
        "id": str(known.id),
        "author": known.author,
        "format": known.format,
        "status": "ready" if is_ready else "writing",
        "file_name": file_name,
        "people": known.people,
        "created_at": known.created_at.isoformat(),
        "download": downloads.address(known.id, file_name) if is_ready else None,
        "href": request.link(f"/exports/{known.id}"),
    }


handler = router(
    {
        "POST /exports": add_export,
        "GET /exports/{id}": show_export,
        "GET /imports": list_imports,
        "POST /imports": add_import,
        "GET /imports/{id}": show_import,
        "GET /imports/{id}/lines": list_import_lines,
        "POST /imports/{id}/read": read_import,
        "POST /imports/{id}/apply": apply_import,
        "POST /imports/{id}/confirm": confirm_import,
        "POST /imports/{id}/undo": undo_import,
        "GET /webhooks": list_webhooks,
        "POST /webhooks": add_webhook,
        "GET /webhooks/{id}": show_webhook,
        "DELETE /webhooks/{id}": delete_webhook,
        "POST /webhooks/{id}/test": test_webhook,
        "POST /webhooks/{id}/replay": replay_webhook,
        "POST /webhooks/{id}/enable": enable_webhook,
        "POST /webhooks/{id}/rotate": rotate_webhook,
        "GET /subscribers": list_subscribers,
        "POST /subscribers": add,
        "GET /subscribers/{id}": show_subscriber,
        "POST /subscribers/{id}/unsubscribe": unsubscribe,
        "POST /subscribers/{id}/erase": erase,
        "POST /subscribers/{id}/forgive": forgive,
        "PUT /subscribers/{id}/tags": change_tags,
        "GET /issues/{id}/recipients/{email}": why,
        "GET /statistics": show_statistics,
        "GET /segments": list_segments,
        "GET /segments/{name}": show_segment,
        "PUT /segments/{name}": put_segment,
        "DELETE /segments/{name}": delete_segment,
    }
)
