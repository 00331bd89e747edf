"""A warm-up: a new sender's mails a day, until mailbox providers know it.

They distrust an address that suddenly sends many mails, and defer or reject them.
"""

DAYS = 42
_FIRST = 200  # mails on the first day; on the last, a thousand times as many
_GROWTH = 1000


def allowance(day: int) -> int | None:
    """Return how many mails of issues may leave on a day, counted from 0; None once it is over."""
    return int(_FIRST * _GROWTH ** (day / (DAYS - 1))) if day < DAYS else None
