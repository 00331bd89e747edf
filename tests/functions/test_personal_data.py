"""Every column that says something of a subscriber is exported, or is listed with its reason."""

import re
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from broadsheet.database import personal_data
from broadsheet.domain.subscribers import SubscriberId
from tests.cloud import Cloud
from tests.template.transformation import ROOT, transformed

# Where the export has each table that says something of a subscriber.
PLACES = {
    "subscribers": "profile",
    "consents": "consents",
    "sign_ups": "requests",
    "suspicious_sign_ups": "suspicious_sign_ups",
    "wrong_codes": "wrong_codes",
    "new_address_mails": "new_address_mails",
    "merged_subscribers": "merged",
    "deliveries": "issues",
    "duplicate_mails": "duplicates",
    "resends": "resends",
    "webhook_messages": "webhook_messages",
    "import_rows": "imports",
}
NOT_EXPORTED = {
    **{
        (table, "subscriber_id"): "it is the profile's id"
        for table in PLACES
        if table not in {"subscribers", "wrong_codes"}
    },
    ("subscribers", "welcomes"): "they are the export's `welcomes`",
    ("consents", "id"): "it numbers the lines of all subscribers, and says nothing of one",
    ("deliveries", "claim_id"): "it names a run of deliver, in which many were mailed",
    ("deliveries", "claim_deadline"): "the same",
    ("resends", "claim_id"): "the same",
    ("import_rows", "number"): "it numbers the rows of a file",
    ("import_rows", "after"): "it is a digest of what the profile has",
    ("webhook_messages", "webhook_id"): "it names a program of the authors'",
    ("webhook_messages", "issue"): "it is of messages about issues, which are about nobody",
    ("new_address_mails", "address_digest"): "it names an address that may be somebody else's",
}
ABOUT_NOBODY = {
    "approval_requests": "of authors",
    "confirmation_minutes": "counts of all readers",
    "daily_budgets": "of authors",
    "authors_voice": "of authors: what they say in public",
    "chosen_theme": "of authors",
    "delivery_batches": "of issues; whoever is in a batch gets a row of the ledger, once sent",
    "domain_hours": "counts of all readers",
    "earlier_slugs": "of issues",
    "feedback_progress": "of the stack",
    "form_nonces": "of forms; a request's id leads nowhere once the request is deleted",
    "imports": "of authors",
    "exports": "of authors",
    "imported_posts": "of a newsletter's past",
    "issue_counts": "of issues",
    "day_counts": "numbers of days",
    "counted_days": "how far the days are counted",
    "issue_links": "of issues: addresses on the web, and counts",
    "issue_versions": "of issues",
    "issues": "of issues",
    "schema_migrations": "of the schema",
    "segments": "of authors: filters, which name nobody",
    "spent_links": "of authors",
    "statement_keys": "of the newsletter: public keys",
    "statements": "of issues: numbers",
    "send_governor": "of the stack",
    "strict_mode": "of the stack",
    "tombstones": "keyed digests, which name nobody: no row leads to one, nor one to a row",
    "welcome_mail": "of authors",
    "webhook_tries": "of messages; a message's id leads to its row, and says nothing of anybody",
    "webhooks": "of authors",
}


def columns(cloud: Cloud) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for each in cloud.rows(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public'"
    ):
        found.setdefault(each["table_name"], set()).add(each["column_name"])
    return found


