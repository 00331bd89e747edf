"""One message of a call, checked: its recipients, headers, tags and template data."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ses_server import addresses, custom_headers
from ses_server.errors import bad_request
from ses_server.requests import BulkEmailEntry, Destination, MessageHeader, MessageTag

# SES's guide, "Service quotas", and botocore's documentation of the shapes.
MAX_RECIPIENTS = 50
MAX_TAGS = 50
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")


@dataclass(frozen=True)
class Outgoing:
    """A checked message; ``recipients`` are mailbox keys, each once."""

    to: Sequence[str]
    cc: Sequence[str]
    recipients: Collection[str]
    headers: Sequence[tuple[str, str]] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, object] = field(default_factory=dict)


def checked(
    destination: Destination,
    headers: Sequence[MessageHeader],
    tags: Mapping[str, str],
    data: Mapping[str, object] | None = None,
) -> Outgoing:
    """Return a message; raises ``SesError`` for what SES refuses in it."""
    texts = [
        *destination.to_addresses,
        *destination.cc_addresses,
        *destination.bcc_addresses,
    ]
    if not texts:
        raise bad_request("Destination must have at least one recipient")
    if len(texts) > MAX_RECIPIENTS:
        raise bad_request(f"Recipient count exceeds {MAX_RECIPIENTS}.")
    return Outgoing(
        to=destination.to_addresses,
        cc=destination.cc_addresses,
        recipients=dict.fromkeys(addresses.mailbox_key(addresses.parse(text)) for text in texts),
        headers=custom_headers.checked(headers),
        tags=tags,
        data=data or {},
    )


def of_entry(
    entry: BulkEmailEntry, headers: Sequence[MessageHeader], tags: Mapping[str, str]
) -> Outgoing:
    """Return an entry's message: the call's defaults, replaced by what the entry has of its own."""
    replaced = {header.name.lower() for header in entry.replacement_headers}
    kept = [header for header in headers if header.name.lower() not in replaced]
    return checked(
        entry.destination,
        [*kept, *entry.replacement_headers],
        {**tags, **tags_of(entry.replacement_tags)},
        data_of(entry.data),
    )


def size_of(destination: Destination) -> int:
    """Return the number of addresses."""
    return sum(
        map(
            len,
            (destination.to_addresses, destination.cc_addresses, destination.bcc_addresses),
        )
    )


def tags_of(tags: Sequence[MessageTag]) -> dict[str, str]:
    """Return the values by name; raises ``SesError``."""
    if len(tags) > MAX_TAGS:
        raise bad_request(f"Message tags exceed the maximum of {MAX_TAGS}")
    for tag in tags:
        if not _TAG.fullmatch(tag.name) or not _TAG.fullmatch(tag.value):
            raise bad_request(
                f"Message tag <{tag.name}> must consist of 1 to 256 ASCII letters, digits,"
                " underscores and dashes, and so must its value"
            )
    return {tag.name: tag.value for tag in tags}


def data_of(text: str | None) -> dict[str, object]:
    """Parse template data; raises ``SesError`` unless it is a JSON object."""
    if not text:
        return {}
    try:
        data = json.loads(text)
        if "\\ud" in text.lower():
            json.dumps(data, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise bad_request("Template rendering data is invalid") from error
    if not isinstance(data, dict):
        raise bad_request("Template rendering data is invalid")
    return data
