"""Addresses as SES parses them: ``name <local@domain>`` or ``local@domain``, in ASCII."""

import re

from ses_server.errors import bad_request

MAX_ADDRESS_CHARACTERS = 320  # SES's, of the encoded name and the address together

_NAMED = re.compile(r'\s*(?P<name>"(?:[^"\\]|\\.)*"|[^<>"]*)\s*<(?P<address>[^<>]*)>\s*')
_ORDINARY = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
)
_QUOTED_LOCAL = re.compile(r'"(?:[ !#-\[\]-~]|\\[ -~])*"')


def parse(text: str) -> str:
    """Return the bare address of ``text``; raises ``SesError`` in SES's words."""
    if len(text) > MAX_ADDRESS_CHARACTERS:
        raise bad_request(f"Address length is more than {MAX_ADDRESS_CHARACTERS} bytes long")
    named = _NAMED.fullmatch(text)
    if named and (not named["name"].isascii() or not named["name"].isprintable()):
        # SES's guide: a sender name outside of ASCII must come as an RFC 2047 encoded-word.
        raise bad_request("Friendly name contains characters that are not encoded as RFC 2047 asks")
    address = bare(text)
    if not _ORDINARY.fullmatch(address):
        _explain(address)
    return address


def bare(text: str) -> str:
    """Return the address of a valid ``text``, without its name."""
    named = _NAMED.fullmatch(text)
    return named["address"].strip() if named else text.strip()


def _explain(address: str) -> None:
    local, at, domain = address.rpartition("@")
    if not at or not domain:
        raise bad_request("Missing final '@domain'")
    if not local:
        raise bad_request("Missing local name")
    if not local.isascii():
        raise bad_request("Local address contains non-ASCII characters")
    if domain.startswith("."):
        raise bad_request("Domain starts with dot")
    if ".." in domain:
        raise bad_request("Domain contains dot-dot")
    if re.search(r"[^A-Za-z0-9.-]", domain):
        raise bad_request("Domain contains illegal character")
    if "." not in domain.strip("."):
        raise bad_request(f"Invalid domain name: '{domain}'")
    if re.search(r"[\x00-\x20\x7f]", local) and not _QUOTED_LOCAL.fullmatch(local):
        raise bad_request("Local address contains control or whitespace")
    if not _QUOTED_LOCAL.fullmatch(local):
        raise bad_request("Illegal address")


def mailbox_key(address: str) -> str:
    """Return the key of an address's mailbox, whatever its capitals."""
    return address.lower()


def identities_covering(address: str) -> list[str]:
    """Return the identities of which one must be verified for ``address`` to send.

    For SES these are the address itself (its local part in its own case), the address without its
    ``+label``, its domain, and the domains above that.
    """
    local, _, domain = address.rpartition("@")
    domain = domain.lower()
    labels = domain.split(".")
    return [
        f"{local}@{domain}",
        f"{local.partition('+')[0]}@{domain}",
        *(".".join(labels[level:]) for level in range(len(labels))),
    ]


def identity_name(identity: str) -> str:
    """Return an identity as it is stored: its domain in lower case, its local part as given."""
    local, at, domain = identity.rpartition("@")
    return f"{local}{at}{domain.lower()}"
