"""An issue whose time has not come waits for its clock."""

from datetime import datetime

from tests.journey.people import Issue, Reader

EMULATORS_MINUTE = (
    75  # seconds; a clock's first interval, and one look of the emulator at all clocks
)


def test_an_issue_for_later_leaves_by_its_clock_once_it_is_due(
    issue_for_later: tuple[Issue, Reader],
):
    issue, reader = issue_for_later
    due = datetime.fromisoformat(issue.answer.json()["publish_at"])

    issue.sent(seconds=2 * EMULATORS_MINUTE)  # once more, when the database was away at its minute

    shown = issue.shown()
    (mail,) = reader.copies(issue)
    assert mail.received_at >= due
    assert datetime.fromisoformat(shown["frozen_at"]) >= due
    books = shown["books"]  # a reader of another journey may have left since the freeze
    assert books["accepted"] + sum(books["skipped"].values()) == shown["audience"]
