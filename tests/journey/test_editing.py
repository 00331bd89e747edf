"""An author writes a draft, corrects it, publishes it, and corrects it again while it is sent."""

import time
from collections import Counter
from uuid import uuid4

from tests.journey import readme
from tests.journey.people import Answer, Issue, Town, until
from tests.journey.sending import clock_of, disperse, gather, record, taken, tick

CROWD = 300
SENT_A_SECOND = 50  # so that the crowd takes six seconds, and the pause comes after two
SENT_BEFORE = 100


def test_a_draft_is_edited_published_paused_edited_and_resumed_and_everybody_has_one_mail(
    town: Town,
):
    crowd = gather(town, CROWD)
    draft = town.publish("Tea", draft=True)
    second = edit(town, draft, '"1"', "Coffee")
    stale = edit(town, draft, '"1"', "Cocoa")
    written = town.ask_as_author("GET", f"{draft.href}/content").json()

    assert (draft.answer.headers["ETag"], second.headers["ETag"]) == ('"1"', '"2"')
    assert (stale.status, stale.json()["version"]) == (412, 2)
    assert (written["markdown"], draft.shown()["status"]) == ("Coffee", "draft")
    assert taken(town, str(draft.answer.json()["id"])).total() == 0

    issue_id = send_slowly(town, draft)
    refused = edit(town, draft, '"2"', "Cocoa")
    act(town, draft, "pause")
    third = edit(town, draft, '"2"', "Cocoa")
    act(town, draft, "resume")
    clock = until(lambda: clock_of(town, issue_id), what="the issue's clock")
    tick(town, clock, until=lambda: draft.shown()["status"] == "finished")
    town.get_ready()
    disperse(town)

    assert (refused.status, refused.json()["code"]) == (409, "issue-sending")
    assert (third.status, third.headers["ETag"]) == (200, '"3"')
    mails = [mail for mail in record(town).mails(to=None) if mail.tags.get("issue") == issue_id]
    assert Counter(mail.to for mail in mails if mail.to in crowd) == Counter(crowd)
    words = {"2": "Coffee", "3": "Cocoa"}
    assert all(words[mail.tags["version"]] in (mail.text or "") for mail in mails)
    counts = Counter(mail.tags["version"] for mail in mails)
    assert counts["2"] >= SENT_BEFORE
    assert counts["3"] > 0
    assert draft.shown()["books"]["accepted_by_version"] == counts


def edit(town: Town, issue: Issue, version: str, markdown: str) -> Answer:
    return town.ask_as_author(
        "PUT",
        issue.href,
        json={"title": issue.title, "markdown": markdown},
        headers={"If-Match": version},
    )


def act(town: Town, issue: Issue, action: str) -> None:
    assert town.ask_as_author("POST", f"{issue.href}/{action}").status == 202


def send_slowly(town: Town, draft: Issue) -> str:
    """Publish a draft, twice with one key, and return its id when a part has been sent."""
    town.ses.change_account(max_send_rate=SENT_A_SECOND)
    time.sleep(readme.TIMINGS["quota_refresh"])  # the governor asks for the rate again
    key = {"Idempotency-Key": str(uuid4())}
    answers = [town.ask_as_author("POST", f"{draft.href}/publish", headers=key) for _ in range(2)]
    assert [answer.status for answer in answers] == [202, 202]
    issue_id = str(draft.answer.json()["id"])
    until(lambda: taken(town, issue_id).total() >= SENT_BEFORE, what="the first mails")
    return issue_id
