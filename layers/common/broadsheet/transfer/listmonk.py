"""listmonk: the CSV that it exports, and the JSON of its API, which says who has unsubscribed.

The CSV's ``status`` says nothing of any list: whoever is enabled in it is to confirm. In the JSON
of ``GET /api/subscribers?per_page=all``, each list has a ``subscription_status``; the names of the
lists become tags. On a list with single opt-in, "unconfirmed" is subscribed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from broadsheet.domain.people import Standing
from broadsheet.transfer import cells, documents, table
from broadsheet.transfer.cells import Fault, Said
from broadsheet.transfer.layout import Layout
from broadsheet.transfer.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from broadsheet.domain.people import Person
    from broadsheet.transfer.peer import ReadDocument
    from broadsheet.transfer.table import Columns

_COLUMNS = ("uuid", "email", "name", "attributes", "status", "created_at", "updated_at")
_STANDINGS = {
    "enabled": Standing.TO_CONFIRM,
    "disabled": Standing.UNSUBSCRIBED,
    "blocklisted": Standing.UNSUBSCRIBED,
}
_OUR_LIST = "Broadsheet"  # as we write it: no tag
_SUBSCRIPTIONS = {
    Standing.SUBSCRIBED: "confirmed",
    Standing.TO_CONFIRM: "unconfirmed",
    Standing.UNSUBSCRIBED: "unsubscribed",
}


_LAYOUT = Layout(
    "listmonk", _STANDINGS, first=("name",), signed_up=("created_at",), about=("attributes",)
)


def _recognises(columns: Columns, _name: str) -> bool:
    return columns.has("uuid", "email", "attributes", "status")


def _document_reader() -> ReadDocument:
    person = cells.Assembly().person

    def read(subscriber: dict[str, Any]) -> Person | Fault:
        if "email" not in subscriber:
            return Fault("no-address")
        given = subscriber.get("attribs")
        about = given if isinstance(given, dict) else {}
        found = subscriber.get("lists")
        lists = found if isinstance(found, list) else []
        standing, meant = _standing(
            cells.text_in(subscriber, "status"), [each for each in lists if isinstance(each, dict)]
        )
        if standing is None:
            return Fault("never-subscribed")
        since = min((cells.text_in(each, "subscription_created_at") for each in meant), default="")
        has_left = standing.has_left
        left = max((cells.text_in(each, "subscription_updated_at") for each in meant), default="")
        names = [name for each in meant if (name := cells.text_in(each, "name")) != _OUR_LIST]
        return person(
            Said(
                cells.text_in(subscriber, "email"),
                standing,
                cells.text_in(subscriber, "name"),
                since,
                since or cells.text_in(subscriber, "created_at"),
                left if has_left else "",
                cells.tags([*names, *cells.tags_in(about)]),
                cells.language_in(about),
                "listmonk subscription_created_at",
            )
        )

    return read


type _Lists = list[dict[str, Any]]


def _standing(status: str, lists: _Lists) -> tuple[Standing | None, _Lists]:
    """Return how somebody stands to all lists together, and those for which it is so."""
    by_state: dict[Standing, _Lists] = {standing: [] for standing in _SUBSCRIPTIONS}
    for each in lists:
        state, is_single = each.get("subscription_status"), each.get("optin") == "single"
        if state == "confirmed" or (state == "unconfirmed" and is_single):
            by_state[Standing.SUBSCRIBED].append(each)
        elif state == "unconfirmed":
            by_state[Standing.TO_CONFIRM].append(each)
        else:
            by_state[Standing.UNSUBSCRIBED].append(each)
    if status != "enabled":
        return Standing.UNSUBSCRIBED, lists
    return next((state for state in by_state.items() if state[1]), (None, []))


def _write(people: Iterable[Person]) -> Iterator[bytes]:
    """Write who is subscribed as enabled, and who has left as blocklisted.

    It can't hold sources, consents and times of leaving; what is read again is to confirm.
    """
    return table.write(_COLUMNS, map(_row, people))


def _row(person: Person) -> Iterable[str]:
    status = "blocklisted" if person.status.has_left else "enabled"
    since = cells.iso(person.signed_up_at)
    attributes = json.dumps(cells.about(person), ensure_ascii=False)
    return ("", person.email, person.name or "", attributes, status, since, since)


def _write_api(people: Iterable[Person]) -> Iterator[bytes]:
    """Write what the API shows of one list.

    It can't hold sources, and why somebody left: who is blocklisted has unsubscribed. Who
    subscribed before they consented has one date.
    """
    return documents.write('{"data": {"results": [', map(_subscriber, people), "]}}\n")


def _subscriber(person: Person) -> dict[str, Any]:
    state = Standing.UNSUBSCRIBED if person.status.has_left else person.status
    since = cells.iso(person.consented_at or person.signed_up_at)
    is_blocked = person.status in {Standing.BOUNCED, Standing.COMPLAINED}
    subscription = {
        "name": _OUR_LIST,
        "optin": "double",
        "subscription_status": _SUBSCRIPTIONS[state],
        "subscription_created_at": since,
        "subscription_updated_at": cells.iso(person.left_at) or since,
    }
    return {
        "email": person.email,
        "name": person.name or "",
        "attribs": cells.about(person),
        "status": "blocklisted" if is_blocked else "enabled",
        "created_at": cells.iso(person.signed_up_at),
        "lists": [subscription],
    }


PEER = Peer(
    recognises=_recognises,
    reader=_LAYOUT.reader,
    write=_write,
    notes=lambda _columns, _name: ("departures-not-in-file",),
)
API_PEER = Peer(
    recognises=lambda _columns, _name: False,
    reader=lambda _columns, _name: None,
    write=_write_api,
    document_reader=_document_reader,
)
