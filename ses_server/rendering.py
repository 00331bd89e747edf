"""Render templates and messages as SES does."""

import json
import quopri
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import Header, decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default as default_policy
from email.utils import format_datetime

CRLF = "\r\n"
MAX_PLAIN_SUBJECT = 900  # below RFC 5322's 998 a line; a longer one is folded as encoded-words

_VARIABLE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)

type Headers = list[tuple[str, str]]


def variables(*templates: str | None) -> frozenset[str]:
    """Return the names of the templates' variables.

    Everything between two pairs of braces is a variable, even ``{{#if x}}``: in inline templates
    SES only substitutes, so such a name is always missing.
    """
    return frozenset(
        name.strip() for template in templates if template for name in _VARIABLE.findall(template)
    )


def values(data: Mapping[str, object]) -> dict[str, str]:
    """Return template data as text: strings as they are, the rest as JSON."""
    return {
        name: value if isinstance(value, str) else "" if value is None else json.dumps(value)
        for name, value in data.items()
    }


def substitute(template: str, data: Mapping[str, str]) -> str:
    """Insert the values, unescaped and not parsed again; a missing variable stays."""
    return _VARIABLE.sub(lambda found: data.get(found[1].strip(), found[0]), template)


def message_headers(  # noqa: PLR0913 — each is one header
    *,
    message_id: str,
    received_at: datetime,
    sender: str,
    reply_to: Iterable[str],
    to: Iterable[str],
    cc: Iterable[str],
    subject: str,
    custom: Iterable[tuple[str, str]],
    text: str | None,
    html: str | None,
) -> Headers:
    """Return the unfolded headers of the message that SES makes of these parts."""
    reply_to, to, cc = ", ".join(reply_to), ", ".join(to), ", ".join(cc)
    headers = [
        ("Return-Path", f"<{message_id}@amazonses.com>"),
        ("From", sender),
        ("Reply-To", reply_to),
        ("To", to),
        ("Cc", cc),
        ("Subject", _encoded(subject).replace(f"{CRLF} ", " ")),
        ("Message-ID", f"<{message_id}@email.amazonses.com>"),
        ("Date", format_datetime(received_at.astimezone(UTC))),
        ("MIME-Version", "1.0"),
        *custom,
        ("X-SES-Outgoing", f"{received_at:%Y.%m.%d}-127.0.0.1"),
        ("Feedback-ID", "::1.local.ses-server:AmazonSES"),
    ]
    headers = [(name, value) for name, value in headers if value]
    bodies = _bodies(text, html)
    if len(bodies) == 1:
        return headers + _part_headers(bodies[0][0])
    return [*headers, ("Content-Type", f'multipart/alternative; boundary="{message_id}"')]


def message(headers: Headers, *, message_id: str, text: str | None, html: str | None) -> bytes:
    """Return the RFC 5322 message: ASCII, with lines that end with CRLF."""
    head = _lines(headers)
    bodies = _bodies(text, html)
    if len(bodies) == 1:
        return f"{head}{CRLF}{_quoted_printable(bodies[0][1])}{CRLF}".encode("ascii")
    parts = "".join(
        f"--{message_id}{CRLF}{_lines(_part_headers(kind))}{CRLF}{_quoted_printable(body)}{CRLF}"
        for kind, body in bodies
    )
    return f"{head}{CRLF}{parts}--{message_id}--{CRLF}".encode("ascii")


def _bodies(text: str | None, html: str | None) -> list[tuple[str, str]]:
    return [(kind, body) for kind, body in (("plain", text), ("html", html)) if body is not None]


def _part_headers(kind: str) -> Headers:
    return [
        ("Content-Type", f"text/{kind}; charset=UTF-8"),
        ("Content-Transfer-Encoding", "quoted-printable"),
    ]


def _lines(headers: Headers) -> str:
    return "".join(f"{name}: {_folded(name, value)}{CRLF}" for name, value in headers)


def _folded(name: str, value: str) -> str:
    return value.replace("?= =?", f"?={CRLF} =?") if name == "Subject" else value


def _encoded(subject: str) -> str:
    subject = re.sub(r"[\x00-\x1f\x7f]+", " ", subject)  # a header is one line
    if subject.isascii() and "=?" not in subject and len(subject) <= MAX_PLAIN_SUBJECT:
        return subject
    return Header(subject, "utf-8", header_name="Subject").encode(linesep=CRLF)


def _quoted_printable(body: str) -> str:
    lines = body.replace(CRLF, "\n").replace("\r", "\n")
    return quopri.encodestring(lines.encode()).decode("ascii").replace("\n", CRLF)


def readable(value: str) -> str:
    """Decode a header's encoded-words as mail clients do; return the rest unchanged."""
    try:
        return str(make_header(decode_header(value)))
    except (MessageError, LookupError, ValueError):
        return value


def parse_raw(raw: bytes) -> EmailMessage:
    """Parse a raw message. Raises ``ValueError``."""
    head, blank, _ = re.split(rb"(\r?\n\r?\n|\Z)", raw, maxsplit=1)
    if not blank or not re.match(rb"[!-9;-~]+:", head):
        raise ValueError("Missing blank line between header and body")
    return BytesParser(_class=EmailMessage, policy=default_policy).parsebytes(raw)


def raw_as_received(raw: bytes, *, message_id: str, received_at: datetime) -> bytes:
    """Return a raw message as it arrives: SES sets Message-ID and Date, and removes others."""
    head, blank, body = re.split(rb"(\r?\n\r?\n)", raw, maxsplit=1)
    dropped = (b"message-id", b"date", b"return-path", b"bcc", b"x-ses-message-tags")
    fields = re.split(rb"\r?\n(?![ \t])", head)
    kept = [field for field in fields if field.partition(b":")[0].strip().lower() not in dropped]
    kept += [
        f"Message-ID: <{message_id}@email.amazonses.com>".encode(),
        f"Date: {format_datetime(received_at.astimezone(UTC))}".encode(),
        f"Return-Path: <{message_id}@amazonses.com>".encode(),
    ]
    return b"\r\n".join(kept) + blank + body


def unfolded_headers(raw: bytes) -> Headers:
    head = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0].decode("utf-8", "replace")
    fields = (field.partition(":") for field in re.split(r"\r?\n(?![ \t])", head))
    return [(name, re.sub(r"\r?\n[ \t]+", " ", value).strip()) for name, _, value in fields]


def body_of(parsed: EmailMessage, kind: str) -> str | None:
    """Return the ``plain`` or ``html`` body of a parsed raw message."""
    part = parsed.get_body((kind,))
    if part is None:
        return None
    try:
        content = part.get_content()
    except (LookupError, ValueError):
        return None
    return content if isinstance(content, str) else None
