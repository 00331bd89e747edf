"""The power is cut while an issue is being sent, and comes back."""

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.journey import readme
from tests.journey.people import Issue, Reader, Town, until
from tests.journey.sending import clock_of, disperse, gather, taken, tick

CROWD = 400
SENT_A_SECOND = 50  # so that the crowd takes eight seconds, and the cut comes after two
SENT_BEFORE = 100


@dataclass(frozen=True)
class Mailbox:
    """Readers' mailboxes before a restart: what is there has to work after it."""

    staying: Reader
    leaving: Reader
    pending: Reader
    confirmation_link: str
    one_click: str
    earlier: Issue

    @classmethod
    def filled(cls, town: Town) -> "Mailbox":
        """Let people sign up, confirm or not, and get an issue."""
        staying, leaving = town.subscriber(), town.subscriber()
        pending = town.reader()
        pending.sign_up()
        earlier = town.publish().sent()
        return cls(
            staying=staying,
            leaving=leaving,
            pending=pending,
            confirmation_link=pending.confirmation_link(),
            one_click=leaving.the_copy(earlier).one_click,
            earlier=earlier,
        )


@dataclass(frozen=True)
class PowerCut:
    """What was under way, and what came of it.

    ``crowd``: whose mail was under way, by address. ``taken_before`` and ``taken``: how many mails
    SES had taken for each address by the cut, and has by now. ``held``: the books when SES's events
    of the last mails had not come yet. ``issue``: as its author sees it at the end.
    """

    mailbox: Mailbox
    crowd: set[str]
    taken_before: Counter[str]
    held: dict[str, Any]
    taken: Counter[str]
    issue: dict[str, Any]


def suffer(town: Town) -> PowerCut:
    """Cut the power in the middle of a sending, bring it back, and wait for the sending's end."""
    mailbox = Mailbox.filled(town)
    town.ses.change_account(max_send_rate=SENT_A_SECOND)
    crowd = gather(town, CROWD)
    time.sleep(readme.TIMINGS["quota_refresh"])  # the governor asks for the rate anew
    issue = town.publish()
    issue_id = str(issue.answer.json()["id"])
    until(lambda: taken(town, issue_id).total() >= SENT_BEFORE, what="the first mails")
    # SES takes some more, and tells nobody: neither by its answer nor by its events.
    town.ses.let_events_travel(is_withheld=True)
    number = town.ses.hang(readme.TIMINGS["ses_call_timeout"], take="first")
    until(lambda: town.ses.struck(number), what="a call that is not answered")

    town.stack.kill9()
    taken_before = taken(town, issue_id)
    readme.run("make up DETACH=1", town.stack.state.folder)
    town.get_ready()

    clock = until(lambda: clock_of(town, issue_id), what="the issue's clock")
    tick(town, clock, until=lambda: not _count(town, issue_id, "claimed"))
    with suppress(AssertionError):  # whoever may be sent to has been by then
        until(lambda: not _count(town, issue_id, "waiting", "claimed"), what="the rest", seconds=4)
    held = issue.shown()["books"]
    town.ses.release_events()
    tick(town, clock, until=lambda: issue.shown()["status"] == "finished")
    disperse(town)
    return PowerCut(
        mailbox=mailbox,
        crowd=crowd,
        taken_before=taken_before,
        held=held,
        taken=taken(town, issue_id),
        issue=issue.shown(),
    )


def _count(town: Town, issue_id: str, *states: str) -> int:
    """Count an issue's batches that are in one of these states."""
    with psycopg.connect(town.stack.database_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM delivery_batches WHERE issue_id = %s AND state::text = ANY(%s)",
            [issue_id, list(states)],
        ).fetchone()
    assert row
    return int(row[0])
