"""What SES may answer to a call, and what becomes of its mails."""

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import create_server
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError
from botocore.exceptions import SSLError as BotocoreSSLError
from urllib3.exceptions import SSLError

from broadsheet.mail.ses import client as ses_client
from broadsheet.mail.ses import results
from broadsheet.mail.ses.results import OutcomeUnknown, Refusal, Refused
from tests.cloud import Cloud
from tests.conftest import forget_everything
from tests.functions.issues import (
    act_on,
    books_of,
    deliver_all,
    pointers,
    publish_issue,
    send,
    show,
    tick,
)

READERS = [f"{name}@example.com" for name in "abcde"]


@pytest.fixture
def issue_id(cloud: Cloud) -> str:
    """An issue that is to be sent to five readers."""
    cloud.add_confirmed(*READERS)
    issue_id = publish_issue()
    tick(issue_id)
    return issue_id


def batch(cloud: Cloud) -> dict[str, Any]:
    return cloud.row(
        "SELECT state, tries, extract(epoch FROM not_before - now())::float AS pause"
        " FROM delivery_batches"
    )


def goes_on(cloud: Cloud, issue_id: str) -> None:
    """End all misbehaviour, and let the batch's pause be over."""
    cloud.ses.control.end_all()
    act_on(issue_id, "resume")
    cloud.rows("UPDATE delivery_batches SET not_before = now()")
    send(cloud, issue_id)


def all_were_mailed_once(cloud: Cloud) -> bool:
    return sorted(mail.to for mail in cloud.ses.mails()) == READERS


@pytest.mark.parametrize("status", ["ACCOUNT_THROTTLED", "TRANSIENT_FAILURE", "FAILED"])
def test_an_entry_that_may_pass_is_tried_again_later(
    cloud: Cloud, issue_id: str, status: str
) -> None:
    cloud.ses.control.refuse_entries(status, recipients=READERS[:2])

    deliver_all(pointers(cloud))

    assert (books_of(issue_id)["accepted"], books_of(issue_id)["waiting"]) == (3, 2)
    assert batch(cloud)["tries"] == 1
    assert 1 < batch(cloud)["pause"] <= 4
    goes_on(cloud, issue_id)
    assert all_were_mailed_once(cloud)
    assert show(issue_id)["status"] == "finished"


def test_tries_come_ever_later_and_end_with_ses_status(cloud: Cloud, issue_id: str) -> None:
    cloud.ses.control.refuse_entries("TRANSIENT_FAILURE", recipients=READERS[:1])
    pauses = []

    deliver_all(pointers(cloud))
    for _ in range(9):
        pauses.append(batch(cloud)["pause"])
        cloud.rows("UPDATE delivery_batches SET not_before = now()")
        send(cloud, issue_id)

    for tries, pause in enumerate(pauses, start=1):
        longest = min(2 * 2**tries, 900)
        assert longest / 2 - 1 < pause <= longest
    document = show(issue_id)
    assert document["books"]["failed"] == {"TRANSIENT_FAILURE": 1}
    assert document["status"] == "finished"
    assert len(cloud.ses.mails()) == 4


@pytest.mark.parametrize(
    "status",
    [
        "ACCOUNT_SENDING_PAUSED",
        "CONFIGURATION_SET_SENDING_PAUSED",
        "ACCOUNT_SUSPENDED",
        "MAIL_FROM_DOMAIN_NOT_VERIFIED",
        "CONFIGURATION_SET_NOT_FOUND",
        "TEMPLATE_NOT_FOUND",
        "INVALID_SENDING_POOL_NAME",
    ],
)
def test_an_entry_refused_because_of_us_pauses_the_issue(
    cloud: Cloud, issue_id: str, status: str
) -> None:
    cloud.ses.control.refuse_entries(status, recipients=READERS[:2])

    deliver_all(pointers(cloud))

    document = show(issue_id)
    assert (document["status"], document["paused_because"]) == ("paused", status)
    assert (document["books"]["accepted"], document["books"]["waiting"]) == (3, 2)
    assert batch(cloud)["tries"] == 0
    goes_on(cloud, issue_id)
    assert all_were_mailed_once(cloud)


