"""Asks DNS whether the sender's domain has a DMARC record."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING

from broadsheet.domain import dmarc
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.domain.subscribers import MailAddress

_KNOWN = 600  # seconds; as long as SES's answer about the sender
_PATIENCE = 1.0  # seconds for one question; an author waits for the preview


def lacks_of_sender(sender: MailAddress) -> str:
    """Return what DNS lacks for receivers to believe the sender; empty if nothing.

    Its answer counts for up to ten minutes. When no name server answers, the result is empty, too.
    """
    domain = str(sender).rpartition("@")[2].lower()
    if dmarc.is_reserved(domain):
        return ""
    # Only a preview asks, once in ten minutes.
    from dns.exception import DNSException  # noqa: PLC0415 - see above

    try:
        return _ask_about(domain, int(time.monotonic() / _KNOWN))
    except DNSException as error:
        logger.warning("no name server described the sender", error=type(error).__name__)
        return ""


@lru_cache(maxsize=1)
def _ask_about(domain: str, _period: int) -> str:
    name, _ = dmarc.nearest(domain, _texts)
    return "" if name else f"DNS has no DMARC record of {domain}"


def _texts(name: str) -> Sequence[str]:
    from dns import resolver  # noqa: PLC0415 - as above

    try:
        answer = resolver.resolve(name, "TXT", lifetime=_PATIENCE, search=False)
    except (resolver.NXDOMAIN, resolver.NoAnswer):
        return ()
    return [b"".join(record.strings).decode(errors="replace") for record in answer]
