"""What a lost emulator held goes on after the next start, and so does the first author."""

from pathlib import Path

import boto3

from local import deployment
from local.state import State
from operations import authors
from tests.cloud import Cloud
from tests.functions.issues import pointers, publish_issue, send, show, tick


def test_an_issue_whose_pointers_were_lost_with_their_queue_goes_on_at_once(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    tick(issue_id)
    assert len(pointers(cloud)) == 1  # lost with the emulator
    tick(issue_id)
    assert pointers(cloud) == []  # dispatch waits a long while for those that it released

    assert deployment.clear_releases(cloud.database_url) == {issue_id}
    send(cloud, issue_id)

    assert show(issue_id)["status"] == "finished"
    assert len(cloud.mails_to("ursula@example.com")) == 1


def test_the_first_author_has_a_token_that_works_after_every_start(
    cloud: Cloud, tmp_path: Path
) -> None:
    arn, client = cloud.environment["AUTHORS_SECRET_ARN"], boto3.client("secretsmanager")
    state = State.at(tmp_path / "state")

    def started() -> str:
        deployment.keep_first_author(state, client, arn)
        return str(state.author_token)

    first = started()
    assert started() == first
    authors.renew(client, arn, deployment.FIRST_AUTHOR)
    authors.revoke_old(client, arn, deployment.FIRST_AUTHOR)
    second = started()
    assert second != first
    assert started() == second
    authors.revoke(client, arn, deployment.FIRST_AUTHOR)
    assert started() not in {first, second}
    assert [str(each.name) for each in authors.listed(client, arn)].count("first author") == 1
