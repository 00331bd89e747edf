"""A local Amazon SES, for development and for tests; see README.md.

``python -m ses_server`` runs it, with an inbox as a web page; tests start it with ``running``:

>>> with running(directory, verified=["news@example.com"]) as server:  # doctest: +SKIP
...     client = boto3.client("sesv2", endpoint_url=server.url)
...     ...
...     (mail,) = server.mails(to="ursula@example.com")

It misbehaves on command, and counts what it accepted:

>>> server.control.drop(take="first", count=3)  # doctest: +SKIP
>>> server.control.bounce(share=0.2, seed=7)  # doctest: +SKIP
>>> server.counts_by_recipient(issue="7", at_least=2)  # doctest: +SKIP
"""

from ses_server.account import Account
from ses_server.events import Event, EventState
from ses_server.fates import EventType, Outcome
from ses_server.mails import Mail
from ses_server.publishing import Queue, Topic
from ses_server.record import Taking
from ses_server.server import Server, running

__all__ = [
    "Account",
    "Event",
    "EventState",
    "EventType",
    "Mail",
    "Outcome",
    "Queue",
    "Server",
    "Taking",
    "Topic",
    "running",
]
