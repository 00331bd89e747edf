"""People as files of other newsletters hold them: what an import reads and an export writes.

These are made a million times an import, so they check nothing; whoever takes them parses what
becomes part of a subscriber: the address, the tags.
"""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class PeopleFormat(StrEnum):
    """A format of people's files, each both read and written."""

    CSV = "csv"  # our own, and everybody's
    MAILCHIMP = "mailchimp"
    SUBSTACK = "substack"
    GHOST = "ghost"
    BUTTONDOWN = "buttondown"
    LISTMONK = "listmonk"  # its CSV
    LISTMONK_API = "listmonk-api"  # GET /api/subscribers: JSON
    BEEHIIV = "beehiiv"
    KEILA = "keila"
    KIT = "kit"
    BREVO = "brevo"
    CURATED = "curated"


class Standing(StrEnum):
    """What a file says of somebody, as far as it decides whether they get mail."""

    SUBSCRIBED = "subscribed"
    TO_CONFIRM = "to_confirm"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"

    @property
    def has_left(self) -> bool:
        """Whether they must not get mail, whatever else the file says."""
        return self in _LEFT


_LEFT = frozenset({Standing.UNSUBSCRIBED, Standing.BOUNCED, Standing.COMPLAINED})


class Person(NamedTuple):
    """Somebody as a file describes them.

    ``email``: as written there, which may be no address. ``name``: fit for a ``SubscriberName``.
    ``consented_at``: None exactly for nobody who is subscribed: without a date they are to confirm.
    ``left_at``: None also if the file has no date. ``source``: where the consent was given, or
    which column of which peer has its date.
    """

    email: str
    name: str | None = None
    status: Standing = Standing.TO_CONFIRM
    consented_at: datetime | None = None
    signed_up_at: datetime | None = None
    left_at: datetime | None = None
    tags: tuple[str, ...] = ()
    language: str | None = None
    source: str = ""


class Unusable(NamedTuple):
    """What can't become a person, or is left out on purpose: where it begins, and why.

    ``code``: as in ``no-address``. ``detail``: what the file says there, cut short; for a report,
    not for logs. ``file``: the member of an archive in which ``line`` is counted, from 1.
    """

    line: int
    code: str
    detail: str = ""
    file: str = ""
