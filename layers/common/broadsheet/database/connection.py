"""Connections to PostgreSQL: opened for one invocation and closed at its end.

A connection kept by a frozen environment would keep Aurora awake, and its locks with it.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg.errors import IdleInTransactionSessionTimeout

from broadsheet.database.destination import conninfo
from broadsheet.domain.errors import DatabaseUnavailable
from broadsheet.settings import timings

if TYPE_CHECKING:
    from collections.abc import Generator

type Connection = psycopg.Connection[tuple[object, ...]]

# Connection exceptions, shutdowns, too many connections; rollbacks by deadlock, lock timeouts; a
# session that was ended while its process was frozen.
_PASSING = ("08", "57P0", "53300", "40", "55P03", "25P03")
_SECONDS_BETWEEN_TRIES = 0.5
_SHORTEST_CONNECT_TIMEOUT = 2  # seconds; libpq takes one for two


class Session:
    """One invocation's connection, opened when first needed, and again after it was lost."""

    def __init__(self) -> None:
        self._connection: Connection | None = None

    @contextmanager
    def connected(self, connect_timeout: float) -> Generator[Connection]:
        """Yield the connection, in autocommit mode.

        ``connect_timeout``: seconds to wait for a database that is waking up or failing over.
        Raises ``DatabaseUnavailable`` after that, and when the connection is lost on the way.
        """
        if self._connection is None or self._connection.closed:
            self._connection = connect(connect_timeout)
        try:
            yield self._connection
        except (psycopg.OperationalError, IdleInTransactionSessionTimeout) as error:
            if not _passes(error):
                raise
            self.close()
            raise DatabaseUnavailable("the database was lost, or is busy") from error

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def session() -> Generator[Session]:
    """Yield a session, and close it at the end."""
    invocation = Session()
    try:
        yield invocation
    finally:
        invocation.close()


@contextmanager
def connected(connect_timeout: float) -> Generator[Connection]:
    """Open a connection for one invocation; otherwise as ``Session.connected``."""
    with session() as invocation, invocation.connected(connect_timeout) as connection:
        yield connection


@contextmanager
def snapshot(connection: Connection) -> Generator[None]:
    """Begin a read-only transaction in which every statement sees the database at one moment."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _passes(error: psycopg.Error) -> bool:
    """Return whether an error may pass by itself; a wrong statement stays wrong."""
    return error.sqlstate is None or error.sqlstate.startswith(_PASSING)


def connect(connect_timeout: float, secret_arn: str | None = None) -> Connection:
    """Connect, and keep trying while the database wakes or fails over.

    A pooler may stand in front, and each transaction may get another session. So there are no
    startup options and no prepared statements. The timeouts are the role's, see
    ``application_role``.
    """
    give_up_at = time.monotonic() + connect_timeout
    while True:
        left = give_up_at - time.monotonic()
        attempt = min(timings().database_connect_timeout, left)
        try:
            return psycopg.connect(
                conninfo(secret_arn),
                autocommit=True,
                connect_timeout=max(_SHORTEST_CONNECT_TIMEOUT, int(attempt)),
                prepare_threshold=None,
            )
        except psycopg.OperationalError as error:
            if time.monotonic() + _SECONDS_BETWEEN_TRIES > give_up_at:
                raise DatabaseUnavailable(
                    "the database is not there just now: please try again in a minute"
                ) from error
            time.sleep(_SECONDS_BETWEEN_TRIES)