@pytest.mark.parametrize("status", ["INVALID_PARAMETER", "MESSAGE_REJECTED"])
def test_an_entry_refused_because_of_its_recipient_fails_alone(
    cloud: Cloud, issue_id: str, status: str
) -> None:
    cloud.ses.control.refuse_entries(status, recipients=READERS[:2])

    deliver_all(pointers(cloud))
    tick(issue_id)

    document = show(issue_id)
    assert (document["status"], document["books"]["failed"]) == ("finished", {status: 2})


def test_the_daily_quota_is_waited_for_without_a_try(cloud: Cloud, issue_id: str) -> None:
    cloud.ses.control.refuse_entries("ACCOUNT_DAILY_QUOTA_EXCEEDED", recipients=READERS[:2])

    deliver_all(pointers(cloud))

    document = show(issue_id)
    assert (document["status"], document["books"]["waiting"]) == ("sending", 2)
    assert batch(cloud)["tries"] == 0
    assert cloud.row("SELECT is_quota_spent FROM send_governor")["is_quota_spent"]


THROTTLES = {"TooManyRequestsException", "ThrottlingException"}


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("TooManyRequestsException", None),
        ("ThrottlingException", None),
        ("LimitExceededException", "Maximum sending rate exceeded."),
    ],
)
def test_a_throttled_call_is_made_again_later_and_more_slowly(
    cloud: Cloud, issue_id: str, error: str, message: str | None
) -> None:
    cloud.ses.control.refuse_calls(error, message=message)

    deliver_all(pointers(cloud))

    assert books_of(issue_id)["waiting"] == 5
    assert batch(cloud)["tries"] == 1
    assert cloud.row("SELECT slowdown FROM send_governor")["slowdown"] == pytest.approx(0.7)
    goes_on(cloud, issue_id)
    assert all_were_mailed_once(cloud)


@pytest.mark.parametrize(
    "error", ["TooManyRequestsException", "LimitExceededException", "ThrottlingException"]
)
def test_a_call_over_the_daily_quota_is_recognised_by_its_sentence(
    cloud: Cloud, issue_id: str, error: str
) -> None:
    cloud.ses.control.refuse_calls(error, message="Daily message quota exceeded.")

    deliver_all(pointers(cloud))

    assert (show(issue_id)["status"], batch(cloud)["tries"]) == ("sending", 0)
    assert cloud.row("SELECT is_quota_spent FROM send_governor")["is_quota_spent"]


@pytest.mark.parametrize(
    "error",
    [
        "SendingPausedException",
        "AccountSuspendedException",
        "MailFromDomainNotVerifiedException",
        "NotFoundException",
        "AccessDeniedException",
        "ExpiredTokenException",
        "InvalidSignatureException",
        "MessageRejected",  # SES's sentence says that an address is not verified
    ],
)
def test_a_call_refused_because_of_us_pauses_the_issue(
    cloud: Cloud, issue_id: str, error: str
) -> None:
    cloud.ses.control.refuse_calls(error)

    deliver_all(pointers(cloud))

    document = show(issue_id)
    assert (document["status"], document["paused_because"]) == ("paused", error)
    assert (document["books"]["waiting"], batch(cloud)["tries"]) == (5, 0)
    goes_on(cloud, issue_id)
    assert all_were_mailed_once(cloud)


