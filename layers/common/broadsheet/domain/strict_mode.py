"""When sign-ups need proof: rules on how many confirmations were asked for, and how many given."""

from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

WINDOW = timedelta(hours=1)
# Two minutes after its mail, a twentieth of real readers has confirmed many times over; of those
# whom somebody else signed up, next to none ever does.
SETTLED_AFTER = timedelta(minutes=2)
FEWEST_ASKED = 100  # settled mails of an hour; fewer say nothing, and harm few
BEGINS_BELOW = 0.05  # of the settled mails are confirmed
ENDS_ABOVE = 0.1
ENDS_BELOW_ASKED = 50


class Completion(NamedTuple):
    """Confirmations in the window: asked for long enough ago, and given.

    ``asked`` includes those that strict mode withheld, so that it lasts as long as its cause.
    """

    asked: int
    confirmed: int


class Withheld(StrEnum):
    """Why a sign-up was kept without a mail."""

    UNPROVEN = "unproven"  # in strict mode
    SOURCE = "source"  # its budget of the hour was used up
    DOMAIN = "domain"


def is_strict(completion: Completion, *, was_strict: bool) -> bool:
    """Return whether sign-ups need proof from now on."""
    asked, confirmed = completion
    if was_strict:
        return asked >= ENDS_BELOW_ASKED and confirmed < ENDS_ABOVE * asked
    return asked >= FEWEST_ASKED and confirmed < BEGINS_BELOW * asked
