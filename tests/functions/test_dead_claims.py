"""A deliver is killed: who may have been mailed waits for SES's events, everybody else does not."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

import psycopg
import pytest

from broadsheet.database import delivery_batches_table
from broadsheet.database.ledger import open_recipients
from broadsheet.domain.issues import IssueId
from broadsheet.services.sending import calls
from tests.functions.issues import deliver_all, pointers, publish_issue, send, show, tick

if TYPE_CHECKING:
    from types import ModuleType

    from broadsheet.domain.deliveries import Claim
    from tests.cloud import Cloud

URSULA, OCTAVIA = "ursula@example.com", "octavia@example.com"


class Killed(BaseException):
    """Ends a deliver as a kill does: it writes nothing more."""


@pytest.fixture
def issue_id(cloud: Cloud) -> str:
    """An issue to two readers, which is about to be sent."""
    cloud.add_confirmed(URSULA, OCTAVIA)
    issue_id = publish_issue()
    tick(issue_id)
    return issue_id


def killed_at(module: ModuleType, function: str, cloud: Cloud) -> None:
    """Let a deliver claim what is released, and die as it calls a function."""

    def kill(*_: object) -> NoReturn:
        raise Killed

    released = pointers(cloud)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, function, kill)
        with pytest.raises(Killed):
            deliver_all(released)


def two_minutes_pass(cloud: Cloud) -> None:
    cloud.rows("UPDATE delivery_batches SET claim_deadline = now() - interval '81 seconds'")


def test_readers_of_a_deliver_that_dies_before_it_sends_are_mailed_as_its_claim_is_dead(
    cloud: Cloud, issue_id: str
) -> None:
    killed_at(delivery_batches_table, "begin", cloud)
    tick(issue_id)
    assert show(issue_id)["books"]["waiting"] == 2
    assert pointers(cloud) == [], "a claim that may still begin is left alone"

    two_minutes_pass(cloud)
    send(cloud, issue_id)

    assert sorted(mail.to for mail in cloud.ses.mails()) == [OCTAVIA, URSULA]
    document = show(issue_id)
    assert document["status"] == "finished"
    assert (document["books"]["accepted"], document["books"]["unresolved"]) == (2, 0)


def test_readers_of_a_deliver_that_dies_once_it_may_send_are_unresolved(
    cloud: Cloud, issue_id: str
) -> None:
    killed_at(calls, "send", cloud)

    two_minutes_pass(cloud)
    send(cloud, issue_id)

    assert cloud.ses.mails() == []
    assert show(issue_id)["books"]["unresolved"] == 2


def test_a_deliver_that_thaws_after_its_batches_were_returned_mails_nobody(
    cloud: Cloud, issue_id: str
) -> None:
    claim = _claim(cloud, issue_id)
    two_minutes_pass(cloud)
    tick(issue_id)

    with psycopg.connect(cloud.database_url, autocommit=True) as thawed:
        delivery_batches_table.begin(thawed, claim)
        assert open_recipients.read_recipients(thawed, claim) == ([], [])
        deliver_all(pointers(cloud))  # by another
        delivery_batches_table.begin(thawed, claim)
        assert open_recipients.read_recipients(thawed, claim) == ([], [])

    assert len(cloud.ses.mails()) == 2


def test_a_mark_that_is_repeated_after_a_lost_answer_leaves_the_claim_as_it_is(
    cloud: Cloud, issue_id: str
) -> None:
    claim = _claim(cloud, issue_id)

    with psycopg.connect(cloud.database_url, autocommit=True) as connection:
        for _ in range(2):
            delivery_batches_table.begin(connection, claim)
            assert len(open_recipients.read_recipients(connection, claim)[0]) == 2


def test_a_claim_of_the_release_before_which_sets_no_mark_may_have_sent(
    cloud: Cloud, issue_id: str
) -> None:
    killed_at(delivery_batches_table, "begin", cloud)
    two_minutes_pass(cloud)
    tick(issue_id)  # returns the batch, whose mark stays
    cloud.rows(
        "UPDATE delivery_batches SET state = 'claimed', claim_id = gen_random_uuid(),"
        " claim_deadline = now() - interval '81 seconds'"
    )

    tick(issue_id)

    assert show(issue_id)["books"]["unresolved"] == 2


def _claim(cloud: Cloud, issue_id: str) -> Claim:
    pointers(cloud)
    with psycopg.connect(cloud.database_url, autocommit=True) as connection:
        claimed = delivery_batches_table.claim(
            connection, IssueId.model_validate(issue_id), [1], timedelta(seconds=40)
        )
    assert claimed is not None
    return claimed[0]
