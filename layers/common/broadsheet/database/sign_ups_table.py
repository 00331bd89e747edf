"""Sign-ups: recognises a redelivered request, and finds what the budgets have granted.

All statements take a set of sign-ups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from psycopg.rows import args_row, scalar_row

from broadsheet.database import consents_table

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.requests import SubscribeRequest


class AppliedSignUp(NamedTuple):
    """What is stored of an applied sign-up.

    ``mail_at``: the turn of a mail that waits. ``mail_owed``: its own mail is still to be sent.
    """

    mail_granted: bool
    is_proven: bool
    mail_at: datetime | None
    mail_owed: bool


class Granted(NamedTuple):
    """When the newest mails were granted, by subscriber and by source."""

    to_subscribers: dict[UUID, list[datetime]]
    to_sources: dict[str, list[datetime]]


class NewSignUp(NamedTuple):
    """A sign-up to store. ``logs_consent``: whether the consent log has it."""

    request: SubscribeRequest
    subscriber_id: UUID
    granted: bool
    is_proven: bool
    logs_consent: bool


def find(connection: Connection, request_ids: Sequence[UUID]) -> dict[UUID, AppliedSignUp]:
    """Return those of some requests that have been applied before."""
    with connection.cursor(row_factory=args_row(_applied)) as cursor:
        return dict(
            cursor.execute(
                """
                SELECT request_id, mail_granted, is_proven, mail_at, mail_owed FROM sign_ups
                WHERE request_id = ANY (%(ids)s)
                """,
                {"ids": list(request_ids)},
            ).fetchall()
        )


def _applied(
    request_id: UUID,
    granted: bool,  # noqa: FBT001 - a row's column
    is_proven: bool,  # noqa: FBT001
    mail_at: datetime | None,
    mail_owed: bool,  # noqa: FBT001
) -> tuple[UUID, AppliedSignUp]:
    return request_id, AppliedSignUp(granted, is_proven, mail_at, mail_owed)


def use_nonces(connection: Connection, requests: Mapping[UUID, UUID]) -> set[UUID]:
    """Use the nonces of forms, by nonce the request that has it; return whose were unused."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return set(
            cursor.execute(
                """
                INSERT INTO form_nonces (nonce, request_id)
                SELECT nonce, request_id
                FROM unnest(%(nonces)s::uuid[], %(ids)s::uuid[]) AS used (nonce, request_id)
                ORDER BY nonce
                ON CONFLICT (nonce) DO NOTHING
                RETURNING request_id
                """,
                {"nonces": list(requests), "ids": list(requests.values())},
            ).fetchall()
        )


def lock_budgets(connection: Connection, names: Collection[str]) -> None:
    """Lock the budgets of sources and domains, in one order, until the transaction ends.

    Two transactions can't both spend the last mail of a budget.
    """
    connection.execute(
        """
        SELECT pg_advisory_xact_lock(key)
        FROM (
            SELECT DISTINCT hashtextextended(name, 0) AS key
            FROM unnest(%(names)s::text[]) AS name
            ORDER BY key
        ) AS ordered
        """,
        {"names": list(names)},
    )


class Window(NamedTuple):
    """What is read of a budget: the newest ``limit`` grants after ``since``."""

    since: datetime
    limit: int


def newest_granted(
    connection: Connection,
    subscribers: Collection[UUID],
    of_subscriber: Window,
    networks: Collection[str],
    of_source: Window,
) -> Granted:
    """Return when the newest mails were granted to some subscribers and sources."""
    with connection.cursor(row_factory=args_row(_grants)) as cursor:
        rows = cursor.execute(
            """
            SELECT id, NULL, ARRAY(
                SELECT received_at FROM sign_ups
                WHERE mail_granted AND subscriber_id = id AND received_at > %(day)s
                ORDER BY received_at DESC
                LIMIT %(per_subscriber)s
            )
            FROM unnest(%(subscribers)s::uuid[]) AS id
            UNION ALL
            SELECT NULL, network, ARRAY(
                SELECT received_at FROM sign_ups
                WHERE mail_granted AND source_network = network AND received_at > %(hour)s
                ORDER BY received_at DESC
                LIMIT %(per_source)s
            )
            FROM unnest(%(networks)s::text[]) AS network
            """,
            {
                "subscribers": list(subscribers),
                "day": of_subscriber.since,
                "per_subscriber": of_subscriber.limit,
                "networks": list(networks),
                "hour": of_source.since,
                "per_source": of_source.limit,
            },
        ).fetchall()
    return Granted(
        {subscriber: times for subscriber, _, times in rows if subscriber},
        {network: times for _, network, times in rows if network},
    )


def _grants(
    subscriber: UUID | None, network: str | None, times: list[datetime]
) -> tuple[UUID | None, str | None, list[datetime]]:
    return subscriber, network, times


def insert(connection: Connection, sign_ups: Sequence[NewSignUp]) -> None:
    """Insert applied sign-ups, and log the consents among them."""
    origins = [consents_table.kept_origin(each.request) for each in sign_ups]
    connection.execute(
        """
        WITH sign_up AS (
            SELECT *
            FROM unnest(
                %(ids)s::uuid[], %(subscribers)s::uuid[], %(networks)s::text[],
                %(times)s::timestamptz[], %(granted)s::boolean[], %(logged)s::boolean[],
                %(addresses)s::inet[], %(agents)s::text[], %(proven)s::boolean[]
            ) AS sign_up (
                request_id, subscriber_id, network, received_at, granted, logged, address, agent,
                proven
            )
        ), consent AS (
            INSERT INTO consents
                (request_id, subscriber_id, change, at, source_address, user_agent)
            SELECT request_id, subscriber_id, 'signed_up', received_at, address, agent
            FROM sign_up
            WHERE logged
            ON CONFLICT (request_id, change) DO NOTHING
        )
        INSERT INTO sign_ups
            (request_id, subscriber_id, source_network, received_at, mail_granted, is_proven,
             mail_owed)
        SELECT request_id, subscriber_id, network, received_at, granted, proven, granted
        FROM sign_up
        """,
        {
            "ids": [each.request.id for each in sign_ups],
            "subscribers": [each.subscriber_id for each in sign_ups],
            "networks": [each.request.origin.source_address.network for each in sign_ups],
            "times": [each.request.received_at for each in sign_ups],
            "granted": [each.granted for each in sign_ups],
            "proven": [each.is_proven for each in sign_ups],
            "logged": [each.logs_consent for each in sign_ups],
            "addresses": [each.source_address for each in origins],
            "agents": [each.user_agent for each in origins],
        },
    )


def set_turns(connection: Connection, turns: Mapping[UUID, datetime]) -> None:
    """Store when the mails that answer some requests have their turns."""
    connection.execute(
        """
        UPDATE sign_ups SET mail_at = turn.at
        FROM unnest(%(ids)s::uuid[], %(times)s::timestamptz[]) AS turn (request_id, at)
        WHERE sign_ups.request_id = turn.request_id
        """,
        {"ids": list(turns), "times": list(turns.values())},
    )


def clear_owed(connection: Connection, request_ids: Sequence[UUID]) -> None:
    """Note that the mails of some sign-ups were sent, or are needless."""
    connection.execute(
        "UPDATE sign_ups SET mail_owed = false WHERE request_id = ANY (%(ids)s)",
        {"ids": list(request_ids)},
    )
