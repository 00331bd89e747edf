"""What a lost emulator held goes on after the next start."""

from local import deployment
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
