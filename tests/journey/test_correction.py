"""An author corrects an issue midway: the rest get the new text, the others a correction."""

from uuid import uuid4

from tests.journey.people import Issue, Reader, Town, until
from tests.journey.sending import clock_of, record, taken, tick


def sent_to_all_but(town: Town, last: Reader) -> Issue:
    """Publish an issue of which SES throttles one reader's mail; return it paused."""
    throttle = town.ses.refuse_entries("ACCOUNT_THROTTLED", recipients=frozenset({last.email}))
    issue = town.publish("On Monday.")

    def is_throttled() -> bool:
        books = issue.shown()["books"]
        return bool(books and books["accepted"] and books["waiting"] == 1)

    until(is_throttled, what="all mails but one")
    assert town.ask_as_author("POST", f"{issue.href}/pause").status == 202
    town.ses.end(throttle)
    return issue


def test_a_correction_reaches_those_with_the_old_text_and_the_rest_get_the_new(town: Town):
    town.subscriber()
    issue = sent_to_all_but(town, town.subscriber())
    issue_id = issue.shown()["id"]

    edited = town.ask_as_author(
        "PUT",
        issue.href,
        json={"title": issue.title, "markdown": "On Tuesday."},
        headers={"If-Match": '"1"'},
    )
    corrected = town.ask_as_author(
        "POST",
        f"{issue.href}/correct",
        json={"title": f"Correction {uuid4()}", "markdown": "It is on Tuesday."},
        headers={"Idempotency-Key": str(uuid4())},
    )
    town.ask_as_author("POST", f"{issue.href}/resume")
    tick(town, clock_of(town, issue_id), lambda: issue.shown()["status"] == "finished")

    assert (edited.status, corrected.status) == (200, 202), (edited.data, corrected.data)
    document = corrected.json()
    correction = Issue(town, "", corrected.headers["Location"], corrected).sent()
    mails = [mail for mail in record(town).mails() if mail.tags.get("issue") == issue_id]
    texts = {mail.to: "Monday" if "Monday" in (mail.text or "") else "Tuesday" for mail in mails}
    assert len(texts) == len(mails) == issue.shown()["audience"]
    assert list(texts.values()).count("Tuesday") == 1
    assert issue.shown()["books"]["accepted_by_version"] == {"1": len(mails) - 1, "2": 1}
    with_old_text = {to for to, text in texts.items() if text == "Monday"}
    assert document["audience_now"] == correction.shown()["audience"] == len(with_old_text)
    assert taken(town, document["id"]) == dict.fromkeys(with_old_text, 1)
    again = town.ask_as_author(
        "POST",
        f"{issue.href}/correct",
        json={"title": "Once more", "markdown": "It is on Tuesday."},
        headers={"Idempotency-Key": str(uuid4())},
    )
    assert (again.status, again.json()["code"]) == (409, "already-corrected")
