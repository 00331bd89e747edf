"""Checks links: what they are called, and where they lead."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from broadsheet.domain.findings import Findings
    from broadsheet.mail.checks.outline import Link, Outline

# Spam filters distrust them, since they hide where a link leads.
_SHORTENERS = frozenset(
    (
        *("bit.ly", "bitly.com", "buff.ly", "cutt.ly", "dlvr.it", "goo.gl", "is.gd", "j.mp"),
        *("ow.ly", "rb.gy", "rebrand.ly", "s.id", "short.io", "shorturl.at", "snip.ly", "t.co"),
        *("t.ly", "tiny.cc", "tinyurl.com", "tr.im", "trib.al", "v.gd", "wp.me", "lnkd.in"),
    )
)
# "socket.io" and "README.md" are names; what ends like these is meant as an address.
_LIKE_A_HOST = re.compile(
    r"(?:https?://|www\.)\S+|(?:[\w-]+\.)+(?:com|org|net)(?:[/:?#]\S*)?", re.IGNORECASE
)
_LIKE_AN_ADDRESS = re.compile(r"[^\s@]+@[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)


def check(outline: Outline, findings: Findings) -> None:
    """Report links without a name, with the name of another address, and shortened ones."""
    for link in outline.links:
        if not link.address:
            continue  # a finding of its own
        if not link.name.strip():
            findings.add("empty-link-text", link.where, address=link.address)
        elif _names_another(link):
            findings.add(
                "link-text-is-another-address", link.where, text=link.name, address=link.address
            )
        if _host(link.address) in _SHORTENERS:
            findings.add("url-shortener", link.where, address=link.address)


def _names_another(link: Link) -> bool:
    name = link.name.strip().rstrip(".,;:!?")
    if "[[" in name or "[[" in link.address:
        return False  # it differs by reader
    if _LIKE_AN_ADDRESS.fullmatch(name) and link.address.lower().startswith("mailto:"):
        return link.address[len("mailto:") :].partition("?")[0].lower() != name.lower()
    if not _LIKE_A_HOST.fullmatch(name) or not link.address.lower().startswith("http"):
        return False
    named = _host(name if "://" in name else f"https://{name}")
    led = _host(link.address)
    # A page of the same house, such as shop.example.com for example.com, misleads nobody.
    return not (led == named or led.endswith(f".{named}") or named.endswith(f".{led}"))


def _host(address: str) -> str:
    try:
        host = urlsplit(address.strip()).hostname or ""
    except ValueError:
        return ""
    with suppress(UnicodeError):  # a label that is too long is compared as it is
        host = host.encode("idna").decode()
    return host.removeprefix("www.").rstrip(".")
