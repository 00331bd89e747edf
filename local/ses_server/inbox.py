"""The inbox: the received mails as pages for a person, and as JSON for programs."""

import sqlite3
from functools import partial

from aiohttp import web

from local.ses_server import mails
from local.ses_server.mails import Mail, Outcome

MAX_API_PAGE = 1000


def routes(connection: sqlite3.Connection) -> list[web.RouteDef]:
    return [web.get("/api/mails", partial(_api_mails, connection))]


async def _api_mails(connection: sqlite3.Connection, request: web.Request) -> web.Response:
    try:
        after = int(request.query.get("after", "0"))
        limit = min(int(request.query.get("limit", MAX_API_PAGE)), MAX_API_PAGE)
        outcome = request.query.get("outcome", Outcome.DELIVERED)
        outcomes = list(Outcome) if outcome == "any" else [Outcome(outcome)]
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from error
    found = mails.oldest_first(
        connection,
        to=request.query.get("to"),
        outcomes=outcomes,
        after=after,
        limit=limit,
    )
    return web.json_response({"mails": [_as_json(mail) for mail in found]})


def _as_json(mail: Mail) -> dict[str, object]:
    return {
        "id": mail.id,
        "message_id": mail.message_id,
        "received_at": mail.received_at.isoformat(timespec="milliseconds"),
        "to": mail.to,
        "from": mail.sender,
        "reply_to": mail.reply_to,
        "subject": mail.subject,
        "headers": mail.headers,
        "text": mail.text,
        "html": mail.html,
        "tags": mail.tags,
        "configuration_set": mail.configuration_set,
        "operation": mail.operation,
        "outcome": mail.outcome,
        "reason": mail.reason,
    }
