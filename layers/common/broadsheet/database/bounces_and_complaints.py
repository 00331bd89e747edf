"""Bounces and complaints, merged into the subscribers: columns of the table ``subscribers``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import args_row

from broadsheet.domain.subscribers import SubscriberStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.ses_events import BounceOrComplaint


def merge(
    connection: Connection, reports: Sequence[BounceOrComplaint]
) -> dict[SubscriberStatus, int]:
    """Merge bounces and complaints; return how many subscribers have which new status.

    Every change of status goes to the consent log. Rows are locked in one order.
    """
    if not reports:
        return {}
    ordered = sorted(reports, key=lambda report: report.subscriber_id.root)
    with connection.cursor(row_factory=args_row(_changed)) as cursor:
        changed = cursor.execute(
            """
            WITH reported AS (
                SELECT coalesce(merged.subscriber_id, report.subscriber_id) AS subscriber_id,
                       bounced_at, complained_at, message_id, report.issue_id
                FROM unnest(
                    %(subscriber_ids)s::uuid[], %(bounced)s::timestamptz[],
                    %(complained)s::timestamptz[], %(message_ids)s::text[], %(issue_ids)s::uuid[]
                ) AS report (subscriber_id, bounced_at, complained_at, message_id, issue_id)
                LEFT JOIN merged_subscribers AS merged ON merged.id = report.subscriber_id
            ), before AS (
                SELECT id, status, coalesce(forgiven_at, '-infinity') AS forgiven_at
                FROM subscribers
                WHERE id IN (SELECT subscriber_id FROM reported)
                ORDER BY id
                FOR UPDATE
            ), report AS (
                -- What was forgiven stays so, however late it is reported.
                SELECT subscriber_id,
                       max(bounced_at) FILTER (WHERE bounced_at > forgiven_at) AS bounced_at,
                       max(complained_at) FILTER (WHERE complained_at > forgiven_at)
                           AS complained_at,
                       min(message_id) AS message_id, min(issue_id::text)::uuid AS issue_id
                FROM reported JOIN before ON before.id = reported.subscriber_id
                GROUP BY subscriber_id
            ), after AS (
                UPDATE subscribers AS subscriber
                SET bounced_at = greatest(subscriber.bounced_at, report.bounced_at),
                    complained_at = greatest(subscriber.complained_at, report.complained_at)
                FROM report, before
                WHERE subscriber.id = report.subscriber_id AND before.id = subscriber.id
                RETURNING subscriber.id, subscriber.status, report.issue_id, report.message_id
            ), logged AS (
                INSERT INTO consents (request_id, subscriber_id, change, at, issue_id)
                SELECT md5(after.message_id || after.status)::uuid, after.id,
                       after.status::text::consent_change, now(), after.issue_id
                FROM after JOIN before ON before.id = after.id
                WHERE after.status <> before.status
                  AND after.status IN ('bounced', 'complained')
                ON CONFLICT DO NOTHING
            )
            SELECT after.status, count(*) AS number
            FROM after JOIN before ON before.id = after.id
            WHERE after.status <> before.status
            GROUP BY after.status
            """,
            {
                "subscriber_ids": [report.subscriber_id.root for report in ordered],
                "bounced": [report.bounced_at for report in ordered],
                "complained": [report.complained_at for report in ordered],
                "message_ids": [report.message_id for report in ordered],
                "issue_ids": [
                    report.issue_id.root if report.issue_id else None for report in ordered
                ],
            },
        ).fetchall()
    return dict(changed)


def _changed(status: str, number: int) -> tuple[SubscriberStatus, int]:
    return SubscriberStatus(status), number
