"""What readers ask for at the edge, as it goes through RequestsQueue.

A request's time is when the edge received it. Every rule compares these times, because the queue
may repeat messages and change their order.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from uuid import UUID, uuid4, uuid5

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
)

from broadsheet.domain.authors import AuthorName
from broadsheet.domain.issues import NO_ISSUE, IssueId
from broadsheet.domain.strict_mode import Withheld
from broadsheet.domain.subscribers import (
    PARSED_BEFORE,
    EmailAddress,
    Language,
    SourceAddress,
    SubscriberId,
    SubscriberName,
)
from broadsheet.domain.tags import Tags
from broadsheet.domain.times import Timestamp
from broadsheet.domain.writing import is_blank

MAX_USER_AGENT_CHARACTERS = 256


def _in_milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


type Moment = Annotated[Timestamp, AfterValidator(_in_milliseconds)]


def now() -> datetime:
    """Return the current time, in whole milliseconds."""
    return _in_milliseconds(datetime.now(UTC))


def none_if_blank(name: object) -> object:
    """Return a name, or that there is none."""
    return None if isinstance(name, str) and is_blank(name) else name


class SignUp(BaseModel):
    """What a reader gives of themselves: all that a new subscriber is made from.

    ``tags``: those chosen of the tags that were offered; None if none were.
    A new field has a default: messages on the queue and links in mails may be older than it.
    """

    model_config = ConfigDict(frozen=True)

    email: EmailAddress
    name: Annotated[SubscriberName | None, BeforeValidator(none_if_blank)] = None
    language: Language = "en"
    tags: Tags | None = None


class ConfirmationToken(SignUp):
    """The signed content of a confirmation link: a sign-up, and when its mail was made.

    ``sign_up_id``: of the request; None in links from before it was in them.
    """

    issued_at: Moment = Field(default_factory=now)
    sign_up_id: UUID | None = None

    @classmethod
    def of(cls, sign_up: "SubscribeRequest") -> Self:
        """Return the token, issued now, of a sign-up."""
        return cls.model_validate(_fields_of(sign_up) | {"sign_up_id": sign_up.id})


class SignUpState(SignUp):
    """The signed content of the form that asks for the code: a sign-up, and its wrong codes.

    ``wrong_codes`` counts those of a person who corrects them on one page after the other. Enroll
    counts all.
    """

    id: UUID
    received_at: Moment
    wrong_codes: int = Field(default=0, ge=0, strict=True)

    @classmethod
    def of(cls, sign_up: "SubscribeRequest") -> Self:
        """Return the state of a new sign-up."""
        return cls.model_validate(
            _fields_of(sign_up) | {"id": sign_up.id, "received_at": sign_up.received_at}
        )

    def after_wrong_code(self) -> Self:
        """Return the state with one more wrong code."""
        return self.model_copy(update={"wrong_codes": self.wrong_codes + 1})

    def confirmation(self) -> ConfirmationToken:
        """Return what the right code confirms: as old as the sign-up."""
        return ConfirmationToken.model_validate(
            _fields_of(self) | {"issued_at": self.received_at, "sign_up_id": self.id}
        )


def _fields_of(sign_up: SignUp) -> dict[str, object]:
    return {name: getattr(sign_up, name) for name in SignUp.model_fields}


class UnsubscribeToken(BaseModel):
    """The signed content of an unsubscribe link, which never expires."""

    model_config = ConfigDict(frozen=True)

    subscriber_id: SubscriberId
    issue_id: IssueId


class ManageToken(BaseModel):
    """The signed content of a link to the page that manages a subscription; it never expires.

    ``issue_id``: of the mail with the link, if that is an issue. ``issued_at``: when the link was
    mailed on request; None in an issue's mail.
    """

    model_config = ConfigDict(frozen=True)

    subscriber_id: SubscriberId
    issue_id: IssueId = NO_ISSUE
    issued_at: Moment | None = None

    def was_mailed_since(self, moved_at: datetime | None) -> bool:
        """Return whether the link was mailed on request to the address of now.

        ``moved_at``: since when the subscriber has it; None if they had no other. What only its
        owner may do isn't done for the owner of an earlier one.
        """
        return self.issued_at is not None and (moved_at is None or self.issued_at > moved_at)


class AddressToken(BaseModel):
    """The signed content of a link that was mailed to a subscriber's new address."""

    model_config = ConfigDict(frozen=True)

    subscriber_id: SubscriberId
    email: EmailAddress
    issued_at: Moment = Field(default_factory=now)


class Origin(BaseModel):
    """Where a request came from: for the consent log and the budgets."""

    model_config = ConfigDict(frozen=True)

    source_address: SourceAddress
    user_agent: str = Field(default="", max_length=MAX_USER_AGENT_CHARACTERS)


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: UUID = Field(default_factory=uuid4)
    received_at: Moment = Field(default_factory=now)
    origin: Origin


