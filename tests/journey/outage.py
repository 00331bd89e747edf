"""A database that is taken away while people go on asking, and brought back."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.journey.output import Line, said_beside_bodies
from tests.journey.people import FORM, ONE_CLICK, Answer, Issue, Reader, Town

KEY = {"Idempotency-Key": "published-into-an-outage"}
ISSUE = {"title": "Published into an outage", "markdown": "Hello again"}


@dataclass(frozen=True)
class Timed:
    """An answer, and the seconds it took."""

    answer: Answer
    seconds: float


@dataclass(frozen=True)
class Outage:
    """What was asked for meanwhile, and what came of it once the database was back."""

    new: Reader
    confirming: Reader
    leaving: Reader
    staying: Reader
    signed_up: Timed
    confirmed: Timed
    unsubscribed: Timed
    published: Timed
    sign_up_page: Answer
    archive: list[Answer]
    said_meanwhile: list[Line]
    published_after: Answer
    issue: Issue


def suffer(town: Town) -> Outage:
    """Take the database away, ask for everything, and bring it back."""
    staying, leaving = town.subscriber("Stays Here"), town.subscriber("Leaves Now")
    earlier = town.publish().sent()
    new, confirming = town.reader("New Here"), town.reader("Confirms Now")
    confirming.sign_up()
    link = confirming.confirmation_link()
    one_click = leaving.the_copy(earlier).one_click

    page = f"/archive/{earlier.shown()['slug']}"
    town.stack.stop_database()
    try:
        with ThreadPoolExecutor() as pool:
            publishing = pool.submit(
                timed, lambda: town.ask_as_author("POST", "/issues", json=ISSUE, headers=KEY)
            )
            signed_up = timed(new.sign_up)
            confirmed = timed(lambda: town.ask("POST", link))
            unsubscribed = timed(lambda: town.ask("POST", one_click, body=ONE_CLICK, headers=FORM))
            sign_up_page = town.ask("GET", "/")
            archive = [town.ask("GET", path) for path in ("/archive", page, "/feed.xml")]
            said_meanwhile = said_beside_bodies(town.stack)
            published = publishing.result()
    finally:
        town.stack.start_database()
    town.await_readers_wishes()

    published_after = town.ask_as_author("POST", "/issues", json=ISSUE, headers=KEY)
    issue = Issue(town, ISSUE["title"], published_after.headers["Location"], published_after)
    return Outage(
        new=new,
        confirming=confirming,
        leaving=leaving,
        staying=staying,
        signed_up=signed_up,
        confirmed=confirmed,
        unsubscribed=unsubscribed,
        published=published,
        sign_up_page=sign_up_page,
        archive=archive,
        said_meanwhile=said_meanwhile,
        published_after=published_after,
        issue=issue.sent(),
    )


def timed(ask: Callable[[], Answer]) -> Timed:
    started = time.monotonic()
    return Timed(ask(), time.monotonic() - started)
