"""The control API: change the account, the faults, the fates and the events of a running server.

README.md lists its requests. ``control.Control`` calls them from Python.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Literal

from aiohttp import web
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from ses_server import account, database, events, mails, publishing, record
from ses_server.addresses import mailbox_key
from ses_server.caller import Caller
from ses_server.database import transaction
from ses_server.events import Travel
from ses_server.fates import EventType, FateRule, Fates
from ses_server.faults import Fault, Faults
from ses_server.limits import Limit
from ses_server.publishing import Publisher

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class AccountChange(BaseModel):
    """A change of the account; None changes nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_send_rate: float | None = Field(default=None, ge=0)
    max_24_hour_send: float | None = Field(default=None, ge=-1)
    enforces_rate: bool | None = None
    sending_enabled: bool | None = None
    sent_last_24_hours: int | None = Field(default=None, ge=0)
    production_access: bool | None = None
    enforcement_status: Literal["HEALTHY", "PROBATION", "SHUTDOWN"] | None = None
    signature_seconds: float | None = Field(default=None, ge=0)


type ProofStatus = Literal["PENDING", "SUCCESS", "FAILED", "TEMPORARY_FAILURE", "NOT_STARTED"]


class ProofChange(BaseModel):
    """A change of how far an identity is verified; None changes nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    verification: ProofStatus | None = None
    dkim: ProofStatus | None = None
    mail_from_domain: str | None = None
    mail_from: ProofStatus | None = None


class Suppressions(BaseModel):
    """Addresses to add to the account's suppression list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    addresses: list[str]
    reason: Literal["BOUNCE", "COMPLAINT"] = "BOUNCE"


class Republishing(BaseModel):
    """Publish the events of the last ``hours`` again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hours: float = Field(ge=0)


class Taken(BaseModel):
    """What was published before a moment has been taken in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    before: AwareDatetime


class Holding(BaseModel):
    """Whether events wait in the server although they are due."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    is_held: bool


_NUMBER = r"{number:\d{1,9}}"
_FAULT: TypeAdapter[Fault] = TypeAdapter(Fault)


def routes(caller: Caller, publisher: Publisher, directory: Path) -> list[web.RouteDef]:
    """Return the control API's routes."""
    api = ControlApi(caller, publisher, directory)
    return [
        web.get("/control", api.show),
        web.patch("/control/account", _answering(api.change_account)),
        web.patch("/control/identities/{identity}", _answering(api.change_identity)),
        web.post("/control/suppressions", _answering(api.suppress)),
        web.post("/control/faults", _answering(api.begin_fault)),
        web.delete("/control/faults", api.end_faults),
        web.delete(rf"/control/faults/{_NUMBER}", api.end_faults),
        web.post("/control/fates", _answering(api.begin_fate)),
        web.delete("/control/fates", api.end_fates),
        web.delete(rf"/control/fates/{_NUMBER}", api.end_fates),
        web.post("/control/events", _answering(api.publish_event)),
        web.put("/control/travel", _answering(api.change_travel)),
        web.post("/control/events/release", api.release),
        web.put("/control/events/held", _answering(api.hold)),
        web.post("/control/events/republish", _answering(api.republish)),
        web.post("/control/events/taken", _answering(api.take_in)),
        web.put("/control/destinations/{configuration_set}", _answering(api.set_destination)),
        web.delete("/control/destinations", api.delete_destinations),
        web.get("/api/events", _answering(api.list_events)),
        web.get("/api/counts", _answering(api.list_counts)),
    ]