@pytest.fixture
def ursula(cloud: Cloud) -> UUID:
    """A subscriber of whom there is something in every table."""
    (subscriber,) = cloud.add_confirmed("ursula@example.com")
    cloud.rows('UPDATE subscribers SET welcomes = \'[{"mail": "welcome"}]\'')
    issue, request = uuid4(), uuid4()
    for statement in (
        """
        INSERT INTO issues (id, author, idempotency_key, request_digest, title, content, subject,
                            html, text, publish_at)
        VALUES (%(issue)s, 'ada', 'k', '', 'One', '{}', 'One', '<p>', 'x', now())
        """,
        """
        INSERT INTO consents (request_id, subscriber_id, change, at)
        VALUES (%(request)s, %(id)s, 'signed_up', now())
        """,
        """
        INSERT INTO sign_ups (request_id, subscriber_id, source_network, received_at, mail_granted)
        VALUES (%(request)s, %(id)s, '192.0.2.7', now(), true)
        """,
        """
        INSERT INTO suspicious_sign_ups (request_id, subscriber_id, reason, received_at)
        VALUES (%(request)s, %(id)s, 'source', now())
        """,
        "INSERT INTO wrong_codes VALUES (%(id)s, %(request)s, now())",
        "INSERT INTO new_address_mails VALUES (%(request)s, %(id)s, 'x', now())",
        """
        INSERT INTO imports (id, author, file_name) VALUES (%(request)s, 'ada', 'people.csv')
        """,
        """
        INSERT INTO import_rows (import_id, number, line, email, standing, subscriber_id)
        VALUES (%(request)s, 1, 2, 'ursula@example.com', 'subscribed', %(id)s)
        """,
        "INSERT INTO merged_subscribers VALUES (%(request)s, %(id)s, now())",
        """
        INSERT INTO deliveries (issue_id, subscriber_id, round, outcome)
        VALUES (%(issue)s, %(id)s, 1, 'accepted')
        """,
        """
        INSERT INTO duplicate_mails (issue_id, subscriber_id, round, message_id)
        VALUES (%(issue)s, %(id)s, 1, 'm')
        """,
        """
        INSERT INTO resends (issue_id, subscriber_id, round, claim_id)
        VALUES (%(issue)s, %(id)s, 1, %(request)s)
        """,
        """
        INSERT INTO webhooks (id, url, events, created_by, key_id)
        VALUES (%(request)s, 'https://crm.example/', '{issue.paused}', 'ada', '1')
        """,
        """
        INSERT INTO webhook_messages (webhook_id, id, type, subscriber_id)
        VALUES (%(request)s, %(request)s, 'subscriber.confirmed', %(id)s)
        """,
    ):
        cloud.rows(statement, id=subscriber, issue=issue, request=request)
    return subscriber


def exported(cloud: Cloud, subscriber: UUID) -> dict[str, Any]:
    with psycopg.connect(cloud.database_url) as connection:
        document = personal_data.read(connection, SubscriberId(subscriber))
    assert document is not None
    return document


def test_every_column_about_a_subscriber_is_exported_or_has_its_reason(
    cloud: Cloud, ursula: UUID
) -> None:
    document = exported(cloud, ursula)
    there = columns(cloud)

    assert set(there) == {*PLACES, *ABOUT_NOBODY}
    for table, place in PLACES.items():
        (row,) = [document[place]] if place == "profile" else document[place]
        left_out = {column for of, column in NOT_EXPORTED if of == table}
        own = {name for name in row if name != "issue_title"}
        assert own | left_out == there[table], table
        assert not own & left_out, table


def test_every_field_of_the_export_is_described(cloud: Cloud, ursula: UUID) -> None:
    guide = (ROOT / "docs" / "readers.md").read_text(encoding="utf-8")
    section = guide.partition("\n## What the export holds\n")[2].partition("\n## ")[0]

    for place, rows in exported(cloud, ursula).items():
        assert f"`{place}`" in section
        for name in rows if place == "profile" else rows[0]:
            assert f"`{name}`" in section, (place, name)


def test_the_guide_to_privacy_names_each_table_in_its_place(cloud: Cloud) -> None:
    guide = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
    section = guide.partition("\n## In the database\n")[2].partition("\n## ")[0]
    named = [
        set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.+?) \|", part, re.MULTILINE))))
        for part in section.split("\nThese have nothing of a reader:\n")
    ]

    assert named[0] | named[1] == set(columns(cloud))
    assert named[0] == {*PLACES, "delivery_batches", "imports", "tombstones"}


def test_the_guide_to_privacy_names_the_parameters_with_their_defaults() -> None:
    guide = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| `?(\w+)`?[:| ]", guide, re.MULTILINE))
    parameters = transformed()["Parameters"]
    keep = {name for name in parameters if name.startswith("Keep") and name != "KeepLineBreaks"}

    assert keep == {name for name in rows if name.startswith("Keep")}
    assert {name: str(parameters[name]["Default"]) for name in rows if name in parameters} == {
        name: value for name, value in rows.items() if name in parameters
    }


def test_deleting_leaves_a_subscribers_id_in_the_ledger_and_what_was_notified_alone(
    cloud: Cloud, ursula: UUID
) -> None:
    with psycopg.connect(cloud.database_url) as connection:
        personal_data.delete(connection, SubscriberId(ursula))

    held = {table: cloud.row(COUNT.format(table))["number"] for table in PLACES}
    assert held == dict.fromkeys(PLACES, 0) | {
        "deliveries": 1,
        "duplicate_mails": 1,
        "resends": 1,
        "webhook_messages": 1,
    }


COUNT = "SELECT count(*) AS number FROM {}"
