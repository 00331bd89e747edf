"""A whole newsletter moves: everything in one file, which makes the same newsletter elsewhere."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from os import urandom
from typing import Any
from uuid import UUID, uuid4

import boto3
import pytest

from broadsheet import images as read_images
from broadsheet import settings
from broadsheet.database.everything import PARTS
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.domain.everything import Manifest
from broadsheet.storage import archive, bucket, images
from broadsheet.telemetry import InvocationFailed
from broadsheet.transfer import everything
from functions.transfer.app import handler as transfer
from tests.cloud import Cloud, Edge, at, context, json_of
from tests.conftest import forget_what_was_read
from tests.functions.issues import publish_issue, send, tick
from tests.functions.test_exports import call, exported
from tests.functions.webhooks import Functions
from tests.images import png
from tests.template.transformation import ROOT, transformed

# What doesn't move, and why. A table or column that is new moves, or is listed here.
LEFT_OUT = {
    "confirmation_minutes": "counts of the last hours",
    "daily_budgets": "what authors have used today",
    "domain_hours": "counts of the last hours",
    "exports": "their files are deleted after a day",
    "feedback_progress": "of the stack's own queues",
    "spent_links": "links of a quarter of an hour, signed by the stack's own keys",
    "form_nonces": "of forms that are open now",
    "issue_counts": "statistics count the ledger again",
    "day_counts": "statistics count the log again",
    "counted_days": "statistics count the log again",
    "schema_migrations": "the stack's own",
    "send_governor": "of the account's rate, and of its warm-up",
    "strict_mode": "of the last hours",
    "webhook_messages": "a log of calls",
    "webhook_tries": "a log of calls",
    "subscribers.due_mail": "the old stack sends it, or it is asked for again",
    "subscribers.due_mail_since": "the same",
    "subscribers.due_welcome": "the same",
    "sign_ups.mail_owed": "the same",
    "sign_ups.mail_failing_since": "the same",
    "consents.id": "the order of the lines has it",
    "authors_voice.is_the_row": "there is one",
    "chosen_theme.is_the_row": "there is one",
    "welcome_mail.is_the_row": "there is one",
    "issues.archived": "the new stack writes its archive",
    "issues.is_archiving": "the same",
    "issues.forgetting": "it could tell whom the ledger forgets; what is left is forgotten anew",
    "delivery_batches.released_at": "of the old stack's queue",
    "delivery_batches.claim_id": "what was claimed is closed",
    "delivery_batches.claim_deadline": "the same",
    "delivery_batches.unbegun_claim_id": "the same",
    "deliveries.claim_id": "of a run of the old stack's deliver",
    "deliveries.claim_deadline": "the same",
    "issue_links.is_stored": "the new stack writes where they lead into its bucket",
    "issue_versions.autosaved": "whoever types on in the new stack begins another version",
    "imports.attempts": "of workers; those that move have ended",
    "imports.failed_because": "the same",
    "imported_posts.is_stored": "the new stack writes its archive",
    "webhooks.key_id": "its secret is another one in the new stack",
    "webhooks.generation": "the same",
    "webhooks.rotated_at": "the same",
    "webhooks.disabled_at": "it is disabled in the new stack, until somebody enables it",
    "webhooks.disabled_because": "the same",
    "webhooks.failing_since": "of calls",
    "webhooks.failures": "of calls",
    "webhooks.retry_at": "of calls",
    "webhooks.quiet_until": "of calls",
    "webhooks.claimed_until": "of calls",
}
# Parameters that say nothing of the newsletter, and why. One that is new moves, or is listed here.
SETTINGS_LEFT_OUT = {
    **dict.fromkeys(
        (
            "ProxySecretArn", "ProxyAddressHeader", "SenderDomain", "DomainName", "HostedZoneId",
            "CertificateArn", "CdnPriceClass", "CdnCertificateArn",
            "FirewallRequestsPerFiveMinutes", "StageName",
        ),
        "of what leads readers to the old stack, in its account",
    ),
    **dict.fromkeys(
        (
            "DatabaseUrlSecretArn", "MigrationUrlSecretArn", "SubnetIds", "SecurityGroupIds",
            "SubnetsAreDualStack", "AvailabilityZones", "DatabaseMinCapacity",
            "DatabaseMaxCapacity", "DatabaseEngineVersion", "DatabaseDeletionProtection",
            "DatabaseBackupDays", "DatabaseSnapshot", "DatabaseGeneration",
        ),
        "of the old stack's database and network",
    ),
    **dict.fromkeys(
        ("EnrollConcurrency", "DeliverConcurrency", "FeedbackConcurrency", "SendRateShare"),
        "what its account allows",
    ),
    **dict.fromkeys(
        ("OperatorAddress", "MonthlyBudget", "LogRetentionDays", "WorkflowIssuer"),
        "of whoever operates it",
    ),
    **dict.fromkeys(("CallsAnywhere", "PseudoLanguage"), "for tests of a stack"),
}  # fmt: skip
ROW = re.compile(r"^\| (`.*?) \|", re.MULTILINE)
GUIDE = (ROOT / "docs" / "moving.md").read_text(encoding="utf-8")
# One row of each table that an issue's life doesn't write.
ROWS = (
    """
    UPDATE subscribers
    SET tags = '{jobs,vip}', welcomes = '[{"mail": "welcome"}]', due_mail = 'confirmation',
        due_mail_since = now()
    WHERE id = %(id)s
    """,
    "INSERT INTO merged_subscribers VALUES (%(other)s, %(id)s, now())",
    """
    INSERT INTO sign_ups (request_id, subscriber_id, source_network, received_at, mail_granted)
    VALUES (%(other)s, %(id)s, '192.0.2.7', now(), true)
    """,
    """
    INSERT INTO suspicious_sign_ups (request_id, subscriber_id, reason, received_at)
    VALUES (%(other)s, %(id)s, 'source', now())
    """,
    "INSERT INTO wrong_codes VALUES (%(id)s, %(other)s, now())",
    "INSERT INTO new_address_mails VALUES (%(other)s, %(id)s, 'x', now())",
    """
    INSERT INTO consents
        (request_id, subscriber_id, change, at, source_address, user_agent, evidence, way)
    VALUES (%(id)s, %(id)s, 'signed_up', %(at)s, '2001:db8::1', 'A "browser" \\ ', E'two\nlines',
            NULL),
           (%(other)s, %(id)s, 'confirmed', %(at)s, NULL, NULL, NULL, 'code')
    """,
    "INSERT INTO tombstones VALUES (decode(repeat('ab', 32), 'hex'), now(), 'erased')",
    "INSERT INTO segments VALUES ('jobs', '{\"tags\": {\"any\": [\"jobs\"]}}', 'ada', now())",
    """
    INSERT INTO welcome_mail (title, content, subject, html, text, with_newest_issue, author)
    VALUES ('Welcome', '{"markdown": "Hi"}', 'Welcome', '<p>Hi', 'Hi', true, 'ada')
    """,
    """
    INSERT INTO authors_voice (description, author_name, frequency, edited_by)
    VALUES ('Letters about tides.', 'Ada', 'Every Friday', 'ada')
    """,
    "INSERT INTO chosen_theme (theme, edited_by) VALUES ('tide', 'ada')",
    "UPDATE issues SET slug = slug || '-later'",
    """
    INSERT INTO issue_links (issue_id, number, written, target, clicks, corrected_at, corrected_by)
    VALUES (%(issue)s, 1, 'https://a.example/', 'https://a.example/b', 12, now(), 'ada')
    """,
    "INSERT INTO approval_requests VALUES (%(issue)s, 1, 'ben', '{a}', now())",
    """
    INSERT INTO duplicate_mails (issue_id, subscriber_id, round, message_id)
    VALUES (%(issue)s, %(id)s, 1, 'm')
    """,
    """
    INSERT INTO resends (issue_id, subscriber_id, round, claim_id)
    VALUES (%(issue)s, %(id)s, 1, %(other)s)
    """,
    """
    INSERT INTO imports (id, author, file_name, format, status)
    VALUES (%(other)s, 'ada', 'people.csv', 'csv', 'applied'),
           (%(id)s, 'ada', 'later.csv', 'csv', 'ready')
    """,
    """
    INSERT INTO import_rows (import_id, number, line, email, standing, subscriber_id, before)
    VALUES (%(other)s, 1, 2, 'ann@example.com', 'subscribed', %(id)s, '{"name": "Ann"}'),
           (%(id)s, 1, 2, 'dee@example.com', 'subscribed', NULL, NULL)
    """,
    """
    INSERT INTO imported_posts VALUES (
        %(other)s, %(other)s, 'old', jsonb_build_object(
            'issue', jsonb_build_object(
                'id', %(other)s, 'version', 1, 'slug', 'old', 'title', 'Old', 'description', '',
                'published_at', '2020-01-01T00:00:00Z', 'updated_at', '2020-01-01T00:00:00Z'
            ),
            'headline', 'Old', 'html', '<p>Of old.</p>', 'is_authors_html', false
        ), '[]', true, '/p/old'
    )
    """,
    """
    INSERT INTO webhooks (id, url, events, created_by, key_id)
    VALUES (%(other)s, 'https://crm.example/', '{issue.paused}', 'ada', '1')
    """,
)


@pytest.fixture
def functions(cloud: Cloud) -> Functions:
    """Lambda; and a newsletter that has something of everything."""
    subscriber, *_ = cloud.add_confirmed("ann@example.com", "ben@example.com")
    picture = read_images.read(png())
    images.store(picture)
    issue = publish_issue(markdown=f"![Tea](https://news.page.example/images/{picture.file_name})")
    send(cloud, issue)
    publish_issue(title="To come", draft=True)
    other = uuid4()
    for statement in ROWS:
        cloud.rows(statement, id=subscriber, other=other, issue=UUID(issue), at=at(0))
    tick(issue)  # the archive, under another name
    archive.store_redirect("/p/old", "old")
    return Functions()


def members(export: dict[str, Any]) -> dict[str, bytes]:
    """Return what is in the file of an export, by name."""
    stored = boto3.client("s3").get_object(Bucket="content", Key=f"exports/{export['id']}")
    with zipfile.ZipFile(io.BytesIO(stored["Body"].read())) as file:
        assert file.testzip() is None
        return {name: file.read(name) for name in file.namelist()}


def lines(found: dict[str, bytes], table: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in found[f"{table}.jsonl"].splitlines()]


def test_everything_is_in_one_file_as_the_guide_describes_it(functions: Functions) -> None:
    export = exported(functions, "everything")
    found = members(export)

    assert re.fullmatch(r"newsletter-\d{4}-\d\d-\d\d\.zip", export["file_name"])
    assert export["people"] == 2
    manifest = Manifest.model_validate_json(found["manifest.json"])
    assert manifest.files == {
        name: content.count(b"\n") for name, content in found.items() if name.endswith(".jsonl")
    }
    assert all(manifest.files.values()), "each kind of record has one in this newsletter"
    (picture,) = [name for name in found if name.startswith("images/")]
    assert picture == f"images/{read_images.read(found[picture]).file_name}"
    described = dict(re.findall(r"\n### `(.+?)`\n(.*?)(?=\n##|\Z)", GUIDE, re.DOTALL))
    assert set(described) == {*manifest.files, "manifest.json"}
    for name, section in described.items():
        fields = re.findall(r"`(\w+)`", "".join(ROW.findall(section)))
        for line in [found[name]] if name == "manifest.json" else found[name].splitlines():
            assert sorted(json.loads(line)) == sorted(fields), name


def test_the_file_has_no_secret(functions: Functions) -> None:
    whole = b"".join(members(exported(functions, "everything")).values())

    assert b"a key" not in whole  # the signing key of the tests
    assert b"whsec_" not in whole
    assert b"token_digest" not in whole


def test_every_column_moves_or_has_its_reason(cloud: Cloud) -> None:
    there = {
        (row["table_name"], row["column_name"])
        for row in cloud.rows(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public'"
        )
    }
    moving = {(part.table, field) for part in PARTS for field in part.line_fields}
    left = {each for each in there if each[0] in LEFT_OUT or ".".join(each) in LEFT_OUT}

    assert moving | left == there
    assert not moving & left
    assert {name.partition(".")[0] for name in LEFT_OUT} <= {table for table, _ in there}


def test_two_exports_differ_in_their_time_alone(functions: Functions) -> None:
    first, second = (members(exported(functions, "everything")) for _ in range(2))
    manifests = [json.loads(found.pop("manifest.json")) for found in (first, second)]

    assert first == second
    assert manifests[0] | {"exported_at": ""} == manifests[1] | {"exported_at": ""}


def test_what_is_under_way_is_paused_in_the_file_and_what_may_be_mailed_has_failed(
    functions: Functions, cloud: Cloud
) -> None:
    scheduled = publish_issue(title="Later", publish_at="2099-01-01T00:00:00Z")
    sending = publish_issue(title="Now")
    tick(sending)
    cloud.rows(
        "UPDATE delivery_batches SET state = 'claimed', claim_id = %(id)s, claim_deadline = now()"
        " WHERE issue_id = %(issue)s",
        id=uuid4(),
        issue=sending,
    )
    found = members(exported(functions, "everything"))

    assert json.loads(found["manifest.json"])["under_way"] == 2
    issues = {each["id"]: each for each in lines(found, "issues")}
    assert issues[scheduled]["status"] == issues[sending]["status"] == "paused"
    assert issues[scheduled]["paused_because"] == "it was scheduled when it was exported"
    assert issues[sending]["paused_because"] == "it was being sent when it was exported"
    (batch,) = [each for each in lines(found, "delivery_batches") if each["issue_id"] == sending]
    ledger = [each for each in lines(found, "deliveries") if each["issue_id"] == sending]
    assert batch["state"] == "closed"
    assert {each["subscriber_id"] for each in ledger} == set(batch["recipients"])
    assert {(each["outcome"], each["reason"]) for each in ledger} == {
        ("failed", "exported, perhaps mailed")
    }


def test_an_export_that_fails_leaves_no_file_and_begins_again(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_id = json_of(call("POST", document={"format": "everything"}))["id"]
    with monkeypatch.context() as patched:
        patched.setattr(images, "names", lambda: 1 / 0)
        with pytest.raises(InvocationFailed):
            transfer(functions.transfers[-1], context())
    assert json_of(call("GET", export_id))["status"] == "writing"
    s3 = boto3.client("s3")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="content")
    assert "Contents" not in s3.list_objects_v2(Bucket="content", Prefix="exports/")

    transfer(functions.transfers.pop(), context())

    export = json_of(call("GET", export_id))
    assert export["status"] == "ready"
    assert members(export)


def test_an_export_that_fails_within_a_table_ends_at_once(
    functions: Functions, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_after_a_line(_: object, __: str, lines: Iterator[bytes]) -> None:
        next(lines)
        raise DependencyUnavailable("a part was not taken")

    cloud.add_confirmed("cleo@example.com", "dee@example.com")
    monkeypatch.setattr(everything.Writer, "add_lines", fail_after_a_line)
    export_id = json_of(call("POST", document={"format": "everything"}))["id"]

    with pytest.raises(InvocationFailed):
        transfer(functions.transfers.pop(), context())

    assert json_of(call("GET", export_id))["status"] == "writing"


@pytest.mark.usefixtures("cloud")
def test_a_large_file_is_sent_in_parts() -> None:
    content = urandom(2 * bucket._PART + 5)
    with bucket.written("exports/large") as upload:
        for begin in range(0, len(content), 1_000_000):
            upload.write(content[begin : begin + 1_000_000])

    assert bucket.get("exports/large") == content


def test_an_export_whose_parts_cannot_be_sent_says_so(edge: Edge) -> None:
    edge.lose_bucket()

    with pytest.raises(DependencyUnavailable), bucket.written("exports/none"):
        pass


def test_every_parameter_is_the_newsletters_and_moves_or_has_its_reason() -> None:
    template = transformed()

    assert set(template["Parameters"]) == {*settings._PARAMETERS, *SETTINGS_LEFT_OUT}
    variables = template["Resources"]["TransferFunction"]["Properties"]["Environment"]["Variables"]
    given = {name: variables.get(variable) for name, variable in settings._PARAMETERS.items()}
    own = {"PublicUrl"}  # or else API Gateway's address
    assert {name for name, value in given.items() if value != {"Ref": name}} <= own
    assert given["PublicUrl"] is not None


def test_the_file_has_the_parameters_that_are_given(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {name: f"a {name}" for name in settings._PARAMETERS}
    with monkeypatch.context() as patch:
        for name, value in wanted.items():
            patch.setenv(settings._PARAMETERS[name], value)
        patch.delenv(settings._PARAMETERS["PostalAddress"])
        forget_what_was_read()
        found = members(exported(functions, "everything"))
    forget_what_was_read()

    assert json.loads(found["settings.json"]) == {
        name: value for name, value in wanted.items() if name != "PostalAddress"
    }
