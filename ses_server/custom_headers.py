"""Custom headers: which of them SES accepts, and how many."""

from collections.abc import Sequence

from ses_server.errors import bad_request
from ses_server.requests import MessageHeader

# SES's guide, "Service quotas", and botocore's documentation of the shapes.
MAX_HEADERS = 15
MAX_HEADER_CHARACTERS = 996  # name and value together

# SES's guide, "Header fields": set by SES itself, "disallowed as custom headers".
FORBIDDEN_HEADERS = frozenset(
    [
        "bcc",
        "cc",
        "content-disposition",
        "content-type",
        "date",
        "from",
        "message-id",
        "mime-version",
        "reply-to",
        "return-path",
        "subject",
        "to",
    ]
)
# The same page: "can't appear more than once"; those of them that a caller may set.
SINGLE_HEADERS = frozenset(
    [
        "accept-language",
        "acceptlanguage",
        "archived-at",
        "auto-submitted",
        "bounces-to",
        "comments",
        "content-alternative",
        "content-base",
        "content-class",
        "content-description",
        "content-duration",
        "content-id",
        "content-language",
        "content-length",
        "content-location",
        "content-md5",
        "content-transfer-encoding",
        "delivered-to",
        "disposition-notification-options",
        "disposition-notification-to",
        "dkim-signature",
        "domainkey-signature",
        "errors-to",
        "importance",
        "in-reply-to",
        "keywords",
        "list-archive",
        "list-help",
        "list-id",
        "list-owner",
        "list-post",
        "list-subscribe",
        "list-unsubscribe",
        "list-unsubscribe-post",
        "message-context",
        "organization",
        "original-from",
        "original-message-id",
        "original-recipient",
        "original-subject",
        "precedence",
        "priority",
        "references",
        "return-receipt-to",
        "sender",
        "solicitation",
        "sensitivity",
        "thread-index",
        "thread-topic",
        "user-agent",
        "vbr-info",
    ]
)


def checked(headers: Sequence[MessageHeader]) -> list[tuple[str, str]]:
    """Return the headers as pairs; raises ``SesError`` for one that SES refuses."""
    if len(headers) > MAX_HEADERS:
        raise bad_request(f"Headers exceed the maximum of {MAX_HEADERS}")
    seen = set()
    for header in headers:
        name = header.name.lower()
        if name in FORBIDDEN_HEADERS:
            raise bad_request(f"Header '{header.name}' is set by SES and can't be a custom header")
        if name in SINGLE_HEADERS and name in seen:
            raise bad_request(f"Header '{header.name}' can't appear more than once")
        if len(header.name) + len(header.value) > MAX_HEADER_CHARACTERS:
            raise bad_request(
                f"Header '{header.name}' exceeds {MAX_HEADER_CHARACTERS} characters with its value"
            )
        seen.add(name)
    return [(header.name, header.value) for header in headers]
