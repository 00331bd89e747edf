"""Addresses on the web that an author chooses, and that functions of ours call."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

MOST_URL_CHARACTERS = 2000
HTTPS_PORT = 443
# A host's well-known ports belong to other services; a receiver has 443, or one of its own.
_FIRST_FREE_PORT = 1024
# Global unicast is 2000::/3 (RFC 4291 §2.4). All else is local, multicast or reserved, or holds an
# IPv4 address (::ffff:0:0/96; NAT64, RFC 6052); so does 6to4 (RFC 3056), which is within it.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_REFUSED = (
    ipaddress.IPv6Network("2001::/23"),  # Teredo, ORCHID and others of IANA's special purposes
    ipaddress.IPv6Network("2002::/16"),  # 6to4
    ipaddress.IPv6Network("3fff::/20"),  # documentation (RFC 9637)
    ipaddress.IPv4Network("192.88.99.0/24"),  # 6to4's relays (RFC 7526)
)


@dataclass(frozen=True)
class Target:
    """A whole address, parsed."""

    is_secure: bool
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str, *, anywhere: bool = False) -> Target:
        """Return what a URL leads to.

        ``anywhere``: whether it may be http, and any port. Raises ``ValueError`` with a code:
        ``url-invalid``, ``url-insecure``, ``url-with-user`` or ``url-port``.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("url-invalid") from None
        if parts.scheme != "https" and not (anywhere and parts.scheme == "http"):
            raise ValueError("url-insecure")
        if parts.username is not None or parts.password is not None:
            raise ValueError("url-with-user")
        if (
            not parts.hostname
            or len(url) > MOST_URL_CHARACTERS
            or not all("!" <= character <= "~" for character in url)
            or "\\" in url  # browsers and libraries disagree about it
        ):
            raise ValueError("url-invalid")
        is_secure = parts.scheme == "https"
        port = port or (HTTPS_PORT if is_secure else 80)
        if not anywhere and port != HTTPS_PORT and port < _FIRST_FREE_PORT:
            raise ValueError("url-port")
        path = parts.path or "/"
        return cls(
            is_secure, parts.hostname, port, f"{path}?{parts.query}" if parts.query else path
        )


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the public internet."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # with a zone, for example
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed not in _GLOBAL_UNICAST:
        return False
    return (
        parsed.is_global
        and not parsed.is_multicast
        and not any(parsed in network for network in _REFUSED if network.version == parsed.version)
    )
