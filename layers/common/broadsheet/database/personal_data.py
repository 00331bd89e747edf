"""All that is stored about one subscriber: read to be exported, and deleted to be erased.

A table or column that is new has to be decided on here: docs/readers.md lists all of them, and
tests/functions/test_personal_data.py compares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString

from psycopg.rows import dict_row

if TYPE_CHECKING:
    from datetime import datetime

    from broadsheet.database.connection import Connection
    from broadsheet.domain.subscribers import SubscriberId
    from broadsheet.domain.tags import OfferedTags

type Record = dict[str, Any]

_PROFILE = """
    SELECT id, email, name, language, status::text, signed_up_at, confirmation_issued_at,
           confirmed_at, unsubscribed_at, bounced_at, complained_at, forgiven_at,
           address_issued_at, moved_at, name_changed_at, language_changed_at, tags,
           tags_changed_at, due_mail::text, due_mail_since, due_welcome
    FROM subscribers
    WHERE id = %(id)s
"""
# The ledger has no index by subscriber: each issue is looked up, by the beginning of its key.
# OFFSET 0 keeps PostgreSQL from reading the whole ledger instead.
_LISTS: dict[str, LiteralString] = {
    "consents": """
        SELECT consents.request_id, consents.change::text, consents.at, consents.way,
               host(consents.source_address) AS source_address, consents.user_agent,
               consents.recorded_by, consents.recorded_at, consents.evidence,
               consents.import_id,
               consents.issue_id, issues.title AS issue_title
        FROM consents LEFT JOIN issues ON issues.id = consents.issue_id
        WHERE consents.subscriber_id = %(id)s
        ORDER BY consents.at, consents.id
    """,
    "welcomes": """
        SELECT sent.mail, sent.at, sent.issue_id, issues.title AS issue_title, sent.version,
               sent.message_id, sent.refused
        FROM subscribers
        CROSS JOIN jsonb_to_recordset(subscribers.welcomes) AS sent (
            mail text, at timestamptz, issue_id uuid, version integer, message_id text, refused text
        )
        LEFT JOIN issues ON issues.id = sent.issue_id
        WHERE subscribers.id = %(id)s
        ORDER BY sent.at
    """,
    "requests": """
        SELECT request_id, kind, received_at, source_network, mail_granted, is_proven, mail_at,
               mail_owed, mail_failing_since
        FROM sign_ups
        WHERE subscriber_id = %(id)s
        ORDER BY received_at, request_id
    """,
    "suspicious_sign_ups": """
        SELECT request_id, reason, received_at, release_id
        FROM suspicious_sign_ups
        WHERE subscriber_id = %(id)s
        ORDER BY received_at, request_id
    """,
    "wrong_codes": """
        SELECT wrong_codes.request_id, wrong_codes.sign_up_id, wrong_codes.received_at
        FROM wrong_codes JOIN sign_ups ON sign_ups.request_id = wrong_codes.sign_up_id
        WHERE sign_ups.subscriber_id = %(id)s
        ORDER BY wrong_codes.received_at, wrong_codes.request_id
    """,
    "webhook_messages": """
        SELECT id, type, occurred_at, status, attempts, next_at
        FROM webhook_messages
        WHERE subscriber_id = %(id)s
        ORDER BY occurred_at, id
    """,
    "new_address_mails": """
        SELECT request_id, received_at
        FROM new_address_mails
        WHERE subscriber_id = %(id)s
        ORDER BY received_at, request_id
    """,
    "merged": """
        SELECT id, merged_at
        FROM merged_subscribers
        WHERE subscriber_id = %(id)s
        ORDER BY merged_at, id
    """,
    "imports": """
        SELECT import_rows.import_id, line, import_rows.email, import_rows.name, standing,
               consented_at, import_rows.signed_up_at, left_at, import_rows.tags,
               import_rows.language, source, verdict, reason, before, is_asked
        FROM import_rows
        JOIN imports ON imports.id = import_rows.import_id
        WHERE import_rows.subscriber_id = %(id)s
           OR import_rows.email = (SELECT email FROM subscribers WHERE id = %(id)s)
        ORDER BY imports.created_at, import_rows.import_id, number
    """,
    "issues": """
        SELECT issues.id AS issue_id, issues.title AS issue_title, ledger.*
        FROM issues
        CROSS JOIN LATERAL (
            SELECT round, version, outcome::text, reason, message_id, recorded_at, delivered_at,
                   bounced_at, complained_at, suppressed_as
            FROM deliveries
            WHERE deliveries.issue_id = issues.id AND deliveries.subscriber_id = %(id)s
            OFFSET 0
        ) AS ledger
        ORDER BY ledger.recorded_at, issues.id, ledger.round
    """,
    "duplicates": """
        SELECT issues.id AS issue_id, twice.*
        FROM issues
        CROSS JOIN LATERAL (
            SELECT round, version, message_id, seen_at
            FROM duplicate_mails
            WHERE duplicate_mails.issue_id = issues.id
              AND duplicate_mails.subscriber_id = %(id)s
            OFFSET 0
        ) AS twice
        ORDER BY twice.seen_at, issues.id
    """,
    "resends": """
        SELECT issues.id AS issue_id, again.*
        FROM issues
        CROSS JOIN LATERAL (
            SELECT round, at
            FROM resends
            WHERE resends.issue_id = issues.id AND resends.subscriber_id = %(id)s
            OFFSET 0
        ) AS again
        ORDER BY again.at, issues.id
    """,
}


def read(connection: Connection, subscriber_id: SubscriberId) -> Record | None:
    """Return all that is stored about a subscriber, as docs/readers.md describes it."""
    parameters = {"id": subscriber_id.root}
    with connection.cursor(row_factory=dict_row) as cursor:
        profile = cursor.execute(_PROFILE, parameters).fetchone()
        if profile is None:
            return None
        lists = {
            name: cursor.execute(query, parameters).fetchall() for name, query in _LISTS.items()
        }
    return {"profile": profile, **lists}


def delete(connection: Connection, *subscriber_ids: SubscriberId) -> None:
    """Delete subscribers; the ledger keeps its rows, with ids that name nobody any more."""
    for statement in _DELETIONS:
        connection.execute(statement, {"ids": [each.root for each in subscriber_ids]})


_DELETIONS: tuple[LiteralString, ...] = (
    "DELETE FROM suspicious_sign_ups WHERE subscriber_id = ANY (%(ids)s)",
    "DELETE FROM new_address_mails WHERE subscriber_id = ANY (%(ids)s)",
    """
    DELETE FROM wrong_codes
    WHERE sign_up_id IN (SELECT request_id FROM sign_ups WHERE subscriber_id = ANY (%(ids)s))
    """,
    "DELETE FROM sign_ups WHERE subscriber_id = ANY (%(ids)s)",
    "DELETE FROM merged_subscribers WHERE subscriber_id = ANY (%(ids)s)",
    "DELETE FROM consents WHERE subscriber_id = ANY (%(ids)s)",
    """
    DELETE FROM import_rows
    WHERE subscriber_id = ANY (%(ids)s)
       OR email IN (SELECT email FROM subscribers WHERE id = ANY (%(ids)s))
    """,
    "DELETE FROM subscribers WHERE id = ANY (%(ids)s)",
)


def delete_before(
    connection: Connection, subscriber_id: SubscriberId, before: datetime, offered: OfferedTags
) -> None:
    """Delete what is older than a time about somebody who has come back since.

    ``offered``: the tags that they may have chosen since; the others were given to them before.
    """
    connection.execute(
        """
        UPDATE subscribers
        SET tags = ARRAY(
                SELECT tag FROM unnest(tags) AS tag
                WHERE tag = ANY (%(offered)s) AND tags_changed_at > %(before)s
            ),
            welcomes = (
                SELECT jsonb_agg(sent) FROM jsonb_array_elements(welcomes) AS sent
                WHERE (sent ->> 'at')::timestamptz > %(before)s
            )
        WHERE id = %(id)s
        """,
        {"id": subscriber_id.root, "before": before, "offered": offered.names},
    )
    for statement in (
        """
        DELETE FROM suspicious_sign_ups
        WHERE subscriber_id = %(id)s AND received_at <= %(before)s
        """,
        "DELETE FROM new_address_mails WHERE subscriber_id = %(id)s AND received_at <= %(before)s",
        """
        DELETE FROM wrong_codes
        WHERE sign_up_id IN (
            SELECT request_id FROM sign_ups
            WHERE subscriber_id = %(id)s AND received_at <= %(before)s
        )
        """,
        "DELETE FROM sign_ups WHERE subscriber_id = %(id)s AND received_at <= %(before)s",
        "DELETE FROM merged_subscribers WHERE subscriber_id = %(id)s AND merged_at <= %(before)s",
        "DELETE FROM consents WHERE subscriber_id = %(id)s AND at <= %(before)s",
        """
        DELETE FROM import_rows
        USING imports, subscribers
        WHERE imports.id = import_rows.import_id AND imports.created_at <= %(before)s
          AND subscribers.id = %(id)s
          AND (import_rows.subscriber_id = %(id)s OR import_rows.email = subscribers.email)
        """,
    ):
        connection.execute(statement, {"id": subscriber_id.root, "before": before})