def _answering(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ValidationError as error:
            return web.json_response({"message": str(error)}, status=HTTPStatus.BAD_REQUEST)

    return answer


class ControlApi:
    """The handlers; they share the server's state with the SES API."""

    def __init__(self, caller: Caller, publisher: Publisher, directory: Path) -> None:
        self._connection = caller.connection
        self._limits = caller.limits
        self._faults = caller.faults
        self._fates = caller.fates
        self._plan = caller.plan
        self._publisher = publisher
        self._directory = directory

    async def show(self, _: web.Request) -> web.Response:
        sent = mails.sent_last_24_hours(self._connection, datetime.now(UTC))
        throttles = self._limits.throttles
        return web.json_response(
            {
                "account": {
                    **asdict(self._limits.account),
                    "sending_enabled": account.is_sending_enabled(self._connection),
                    "sent_last_24_hours": sent,
                },
                "throttles": {"rate": throttles[Limit.RATE], "quota": throttles[Limit.QUOTA]},
                "faults": self._faults.state(),
                "fates": [
                    {"number": number, **rule.model_dump(mode="json", exclude_defaults=True)}
                    for number, rule in self._fates.rules()
                ],
                "travel": self._plan.travel.model_dump(mode="json", exclude_defaults=True),
                "destinations": {
                    name: destination.model_dump(mode="json", exclude_defaults=True)
                    for name, destination in publishing.destinations(self._connection).items()
                },
                "events": events.counts(self._connection),
                "is_held": self._publisher.is_held,
            }
        )

    async def change_account(self, request: web.Request) -> web.Response:
        change = AccountChange.model_validate_json(await request.read())
        limits = change.model_dump(
            include={
                *("max_send_rate", "max_24_hour_send", "enforces_rate"),
                *("production_access", "enforcement_status", "signature_seconds"),
            },
            exclude_none=True,
        )
        self._limits.change(replace(self._limits.account, **limits))
        account.keep_changes(self._connection, limits)
        if change.sending_enabled is not None:
            account.enable_sending(self._connection, enabled=change.sending_enabled)
        if change.sent_last_24_hours is not None:
            with transaction(self._connection):
                mails.set_sent(self._connection, change.sent_last_24_hours, datetime.now(UTC))
        return web.json_response({})

    async def change_identity(self, request: web.Request) -> web.Response:
        change = ProofChange.model_validate_json(await request.read())
        identity = request.match_info["identity"]
        proof = replace(
            account.proof_of(self._connection, identity), **change.model_dump(exclude_none=True)
        )
        account.put_proof(self._connection, identity, proof)
        return web.json_response({})

    async def suppress(self, request: web.Request) -> web.Response:
        given = Suppressions.model_validate_json(await request.read())
        with transaction(self._connection):
            for address in given.addresses:
                account.suppress(self._connection, address, given.reason)
        return web.json_response({})

    async def begin_fault(self, request: web.Request) -> web.Response:
        fault = _FAULT.validate_json(await request.read())
        return web.json_response({"number": self._faults.begin(fault)})

    async def end_faults(self, request: web.Request) -> web.Response:
        return _ended(request, self._faults)

    async def begin_fate(self, request: web.Request) -> web.Response:
        rule = FateRule.model_validate_json(await request.read())
        return web.json_response({"number": self._fates.begin(rule)})

    async def end_fates(self, request: web.Request) -> web.Response:
        return _ended(request, self._fates)

    async def publish_event(self, request: web.Request) -> web.Response:
        rule = FateRule.model_validate_json(await request.read())
        now = datetime.now(UTC)
        suppresses = rule.fate().suppresses
        if suppresses not in account.suppressed_reasons(self._connection):
            suppresses = None
        published = []
        with transaction(self._connection):
            for recipient in sorted(rule.recipients or ()):
                if events.add_to_last_mail(self._connection, recipient, rule.happening(), now):
                    published.append(recipient)
                    if suppresses:
                        account.suppress(self._connection, recipient, suppresses)
        self._publisher.wake()
        return web.json_response({"recipients": published})

    async def change_travel(self, request: web.Request) -> web.Response:
        self._plan.travel = Travel.model_validate_json(await request.read())
        return web.json_response({})

    async def release(self, _: web.Request) -> web.Response:
        released = events.release(self._connection)
        self._publisher.wake()
        return web.json_response({"released": released})

    async def hold(self, request: web.Request) -> web.Response:
        self._publisher.hold(is_held=Holding.model_validate_json(await request.read()).is_held)
        return web.json_response({})

    async def republish(self, request: web.Request) -> web.Response:
        hours = Republishing.model_validate_json(await request.read()).hours
        since = datetime.now(UTC) - timedelta(hours=hours)
        again = events.make_due_again(self._connection, since)
        self._publisher.wake()
        return web.json_response({"due_again": again})

    async def take_in(self, request: web.Request) -> web.Response:
        events.take_in(self._connection, Taken.model_validate_json(await request.read()).before)
        return web.json_response({})

    async def set_destination(self, request: web.Request) -> web.Response:
        destination = publishing.DESTINATION.validate_json(await request.read())
        name = request.match_info["configuration_set"]
        publishing.set_destination(self._connection, name, destination)
        self._publisher.wake()
        return web.json_response({})

    async def delete_destinations(self, _: web.Request) -> web.Response:
        publishing.delete_destinations(self._connection)
        return web.json_response({})

    async def list_events(self, request: web.Request) -> web.Response:
        query = _EventQuery.model_validate(dict(request.query))
        found = events.find(
            self._connection,
            to=query.to and mailbox_key(query.to),
            types=EventType if query.type is None else (query.type,),
            after=query.after,
            limit=query.limit,
        )
        return web.json_response(
            {
                "events": [
                    {
                        "id": event.id,
                        "state": event.state,
                        "due_at": event.due_at.isoformat(timespec="milliseconds"),
                        "record": event.record,
                    }
                    for event in found
                ]
            }
        )

    async def list_counts(self, request: web.Request) -> web.Response:
        query = _CountQuery.model_validate(dict(request.query))
        text = await asyncio.to_thread(_counts, self._directory, query)
        return web.Response(text=text, content_type="application/json")


class _EventQuery(BaseModel):
    to: str | None = None
    type: EventType | None = None
    after: int = 0
    limit: int = Field(default=1000, ge=0, le=1000)


class _CountQuery(BaseModel):
    issue: str | None = None
    at_least: int = 1


def _counts(directory: Path, query: _CountQuery) -> str:
    """Count on a connection of its own, so that the server answers calls meanwhile."""
    with closing(database.connect(directory)) as connection:
        counted = record.counts_by_recipient(connection, issue=query.issue, at_least=query.at_least)
    return json.dumps(
        {"counts": [{**of._asdict(), "taken": count} for of, count in counted.items()]}
    )


def _ended(request: web.Request, numbered: Faults | Fates) -> web.Response:
    number = request.match_info.get("number")
    if number is None:
        numbered.end_all()
    elif not numbered.end(int(number)):
        return web.json_response(
            {"message": f"There is no number {number}."}, status=HTTPStatus.NOT_FOUND
        )
    return web.json_response({})
