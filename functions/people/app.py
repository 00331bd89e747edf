"""The authors' API of people: who they are, and what becomes of them."""

from http import HTTPStatus

from pydantic import TypeAdapter

from broadsheet import settings
from broadsheet.database import search
from broadsheet.database.connection import connected
from broadsheet.domain.errors import InvalidQuery, InvalidStatus
from broadsheet.domain.search import MAX_QUERY_CHARACTERS, FoundSubscriber, Place, Search
from broadsheet.domain.subscribers import SubscriberStatus
from broadsheet.web.pagination import Listing
from broadsheet.web.request import Request
from broadsheet.web.response import Response
from broadsheet.web.router import router

SUBSCRIBERS = Listing("after", TypeAdapter(Place), 50, 500)
FILTERS = ("query", "status")


def list_subscribers(request: Request) -> Response:
    """List those whom ``query``, ``status`` and ``tag`` describe, a page at a time."""
    limit, after = SUBSCRIBERS.limit(request), SUBSCRIBERS.start(request)
    wanted = _wanted(request)
    with connected(settings.timings().publish_connect_timeout) as connection:
        found = search.find(connection, wanted, limit + 1, after)
    page = found[:limit]
    following = None
    if len(found) > limit:
        kept = {name: value for name, value in request.query.items() if name in FILTERS}
        following = SUBSCRIBERS.link(request, "/subscribers", _place(wanted, page[-1]), kept)
    documents = [each.model_dump(mode="json") for each in page]
    return Response.json(HTTPStatus.OK, {"subscribers": documents, "next": following})


def _wanted(request: Request) -> Search:
    query, status = request.query.get("query", "").strip(), request.query.get("status")
    if len(query) > MAX_QUERY_CHARACTERS or "\0" in query:
        raise InvalidQuery(MAX_QUERY_CHARACTERS)
    if status is not None and status not in set(SubscriberStatus):
        raise InvalidStatus(", ".join(SubscriberStatus))
    return Search(query, SubscriberStatus(status) if status else None)


def _place(wanted: Search, last: FoundSubscriber) -> Place:
    return Place(last.email.startswith(wanted.query.lower()), last.email)


handler = router({"GET /subscribers": list_subscribers})