class SubscribeRequest(_Request, SignUp):
    """Somebody submitted the sign-up form.

    ``proof``: what shows that it was no stranger's program; that of a form counts once, by its
    ``nonce``. ``import_id``: of the import whose author has the person asked to confirm.
    ``author``: who signs the person up, as the log has it, and which tags they give them.
    """

    kind: Literal["subscribe"] = "subscribe"
    proof: Literal["form", "author"] | None = None
    nonce: UUID | None = None
    import_id: UUID | None = None
    author: AuthorName | None = None
    author_tags: Tags = ()


class ReleaseRequest(BaseModel):
    """The operator has sign-ups mailed that were kept without a mail."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["release"] = "release"
    id: UUID = Field(default_factory=uuid4)
    reasons: tuple[Withheld, ...]
    since: Timestamp | None = None
    until: Timestamp | None = None

    def next(self) -> Self:
        """Return the request that releases what this one left."""
        return self.model_copy(update={"id": uuid5(self.id, "next")})


type Way = Literal["code", "same-browser", "button", "api"]


class ConfirmRequest(_Request):
    """A reader confirmed.

    ``way``: by the code; by the link in the browser that signed up; by the button behind the link,
    which is all that can be said of it; or by a program, which asked for no page.
    """

    kind: Literal["confirm"] = "confirm"
    token: ConfirmationToken
    way: Way = "button"


class WrongCodeRequest(_Request):
    """Somebody typed a wrong code for a sign-up."""

    kind: Literal["wrong_code"] = "wrong_code"
    sign_up_id: UUID


type LeavingWay = Literal["link", "one-click", "page", "mail"]


class UnsubscribeRequest(_Request):
    """A reader, or their mail client, asks for no more mail.

    ``way``: by the button behind the link in a mail; by a mail client's one click; on the page
    that manages a subscription; or by a mail, which the operator passes on. None in older requests.
    """

    kind: Literal["unsubscribe"] = "unsubscribe"
    token: UnsubscribeToken
    way: LeavingWay | None = None


class ManageLinkRequest(_Request):
    """Somebody wants the link to their subscription mailed.

    ``reader``: an address that was typed, or whose link it was that can do too little.
    """

    kind: Literal["manage_link"] = "manage_link"
    reader: EmailAddress | SubscriberId


class ChangeNameRequest(_Request):
    """A reader wants to be called something else, or nothing."""

    kind: Literal["change_name"] = "change_name"
    token: ManageToken
    name: Annotated[SubscriberName | None, BeforeValidator(none_if_blank)]


class ChangeLanguageRequest(_Request):
    """A reader wants mails in another language."""

    kind: Literal["change_language"] = "change_language"
    token: ManageToken
    language: Language


class ChangeTagsRequest(_Request):
    """A reader wants these of the tags that the newsletter offers, and none of the others."""

    kind: Literal["change_tags"] = "change_tags"
    token: ManageToken
    tags: Tags


class ChangeAddressRequest(_Request):
    """A reader wants their mail at another address, which has to confirm it."""

    kind: Literal["change_address"] = "change_address"
    token: ManageToken
    email: EmailAddress


class ConfirmAddressRequest(_Request):
    """A reader pressed the button behind the link that was mailed to their new address.

    ``language``: of the page with the button.
    """

    kind: Literal["confirm_address"] = "confirm_address"
    token: AddressToken
    language: Language = "en"


class ExportRequest(_Request):
    """A reader wants all that is stored about them, mailed to their address."""

    kind: Literal["export"] = "export"
    token: ManageToken


class EraseRequest(_Request):
    """A reader wants all that is stored about them erased."""

    kind: Literal["erase"] = "erase"
    token: ManageToken


type ManagingRequest = (
    ManageLinkRequest
    | ChangeNameRequest
    | ChangeLanguageRequest
    | ChangeTagsRequest
    | ChangeAddressRequest
    | ConfirmAddressRequest
    | ExportRequest
    | EraseRequest
)

type SubscriberRequest = (
    SubscribeRequest | ConfirmRequest | WrongCodeRequest | UnsubscribeRequest | ManagingRequest
)

type QueuedRequest = Annotated[SubscriberRequest | ReleaseRequest, Field(discriminator="kind")]

_subscriber_request: TypeAdapter[QueuedRequest] = TypeAdapter(QueuedRequest)


def read_queued(body: str) -> QueuedRequest:
    """Return the request of one of our messages. Raises ``ValidationError``."""
    return _subscriber_request.validate_json(body, context=PARSED_BEFORE)
