"""The bodies of requests: the input shapes of botocore's ``sesv2``, as far as they are used.

Members without an effect here (a tenant, an endpoint, an identity's ARN) are ignored; ``sending``
refuses those that would change a mail.
"""

from typing import Annotated, Literal, Self

from pydantic import Base64Bytes, BaseModel, ConfigDict, StringConstraints, ValidationError
from pydantic.alias_generators import to_pascal
from pydantic_core import ErrorDetails

from ses_server.errors import SesError, bad_request

HeaderName = Annotated[
    str, StringConstraints(min_length=1, max_length=126, pattern=r"^[!-9;-@A-~]+$")
]
HeaderValue = Annotated[str, StringConstraints(min_length=1, max_length=995, pattern=r"^[ -~]*$")]
TemplateData = Annotated[str, StringConstraints(max_length=262_144)]
FileName = Annotated[  # SES wants an extension
    str, StringConstraints(max_length=255, pattern=r"^[^/\\]+\.[A-Za-z0-9]+$")
]
NonEmpty = Annotated[str, StringConstraints(min_length=1)]

# Errors of type rather than of value: SES can't parse the request.
_UNREADABLE = ("_type", "json_invalid", "base64_decode")

_CONSTRAINTS = {
    "missing": "Member must not be null",
    "string_too_long": "Member must have length less than or equal to {max_length}",
    "string_too_short": "Member must have length greater than or equal to {min_length}",
    "string_pattern_mismatch": "Member must satisfy regular expression pattern: {pattern}",
    "literal_error": "Member must satisfy enum value set: [{expected}]",
}


class Shape(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_pascal,
        frozen=True,
        extra="ignore",
        strict=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Parse a request's JSON; raises ``SesError`` in SES's words."""
        try:
            return cls.model_validate_json(body or b"{}")
        except ValidationError as error:
            raise _refusal(error.errors(include_url=False, include_input=False)) from error


def _refusal(details: list[ErrorDetails]) -> SesError:
    if any(detail["type"].endswith(_UNREADABLE) for detail in details):
        return SesError("SerializationException", f"{_path(details[0])}: {details[0]['msg']}")
    problems = "; ".join(
        f"Value at '{_path(detail)}' failed to satisfy constraint: {_constraint(detail)}"
        for detail in details
    )
    count = f"{len(details)} validation error{'s' if len(details) > 1 else ''} detected"
    return bad_request(f"{count}: {problems}")


def _path(detail: ErrorDetails) -> str:
    return ".".join(
        f"{part + 1}.member" if isinstance(part, int) else part[:1].lower() + part[1:]
        for part in detail["loc"]
    )


def _constraint(detail: ErrorDetails) -> str:
    words = _CONSTRAINTS.get(detail["type"])
    return words.format(**detail.get("ctx", {})) if words else detail["msg"]


class MessageHeader(Shape):
    name: HeaderName
    value: HeaderValue


class MessageTag(Shape):
    name: str
    value: str


class Destination(Shape):
    to_addresses: tuple[str, ...] = ()
    cc_addresses: tuple[str, ...] = ()
    bcc_addresses: tuple[str, ...] = ()


class Part(Shape):
    """botocore's ``Content``: a subject or one body."""

    data: str
    charset: str | None = None


class Body(Shape):
    text: Part | None = None
    html: Part | None = None


class Attachment(Shape):
    file_name: FileName
    raw_content: Base64Bytes
    content_type: Annotated[str, StringConstraints(min_length=1, max_length=78)] | None = None
    content_transfer_encoding: Literal["BASE64", "QUOTED_PRINTABLE", "SEVEN_BIT"] | None = None


class SimpleMessage(Shape):
    """botocore's ``Message``."""

    subject: Part
    body: Body
    headers: tuple[MessageHeader, ...] = ()
    attachments: tuple[Attachment, ...] = ()


class RawMessage(Shape):
    data: Base64Bytes


class TemplateContent(Shape):
    """botocore's ``EmailTemplateContent``."""

    subject: str | None = None
    text: str | None = None
    html: str | None = None


class Template(Shape):
    template_name: NonEmpty | None = None
    template_arn: NonEmpty | None = None
    template_content: TemplateContent | None = None
    template_data: TemplateData | None = None
    headers: tuple[MessageHeader, ...] = ()
    attachments: tuple[object, ...] = ()


class EmailContent(Shape):
    simple: SimpleMessage | None = None
    raw: RawMessage | None = None
    template: Template | None = None


class SendEmail(Shape):
    from_email_address: str | None = None
    destination: Destination | None = None
    reply_to_addresses: tuple[str, ...] = ()
    content: EmailContent
    email_tags: tuple[MessageTag, ...] = ()
    configuration_set_name: str | None = None
    list_management_options: object = None


class ReplacementTemplate(Shape):
    replacement_template_data: TemplateData | None = None


class ReplacementEmailContent(Shape):
    replacement_template: ReplacementTemplate | None = None


class BulkEmailEntry(Shape):
    destination: Destination
    replacement_tags: tuple[MessageTag, ...] = ()
    replacement_email_content: ReplacementEmailContent | None = None
    replacement_headers: tuple[MessageHeader, ...] = ()

    @property
    def data(self) -> str | None:
        content = self.replacement_email_content
        template = content.replacement_template if content else None
        return template.replacement_template_data if template else None


class BulkEmailContent(Shape):
    template: Template | None = None


class SendBulkEmail(Shape):
    from_email_address: str | None = None
    reply_to_addresses: tuple[str, ...] = ()
    default_email_tags: tuple[MessageTag, ...] = ()
    default_content: BulkEmailContent
    bulk_email_entries: tuple[BulkEmailEntry, ...]
    configuration_set_name: str | None = None


class CreateEmailIdentity(Shape):
    email_identity: NonEmpty
    configuration_set_name: str | None = None


class ListPage(Shape):
    """The body of a list operation that is a POST."""

    next_token: str | None = None
    page_size: int | None = None


SuppressedReason = Literal["BOUNCE", "COMPLAINT"]


class PutSuppressedDestination(Shape):
    email_address: str
    reason: SuppressedReason


class SuppressionOptions(Shape):
    suppressed_reasons: tuple[SuppressedReason, ...] | None = None


class SendingOptions(Shape):
    sending_enabled: bool = False


class CreateConfigurationSet(Shape):
    configuration_set_name: Annotated[
        str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")
    ]
    sending_options: SendingOptions | None = None
    suppression_options: SuppressionOptions | None = None


class PutEmailIdentityMailFrom(Shape):
    mail_from_domain: str | None = None


class PutEmailIdentityFeedback(Shape):
    email_forwarding_enabled: bool = False


class SnsDestination(Shape):
    topic_arn: NonEmpty


class EventDestinationDefinition(Shape):
    enabled: bool = False
    matching_event_types: tuple[str, ...] = ()
    sns_destination: SnsDestination | None = None


class CreateEventDestination(Shape):
    event_destination_name: NonEmpty
    event_destination: EventDestinationDefinition
