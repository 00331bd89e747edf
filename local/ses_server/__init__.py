"""An SES of our own, for the local stack and for tests.

It speaks the SES v2 HTTP API, renders and refuses as SES does, and keeps every mail with its
headers on disk before it answers. ``python -m local.ses_server`` runs it, with an inbox as a
web page on the same port; tests start it with ``running``:

>>> with running(directory, verified=["news@example.com"]) as server:  # doctest: +SKIP
...     client = boto3.client("sesv2", endpoint_url=server.url)
...     ...
...     (mail,) = server.mails(to="ursula@example.com")
"""

from local.ses_server.account import Account
from local.ses_server.events import Event, EventState
from local.ses_server.fates import EventType, Outcome
from local.ses_server.mails import Mail
from local.ses_server.publishing import Queue, Topic
from local.ses_server.record import Taking
from local.ses_server.server import Server, running

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
