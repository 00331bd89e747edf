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

    ``mail_at``: the turn of a mail that waits, or until when an invocation sends it.
    ``mail_owed``: its own mail is still to be sent.
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
    """A sign-up to store.

    ``source``: a digest of where it came from, or nothing. ``logs_consent``: whether the consent
    log has it.
    """

    request: SubscribeRequest
    subscriber_id: UUID
    source: str
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
    sources: Collection[str],
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
                "networks": list(sources),
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
                %(addresses)s::inet[], %(agents)s::text[], %(proven)s::boolean[],
                %(authors)s::text[]
            ) AS sign_up (
                request_id, subscriber_id, network, received_at, granted, logged, address, agent,
                proven, author
            )
        ), consent AS (
            INSERT INTO consents
                (request_id, subscriber_id, change, at, source_address, user_agent, recorded_by,
                 recorded_at)
            SELECT request_id, subscriber_id, 'signed_up', received_at, address, agent, author,
                   CASE WHEN author IS NOT NULL THEN received_at END
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
            "networks": [each.source for each in sign_ups],
            "times": [each.request.received_at for each in sign_ups],
            "granted": [each.granted for each in sign_ups],
            "proven": [each.is_proven for each in sign_ups],
            "logged": [each.logs_consent for each in sign_ups],
            "addresses": [each.source_address for each in origins],
            "agents": [each.user_agent for each in origins],
            "authors": [
                None if each.request.author is None else str(each.request.author)
                for each in sign_ups
            ],
        },
    )


def set_turns(
    connection: Connection, turns: Mapping[UUID, tuple[datetime | None, datetime]]
) -> None:
    """Store when the mails that answer some requests have their turns, which were others before.

    A mail that has another by now was claimed, or sent, and keeps it.
    """
    connection.execute(
        """
        UPDATE sign_ups SET mail_at = turn.at
        FROM unnest(%(ids)s::uuid[], %(seen)s::timestamptz[], %(times)s::timestamptz[])
            AS turn (request_id, seen, at)
        WHERE sign_ups.request_id = turn.request_id
          AND sign_ups.mail_owed AND sign_ups.mail_at IS NOT DISTINCT FROM turn.seen
        """,
        {
            "ids": list(turns),
            "seen": [seen for seen, _ in turns.values()],
            "times": [at for _, at in turns.values()],
        },
    )


def claim(connection: Connection, until: Mapping[UUID, datetime], due: datetime) -> set[UUID]:
    """Claim the mails of some sign-ups, each until a time; return whose claims were free.

    A claim is a turn in the future: whoever finds it waits for it, and sends if the claimer died.
    Mails with turns after ``due`` are not claimed, nor are those that were sent meanwhile.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        return set(
            cursor.execute(
                """
                WITH free AS (
                    SELECT request_id, claim.until
                    FROM sign_ups
                    JOIN unnest(%(ids)s::uuid[], %(times)s::timestamptz[])
                        AS claim (request_id, until) USING (request_id)
                    WHERE (mail_at IS NULL OR mail_at <= %(due)s)
                      AND (
                          mail_owed
                          OR EXISTS ( -- of an older release, which marks the subscriber alone
                              SELECT FROM subscribers
                              WHERE id = subscriber_id AND due_mail_since = received_at
                          )
                      )
                    FOR UPDATE OF sign_ups SKIP LOCKED
                )
                UPDATE sign_ups SET mail_at = free.until
                FROM free
                WHERE sign_ups.request_id = free.request_id
                RETURNING sign_ups.request_id
                """,
                {"ids": list(until), "times": list(until.values()), "due": due},
            ).fetchall()
        )


def release(
    connection: Connection, turns: Mapping[UUID, datetime | None], failed: Collection[UUID]
) -> datetime | None:
    """Give claimed mails that were not sent their turns back.

    Returns since when the one of the ``failed`` fails that began first; None without any.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        return min(
            filter(
                None,
                cursor.execute(
                    """
                    UPDATE sign_ups
                    SET mail_at = turn.at,
                        mail_failing_since = CASE
                            WHEN turn.has_failed THEN coalesce(mail_failing_since, now())
                            ELSE mail_failing_since
                        END
                    FROM unnest(%(ids)s::uuid[], %(times)s::timestamptz[], %(failed)s::boolean[])
                        AS turn (request_id, at, has_failed)
                    WHERE sign_ups.request_id = turn.request_id
                    RETURNING CASE WHEN turn.has_failed THEN mail_failing_since END
                    """,
                    {
                        "ids": list(turns),
                        "times": list(turns.values()),
                        "failed": [request_id in failed for request_id in turns],
                    },
                ).fetchall(),
            ),
            default=None,
        )


def record_sent(connection: Connection, request_ids: Sequence[UUID]) -> None:
    """Note that the mails of some sign-ups were sent now."""
    connection.execute(
        """
        UPDATE sign_ups SET mail_owed = false, mail_at = now()
        WHERE request_id = ANY (%(ids)s)
        """,
        {"ids": list(request_ids)},
    )


def clear_owed(connection: Connection, request_ids: Sequence[UUID]) -> None:
    """Note that the mails of some sign-ups are needless."""
    connection.execute(
        "UPDATE sign_ups SET mail_owed = false WHERE request_id = ANY (%(ids)s)",
        {"ids": list(request_ids)},
    )
