"""Where a domain's DMARC record is, which Gmail and Yahoo ask bulk senders for."""

from collections.abc import Callable, Sequence

# Names that are in no public DNS, whatever a name server answers (RFC 6761, RFC 2606).
RESERVED = ("example", "test", "invalid", "localhost", "local")


def is_reserved(domain: str) -> bool:
    """Return whether a domain is reserved for examples or for one machine."""
    return domain.rsplit(".", 1)[-1] in RESERVED


def nearest(domain: str, texts: Callable[[str], Sequence[str]]) -> tuple[str, Sequence[str]]:
    """Return the nearest name with DMARC records, and these; an empty name if there are none.

    A domain without a record is covered by those above it. ``texts``: looks up a name's TXT
    records.
    """
    labels = domain.split(".")
    for level in range(len(labels) - 1):
        name = f"_dmarc.{'.'.join(labels[level:])}"
        if records := [text for text in texts(name) if text.startswith("v=DMARC1")]:
            return name, records
    return "", ()
