"""The server's process: the SES API and the inbox on one port, and how tests start it."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web

from local.iam.gate import Gate
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
)
from ses_server.account import Account
from ses_server.control import Control
from ses_server.events import Event, Plan
from ses_server.fates import EventType, Fates, Outcome
from ses_server.faults import Faults
from ses_server.limits import Limits
from ses_server.mails import Mail
from ses_server.publishing import Publisher
from ses_server.record import Taking
from ses_server.sending import Caller

HOST = "127.0.0.1"  # the mails are nobody else's business
MAX_REQUEST_BYTES = 56 * 1024 * 1024  # SES's 40 MB message in base64
SHUTDOWN_SECONDS = 2.0  # for answers under way
START_SECONDS = 10.0
REPUBLISHED_HOURS = 6.0  # what is published again at a start: a working day's sending


async def serve(  # noqa: PLR0913 — what the command line gives, and its two signals
    directory: Path,
    account_played: Account,
    *,
    port: int,
    verified: Iterable[str],
    republished_hours: float,
    gate: Gate | None = None,
    started: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    """Serve until ``stop`` is set; ``started`` is told the URL. Raises ``OSError``: port taken.

    The events that were published in the last ``republished_hours`` are published again: the
    queue they went to may be gone.
    """
    with closing(database.connect(directory)) as connection:
        for identity in verified:
            account.verify_identity(connection, identity)
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        events.make_due_again(connection, datetime.now(UTC) - timedelta(hours=republished_hours))
        publisher = Publisher(directory)
        caller = Caller(
            connection,
            region="",
            limits=Limits(account_played, connection),
            faults=Faults(),
            fates=Fates(),
            plan=Plan(),
            publish=publisher.wake,
        )
        app.add_routes(api.routes(lambda region: replace(caller, region=region), gate))
        app.add_routes(control_api.routes(caller, publisher, directory))
        app.add_routes(inbox.routes(connection))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, port).start()
            publisher.start()
            started(f"http://{HOST}:{runner.addresses[0][1]}")
            await stop.wait()
        finally:
            caller.faults.close()
            await runner.cleanup()
            await asyncio.to_thread(publisher.stop)


@dataclass(frozen=True)
class Server:
    """A running server: what ``AWS_ENDPOINT_URL_SESV2`` is set to, and what it received."""

    url: str
    directory: Path

    @property
    def control(self) -> Control:
        """Change what the server does while it runs."""
        return Control(self.url)

    def mails(self, to: str | None = None) -> list[Mail]:
        """Return the mails that were delivered, to one mailbox or to all, oldest first."""
        return self._mails(to, [Outcome.DELIVERED])

    def undelivered(self, to: str | None = None) -> list[Mail]:
        """Return what was accepted and not delivered, with its ``outcome`` and ``reason``."""
        return self._mails(to, [one for one in Outcome if one is not Outcome.DELIVERED])

    def events(self, to: str | None = None, types: Iterable[EventType] = EventType) -> list[Event]:
        """Return the events of the mails to one mailbox or to all, in the order of planning."""
        with closing(database.connect(self.directory)) as connection:
            key = None if to is None else addresses.mailbox_key(to)
            return list(events.find(connection, to=key, types=types))

    def counts_by_recipient(self, issue: str | None = None, at_least: int = 1) -> dict[Taking, int]:
        """Return how often a mail was taken, by issue, subscriber, round and recipient.

        Counts each that SES has taken, whatever it answered and whatever became of the mail.
        """
        with closing(database.connect(self.directory)) as connection:
            return record.counts_by_recipient(connection, issue=issue, at_least=at_least)

    def _mails(self, to: str | None, outcomes: list[Outcome]) -> list[Mail]:
        with closing(database.connect(self.directory)) as connection:
            return list(mails.oldest_first(connection, to=to, outcomes=outcomes))


@contextmanager
def running(  # noqa: PLR0913 — as ``serve``
    directory: Path,
    *,
    port: int = 0,
    account: Account = Account(enforces_rate=False),  # noqa: B008 — frozen
    verified: Iterable[str] = (),
    republished_hours: float = REPUBLISHED_HOURS,
    gate: Gate | None = None,
) -> Iterator[Server]:
    """Run the server in a thread of this process, its mails kept in ``directory``.

    ``gate`` refuses what its callers' policies don't allow.
    ``port`` 0 takes a free one. ``verified`` are identities that may send from the start. A test
    that is about the sending rate says so by its ``account``.
    """
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    url: Future[str] = Future()

    def run() -> None:
        try:
            loop.run_until_complete(
                serve(
                    directory,
                    account,
                    port=port,
                    verified=verified,
                    republished_hours=republished_hours,
                    gate=gate,
                    started=url.set_result,
                    stop=stop,
                )
            )
        except Exception as error:
            if url.done():
                raise
            url.set_exception(error)
        finally:
            loop.close()

    thread = threading.Thread(target=run, name="ses-server", daemon=True)
    thread.start()
    try:
        yield Server(url=url.result(START_SECONDS), directory=directory)
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join()
