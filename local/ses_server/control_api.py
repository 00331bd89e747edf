"""The control API: the account's limits and the misbehaviour, changed while the server runs.

All of it is JSON, on the server's own port; a request that can't be read is answered with 400 and
a ``message``. ``control.Control`` speaks it for Python.

``GET /control``
    everything that is in force, and how many messages met a limit.
``PATCH /control/account``
    any of ``max_send_rate``, ``max_24_hour_send`` (-1: none), ``enforces_rate``,
    ``sending_enabled``, and ``sent_last_24_hours`` (a number, for the quota to count from).
``POST /control/suppressions``
    ``{"addresses": […], "reason": "BOUNCE"}`` puts addresses on the account's list.
``POST /control/faults``
    a fault by its ``kind`` (see ``faults``) → ``{"number": 1}``.
``DELETE /control/faults``, ``DELETE /control/faults/1``
    end all faults, or one.
"""

import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from local.ses_server import account, mails
from local.ses_server.database import transaction
from local.ses_server.faults import Fault, Faults
from local.ses_server.limits import Limit, Limits

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class AccountChange(BaseModel):
    """What is changed of the account; None leaves a thing as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_send_rate: float | None = Field(default=None, gt=0)
    max_24_hour_send: float | None = Field(default=None, ge=-1)
    enforces_rate: bool | None = None
    sending_enabled: bool | None = None
    sent_last_24_hours: int | None = Field(default=None, ge=0)


class Suppressions(BaseModel):
    """Addresses for the account's suppression list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    addresses: list[str]
    reason: Literal["BOUNCE", "COMPLAINT"] = "BOUNCE"


_FAULT: TypeAdapter[Fault] = TypeAdapter(Fault)


def routes(connection: sqlite3.Connection, limits: Limits, faults: Faults) -> list[web.RouteDef]:
    """Make the control API's routes."""
    api = ControlApi(connection, limits, faults)
    return [
        web.get("/control", api.show),
        web.patch("/control/account", _answering(api.change_account)),
        web.post("/control/suppressions", _answering(api.suppress)),
        web.post("/control/faults", _answering(api.begin_fault)),
        web.delete("/control/faults", api.end_faults),
        web.delete(r"/control/faults/{number:\d{1,9}}", api.end_fault),
    ]


def _answering(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ValidationError as error:
            return web.json_response({"message": str(error)}, status=HTTPStatus.BAD_REQUEST)

    return answer


class ControlApi:
    """The handlers, over the state of the server's one process."""

    def __init__(self, connection: sqlite3.Connection, limits: Limits, faults: Faults) -> None:
        self._connection = connection
        self._limits = limits
        self._faults = faults

    async def show(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "account": {
                    **asdict(self._limits.account),
                    "sending_enabled": account.is_sending_enabled(self._connection),
                    "sent_last_24_hours": mails.sent_last_24_hours(
                        self._connection, datetime.now(UTC)
                    ),
                },
                "throttles": {
                    "rate": self._limits.throttles[Limit.RATE],
                    "quota": self._limits.throttles[Limit.QUOTA],
                },
                "faults": self._faults.state(),
            }
        )

    async def change_account(self, request: web.Request) -> web.Response:
        change = AccountChange.model_validate_json(await request.read())
        limits = change.model_dump(
            include={"max_send_rate", "max_24_hour_send", "enforces_rate"}, exclude_none=True
        )
        self._limits.change(replace(self._limits.account, **limits))
        if change.sending_enabled is not None:
            account.enable_sending(self._connection, enabled=change.sending_enabled)
        if change.sent_last_24_hours is not None:
            with transaction(self._connection):
                mails.set_sent(self._connection, change.sent_last_24_hours, datetime.now(UTC))
        return await self.show(request)

    async def suppress(self, request: web.Request) -> web.Response:
        given = Suppressions.model_validate_json(await request.read())
        with transaction(self._connection):
            for address in given.addresses:
                account.suppress(self._connection, address, given.reason)
        return web.json_response({})

    async def begin_fault(self, request: web.Request) -> web.Response:
        fault = _FAULT.validate_json(await request.read())
        return web.json_response({"number": self._faults.begin(fault)})

    async def end_faults(self, _: web.Request) -> web.Response:
        self._faults.end_all()
        return web.json_response({})

    async def end_fault(self, request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        if not self._faults.end(number):
            return web.json_response(
                {"message": f"There is no fault {number}."}, status=HTTPStatus.NOT_FOUND
            )
        return web.json_response({})
