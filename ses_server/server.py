"""The server: the SES API, the control API and the inbox on one port; tests start it here."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from aiohttp import web

from ses_server import (
    account,
    addresses,
    api,
    control_api,
    database,
    events,
    inbox,
    mails,
    record,
    threads,
)
from ses_server.account import Account
from ses_server.api import Guard
from ses_server.caller import Caller
from ses_server.control import Control
from ses_server.events import Event, Plan
from ses_server.fates import EventType, Fates, Outcome
from ses_server.faults import Faults
from ses_server.limits import Limits
from ses_server.mails import Mail
from ses_server.publishing import Publisher
from ses_server.record import Taking

HOST = "127.0.0.1"  # nobody on the network may read the mails
MAX_REQUEST_BYTES = 56 * 1024 * 1024  # SES's 40 MB message in base64
SHUTDOWN_SECONDS = 2.0  # for calls in progress
REPUBLISHED_HOURS = 6.0  # enough for the sending of a working day


@dataclass(frozen=True)
class Options:
    """How to start a server.

    ``port`` 0 takes a free one. ``verified`` identities may send from the start. Events published
    in the last ``republished_hours`` are published again, because the queue they went to may be
    gone, unless the control API says that they were taken in. ``guard`` may refuse a call before it
    is answered.
    """

    directory: Path
    account: Account
    port: int = 0
    verified: Iterable[str] = ()
    republished_hours: float = REPUBLISHED_HOURS
    guard: Guard | None = None


async def serve(options: Options, started: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set, after calling ``started`` with the URL.

    Raises ``OSError`` when the port is taken.
    """
    with closing(database.connect(options.directory)) as connection:
        for identity in options.verified:
            account.verify_identity(connection, identity)
        since = datetime.now(UTC) - timedelta(hours=options.republished_hours)
        events.make_due_again(connection, since)
        publisher = Publisher(options.directory)
        limited_by = account.with_changes(connection, options.account)
        caller = _caller(limited_by, connection, publisher)
        app = _application(options, caller, publisher)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, options.port).start()
            publisher.start()
            started(f"http://{HOST}:{runner.addresses[0][1]}")
            await stop.wait()
        finally:
            caller.faults.close()
            await runner.cleanup()
            await asyncio.to_thread(publisher.stop)


def _caller(limited_by: Account, connection: sqlite3.Connection, publisher: Publisher) -> Caller:
    return Caller(
        connection,
        region="",
        limits=Limits(limited_by, connection),
        faults=Faults(),
        fates=Fates(),
        plan=Plan(),
        publish=publisher.wake,
    )


def _application(options: Options, caller: Caller, publisher: Publisher) -> web.Application:
    app = web.Application(client_max_size=MAX_REQUEST_BYTES)
    app.add_routes(api.routes(lambda region: replace(caller, region=region), options.guard))
    app.add_routes(control_api.routes(caller, publisher, options.directory))
    app.add_routes(inbox.routes(caller.connection))
    return app


@dataclass(frozen=True)
class Server:
    """A running server: ``url`` for ``AWS_ENDPOINT_URL_SESV2``, and what it received."""

    url: str
    directory: Path

    @property
    def control(self) -> Control:
        """The control API: change what the server does while it runs."""
        return Control(self.url)

    def mails(self, to: str | None = None) -> list[Mail]:
        """Return the delivered mails, to one recipient or to all, oldest first."""
        return self._mails(to, [Outcome.DELIVERED])

    def undelivered(self, to: str | None = None) -> list[Mail]:
        """Return the mails that were accepted but not delivered; see ``outcome`` and ``reason``."""
        return self._mails(to, [one for one in Outcome if one is not Outcome.DELIVERED])

    def events(self, to: str | None = None, types: Iterable[EventType] = EventType) -> list[Event]:
        """Return the events of the mails to one recipient or to all, in the order of planning."""
        with closing(database.connect(self.directory)) as connection:
            key = None if to is None else addresses.mailbox_key(to)
            return list(events.find(connection, to=key, types=types))

    def counts_by_recipient(self, issue: str | None = None, at_least: int = 1) -> dict[Taking, int]:
        """Return how often each mail was accepted, by issue, subscriber, round and recipient.

        It counts each accepted mail, whatever the answer was and whatever became of it.
        """
        with closing(database.connect(self.directory)) as connection:
            return record.counts_by_recipient(connection, issue=issue, at_least=at_least)

    def _mails(self, to: str | None, outcomes: list[Outcome]) -> list[Mail]:
        with closing(database.connect(self.directory)) as connection:
            return list(mails.oldest_first(connection, to=to, outcomes=outcomes))


@contextmanager
def running(  # noqa: PLR0913 — as ``Options``
    directory: Path,
    *,
    port: int = 0,
    account: Account = Account(enforces_rate=False),  # noqa: B008 — frozen
    verified: Iterable[str] = (),
    republished_hours: float = REPUBLISHED_HOURS,
    guard: Guard | None = None,
) -> Iterator[Server]:
    """Run the server in a thread of this process; see ``Options``.

    By default it enforces no sending rate: a test about the rate passes its own ``account``.
    """
    options = Options(directory, account, port, verified, republished_hours, guard)
    with threads.serving(partial(serve, options)) as url:
        yield Server(url=url, directory=directory)
