"""What the messages of a call share, checked: simple, templated or raw."""

import mimetypes
from collections.abc import Sequence
from dataclasses import replace
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import getaddresses

from ses_server import addresses, outgoing, rendering
from ses_server.errors import bad_request, not_found
from ses_server.mails import Content
from ses_server.outgoing import Outgoing
from ses_server.requests import (
    Destination,
    EmailContent,
    MessageHeader,
    SendEmail,
    SimpleMessage,
    Template,
)

# SES's guide, "Service quotas", and botocore's documentation of the shapes.
MAX_TEMPLATE_BYTES = 1024 * 1024  # as JSON
MAX_MESSAGE_BYTES = 40 * 1024 * 1024


def require_one_kind(content: EmailContent) -> None:
    """Raise ``SesError`` unless the content is either simple, raw or a template."""
    if sum(kind is not None for kind in (content.simple, content.raw, content.template)) != 1:
        raise bad_request("Content must have exactly one of Simple, Raw and Template")


def of_email(request: SendEmail) -> tuple[Content, Outgoing]:
    """Return the content and the message of a SendEmail; raises ``SesError``."""
    content = request.content
    if content.raw:
        return _raw(request, content.raw.data)
    if content.simple and content.simple.attachments:
        return _raw(request, _composed(request, content.simple))
    sender = checked_sender(request.from_email_address)
    reply_to = checked_reply_to(request.reply_to_addresses)
    if content.simple:
        shared, headers = _simple(content.simple, sender, reply_to)
    else:
        shared, headers = of_template(content.template, sender, reply_to)
    destination = request.destination or Destination()
    return shared, outgoing.checked(destination, headers, outgoing.tags_of(request.email_tags))


def checked_sender(text: str | None) -> str:
    """Return the sender as given; raises ``SesError``."""
    if not text:
        raise bad_request("FromEmailAddress is missing")
    addresses.parse(text)
    return text


def checked_reply_to(texts: Sequence[str]) -> Sequence[str]:
    """Return the addresses as given; raises ``SesError``."""
    for text in texts:
        addresses.parse(text)
    return texts


def _simple(
    simple: SimpleMessage, sender: str, reply_to: Sequence[str]
) -> tuple[Content, Sequence[MessageHeader]]:
    text, html = _bodies(simple)
    shared = Content(
        sender=sender,
        reply_to=reply_to,
        subject=simple.subject.data,
        text=text,
        html=html,
    )
    return shared, simple.headers


def _bodies(simple: SimpleMessage) -> tuple[str | None, str | None]:
    text, html = simple.body.text, simple.body.html
    if text is None and html is None:
        raise bad_request("Body must have at least one of Text and Html")
    return (text.data if text else None, html.data if html else None)


def _composed(request: SendEmail, simple: SimpleMessage) -> bytes:
    """Return the message that SES makes of a simple one with attachments."""
    text, html = _bodies(simple)
    message = EmailMessage(policy=SMTP)
    message["From"] = checked_sender(request.from_email_address)
    if request.reply_to_addresses:
        message["Reply-To"] = ", ".join(checked_reply_to(request.reply_to_addresses))
    message["To"] = ", ".join((request.destination or Destination()).to_addresses)
    message["Subject"] = simple.subject.data
    for header in simple.headers:
        message[header.name] = header.value
    message.set_content(text if text is not None else "")
    if html is not None:
        message.add_alternative(html, subtype="html")
    for attachment in simple.attachments:
        guessed, _ = mimetypes.guess_type(attachment.file_name)
        media_type = attachment.content_type or guessed or "application/octet-stream"
        main, _, sub = media_type.partition("/")
        message.add_attachment(
            attachment.raw_content, maintype=main, subtype=sub, filename=attachment.file_name
        )
    return message.as_bytes()


def of_template(
    template: Template | None, sender: str, reply_to: Sequence[str]
) -> tuple[Content, Sequence[MessageHeader]]:
    """Return the content and the headers of a template; raises ``SesError``."""
    if template is None:
        raise bad_request("Template is missing")
    if template.attachments:
        raise bad_request("Attachments of a template are not known to the local SES server")
    content = template.template_content
    if content is None:
        name = template.template_name or template.template_arn
        if name is None:
            raise bad_request("Template must have TemplateContent, TemplateName or TemplateArn")
        raise not_found(f"Template {name} does not exist")
    if not content.subject:
        raise bad_request("TemplateContent must have a Subject")
    if content.text is None and content.html is None:
        raise bad_request("TemplateContent must have at least one of Text and Html")
    if len(content.model_dump_json(by_alias=True).encode()) > MAX_TEMPLATE_BYTES:
        raise bad_request(f"TemplateContent exceeds the maximum of {MAX_TEMPLATE_BYTES} bytes")
    shared = Content(
        sender=sender,
        reply_to=reply_to,
        subject=content.subject,
        text=content.text,
        html=content.html,
        default_data=outgoing.data_of(template.template_data),
    )
    return shared, template.headers


def _raw(request: SendEmail, raw: bytes) -> tuple[Content, Outgoing]:
    if len(raw) > MAX_MESSAGE_BYTES:
        raise bad_request(f"Message length is more than {MAX_MESSAGE_BYTES} bytes long")
    try:
        parsed = rendering.parse_raw(raw)
    except ValueError as error:
        raise bad_request(str(error)) from error
    sender = checked_sender(request.from_email_address or str(parsed.get("From", "")))
    to, cc = _listed(parsed, "To"), _listed(parsed, "Cc")
    destination = request.destination or Destination(
        ToAddresses=to, CcAddresses=cc, BccAddresses=_listed(parsed, "Bcc")
    )
    message = outgoing.checked(destination, [], outgoing.tags_of(request.email_tags))
    return Content(sender=sender, raw=raw), replace(message, to=to, cc=cc)


def _listed(parsed: EmailMessage, name: str) -> tuple[str, ...]:
    return tuple(address for _, address in getaddresses(map(str, parsed.get_all(name, []))))