def test_a_call_that_was_frozen_until_its_signature_was_old_pauses_nothing(
    cloud: Cloud, issue_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMINGS", '{"claim_deadline": 0.3}')
    forget_everything()
    cloud.ses.control.slow_down(0.5)  # the environment's sleep, which is over after the deadline
    refusal = cloud.ses.control.refuse_calls("InvalidSignatureException")

    deliver_all(pointers(cloud))

    assert cloud.ses.control.struck(refusal) == 1
    document = show(issue_id)
    assert (document["status"], document["books"]["waiting"]) == ("sending", 5)
    assert batch(cloud)["tries"] == 0
    monkeypatch.delenv("TIMINGS")
    forget_everything()
    cloud.ses.control.end_all()
    cloud.rows("UPDATE delivery_batches SET not_before = now()")
    send(cloud, issue_id)
    assert all_were_mailed_once(cloud)


@pytest.mark.parametrize(
    ("error", "message"),
    [("BadRequestException", "Bad."), ("MessageRejected", "Bad content."), ("Unheard", "Of")],
)
def test_one_bad_entry_of_a_refused_call_fails_alone(
    cloud: Cloud, issue_id: str, error: str, message: str
) -> None:
    cloud.ses.control.refuse_calls(error, status=400, message=message, recipients=["c@example.com"])

    deliver_all(pointers(cloud))
    tick(issue_id)

    document = show(issue_id)
    assert (document["status"], document["books"]["failed"]) == ("finished", {error: 1})
    assert len(cloud.ses.mails()) == 4


@pytest.mark.parametrize("status", [408, 429, 413])
def test_a_refusal_nobody_knows_fails_nobody_at_once(
    cloud: Cloud, issue_id: str, status: int
) -> None:
    cloud.ses.control.refuse_calls("Unheard", status=status, message="Of")

    deliver_all(pointers(cloud))

    assert (books_of(issue_id)["waiting"], batch(cloud)["tries"]) == (5, 1)
    goes_on(cloud, issue_id)
    assert all_were_mailed_once(cloud)


def internal_error(cloud: Cloud) -> None:
    cloud.ses.control.refuse_calls("InternalFailure", take="first")


def unavailable(cloud: Cloud) -> None:
    cloud.ses.control.refuse_calls("ServiceUnavailable")


def dropped(cloud: Cloud) -> None:
    cloud.ses.control.drop(take="first")


def hanging(cloud: Cloud) -> None:
    cloud.ses.control.hang(2, take="first")


@pytest.mark.parametrize("lost", [internal_error, unavailable, dropped, hanging])
def test_a_mail_whose_answer_is_lost_is_unresolved_and_not_sent_again(
    cloud: Cloud,
    issue_id: str,
    lost: Callable[[Cloud], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TIMINGS", '{"ses_call_timeout": 0.5}')
    forget_everything()
    lost(cloud)
    records = pointers(cloud)

    deliver_all(records)
    cloud.ses.control.end_all()
    deliver_all(records)
    send(cloud, issue_id)

    assert books_of(issue_id)["unresolved"] == 5
    assert len(cloud.ses.mails()) == (0 if lost is unavailable else 5)


def test_an_answer_that_can_not_be_read_is_a_lost_one(
    cloud: Cloud, issue_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = ses_client.sending_client()

    def garbled(parsed: dict[str, Any], **_: object) -> None:
        parsed.pop("BulkEmailEntryResults")

    client.meta.events.register("after-call.sesv2.SendBulkEmail", garbled)

    deliver_all(pointers(cloud))

    assert books_of(issue_id)["unresolved"] == 5


@pytest.mark.parametrize("lost", ["MessageId", "Status"])
def test_an_entrys_answer_that_can_not_be_read_is_a_lost_one_of_that_entry_alone(
    cloud: Cloud, issue_id: str, lost: str
) -> None:
    def garbled(parsed: dict[str, Any], **_: object) -> None:
        parsed["BulkEmailEntryResults"][2].pop(lost)

    client = ses_client.sending_client()
    client.meta.events.register("after-call.sesv2.SendBulkEmail", garbled)

    deliver_all(pointers(cloud))

    assert (books_of(issue_id)["accepted"], books_of(issue_id)["unresolved"]) == (4, 1)


@pytest.fixture
def untrusted(tmp_path: Path) -> Iterator[str]:
    """A server whose certificate nobody vouches for."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=127.0.0.1", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection, pytest.raises(OSError, match=r".*"):
                    context.wrap_socket(connection, server_side=True)

        threading.Thread(target=serve, daemon=True).start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"


def test_a_certificate_that_is_not_ses_gets_no_mail(
    cloud: Cloud, issue_id: str, untrusted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ses_url = cloud.ses.url
    records = pointers(cloud)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", untrusted)
    forget_everything()
    deliver_all(records)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", ses_url)
    forget_everything()

    assert (books_of(issue_id)["waiting"], batch(cloud)["tries"]) == (5, 0)


def test_tls_that_broke_after_the_handshake_may_have_brought_the_mail() -> None:
    broken = BotocoreSSLError(endpoint_url="https://ses", error=SSLError(ssl.SSLError("bad mac")))

    assert results.result_of(broken) == OutcomeUnknown(reason="SSLError")


def test_without_credentials_nothing_was_asked() -> None:
    assert results.result_of(NoCredentialsError()) == Refused(
        refusal=Refusal.NOT_BEGUN, reason="NoCredentialsError"
    )
