"""An SES of our own, for the local stack and for tests.

It speaks the SES v2 HTTP API, renders and refuses as SES does, keeps every mail with its headers
and events on disk before it answers, and publishes the events. ``python -m ses_server``
runs it, with an inbox as a web page on the same port; tests start it with ``running``:

>>> with running(directory, verified=["news@example.com"]) as server:  # doctest: +SKIP
...     client = boto3.client("sesv2", endpoint_url=server.url)
...     ...
...     (mail,) = server.mails(to="ursula@example.com")

It misbehaves on command (``control``; over HTTP, ``control_api``), and has its own record of what
it took:

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
