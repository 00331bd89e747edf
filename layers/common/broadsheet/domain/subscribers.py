"""Who subscribes: addresses, names and states that can't hold an invalid value."""

import ipaddress
import re
from enum import StrEnum
from typing import Annotated, LiteralString, Self
from uuid import UUID, uuid4

from pydantic import (
    ConfigDict,
    RootModel,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from broadsheet.domain.refusals import refusal
from broadsheet.domain.writing import count_graphemes, has_controls, is_blank

MAX_NAME_GRAPHEMES = 256  # the book's rule
MAX_NAME_CHARACTERS = 2048  # one grapheme may be endless code points; the database bounds it too
FORBIDDEN_NAME_CHARACTERS = frozenset('/()"<>\\{}')  # the book's rule
MAX_EMAIL_CHARACTERS = 254  # RFC 5321 §4.5.3.1.3, less the angle brackets
# BCP 47, in the length that every program takes (RFC 5646 §4.4.1).
Language = Annotated[
    str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)
]
_STORED_ADDRESS = re.compile(r"[!-?\[-~]{1,64}@[!-?\[-~]+\.[!-?\[-~]+")
_STORED_SOURCE = re.compile(r"[0-9a-f.:]{2,45}")

# The context to validate in what was parsed before it was put onto a queue of ours: parsing each
# address again takes a seventh of the time that applying a sign-up does.
PARSED_BEFORE = {"is_parsed": True}


def _is_parsed(info: ValidationInfo) -> bool:
    return info.context == PARSED_BEFORE


def _fault_of_address(text: str) -> LiteralString:
    """Return the code for what is wrong with an address that can't be parsed."""
    before, at, _ = text.rpartition("@")
    faults: dict[LiteralString, bool] = {
        "address-without-at": not at,
        "address-without-mailbox": not before,
        "address-with-brackets": "<" in text or ">" in text,
        "address-with-characters": " " in text or not text.isprintable(),
        "address-more-than-one": "@" in before or "," in text or ";" in text,
        "address-with-dots": ".." in text or ".." in f".{before}.",
    }
    return next((code for code, is_so in faults.items() if is_so), "address-invalid")


class MailAddress(RootModel[str]):
    """An address that SES can send to and from.

    The part before the @ keeps its case, by which SES distinguishes identities. An
    international domain becomes punycode, which is what SES takes. An error has a code, whose
    sentence ``web/sentences.py`` makes.
    """

    model_config = ConfigDict(frozen=True)

    @field_validator("root")
    @classmethod
    def _parse(cls, text: str, info: ValidationInfo) -> str:
        if _is_parsed(info) and _STORED_ADDRESS.fullmatch(text):
            return text
        text = text.strip()
        if not text:
            raise refusal("address-needed")
        if len(text) > MAX_EMAIL_CHARACTERS:
            raise refusal("address-too-long", most=MAX_EMAIL_CHARACTERS)
        local_part = text.rpartition("@")[0]
        if local_part and not local_part.isascii():
            raise refusal("address-not-ascii")
        domain = text.rpartition("@")[2]
        if "@" in text and "." not in domain.strip("."):
            raise refusal("address-without-domain")
        # Not every function that knows addresses parses any: a tenth of a cold import.
        from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415

        try:
            address = validate_email(
                text,
                check_deliverability=False,
                allow_smtputf8=False,
                strict=True,  # 64 characters before the @ (RFC 5321 §4.5.3.1.1)
                test_environment=True,
            )
        except EmailNotValidError:
            raise refusal(_fault_of_address(text)) from None
        return address.ascii_email or address.normalized

    def __str__(self) -> str:
        return self.root

    @property
    def domain(self) -> str:
        """The part after the @."""
        return self.root.rpartition("@")[2]


class EmailAddress(MailAddress):
    """A reader's address in the one form we store: case folded, so that one mailbox is one."""

    @staticmethod
    def is_stored_form(text: str) -> bool:
        """Return whether a text can be an address that was parsed before it was stored.

        Parsing every address again would take as long as sending the mails.
        """
        return _STORED_ADDRESS.fullmatch(text) is not None

    @field_validator("root")
    @classmethod
    def _fold(cls, text: str) -> str:
        return text.lower()


class StoredAddress(RootModel[str]):
    """An address that was parsed as an ``EmailAddress`` before it was stored.

    Parsing it again would load the parser at each cold start.
    """

    model_config = ConfigDict(frozen=True)

    @field_validator("root")
    @classmethod
    def _check(cls, text: str) -> str:
        if not EmailAddress.is_stored_form(text):
            raise ValueError("this is not an address as we store it")
        return text

    @classmethod
    def of(cls, email: EmailAddress) -> Self:
        """Return an address as it is stored."""
        return cls(str(email))

    def __str__(self) -> str:
        return self.root


class SubscriberName(RootModel[str]):
    """A name as a person writes it: trimmed, at most 256 grapheme clusters, no markup."""

    model_config = ConfigDict(frozen=True)

    @field_validator("root")
    @classmethod
    def _parse(cls, text: str) -> str:
        text = text.strip()
        if is_blank(text):
            raise refusal("name-needed")
        if len(text) > MAX_NAME_CHARACTERS or count_graphemes(text) > MAX_NAME_GRAPHEMES:
            raise refusal("name-too-long", most=MAX_NAME_GRAPHEMES)
        forbidden = sorted(FORBIDDEN_NAME_CHARACTERS.intersection(text))
        if forbidden:
            raise refusal("name-with-signs", signs=" ".join(forbidden))
        if has_controls(text):
            raise refusal("name-with-controls")
        return text

    def __str__(self) -> str:
        return self.root


class SubscriberId(RootModel[UUID]):
    """Names one subscriber for good."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def new(cls) -> Self:
        """Make an id that no other subscriber has."""
        return cls(uuid4())

    def __str__(self) -> str:
        return str(self.root)


class SubscriberStatus(StrEnum):
    """``pending → confirmed → unsubscribed``; also ``bounced`` and ``complained``."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


class DueMail(StrEnum):
    """A mail that a subscriber is owed."""

    CONFIRMATION = "confirmation"
    ALREADY_SUBSCRIBED = "already_subscribed"


class DueWelcome(StrEnum):
    """What a new subscriber is still owed, in this order: the welcome mail, the newest issue."""

    WELCOME = "welcome"
    NEWEST_ISSUE = "newest_issue"


class AskedMail(StrEnum):
    """A mail that a subscriber asked for on the page that manages their subscription."""

    MANAGE_LINK = "manage_link"
    NEW_ADDRESS = "new_address"
    EXPORT = "export"


class SourceAddress(RootModel[str]):
    """The network address a request came from."""

    model_config = ConfigDict(frozen=True)

    @field_validator("root")
    @classmethod
    def _parse(cls, text: str, info: ValidationInfo) -> str:
        if _is_parsed(info) and _STORED_SOURCE.fullmatch(text):
            return text
        if "%" in text:  # an interface of the machine that wrote it
            raise ValueError("an address without a zone is needed")
        return str(ipaddress.ip_address(text))

    def __str__(self) -> str:
        return self.root

    @property
    def network(self) -> str:
        """What a budget counts as one source: an IPv4 address, or an IPv6 /64 network."""
        address = ipaddress.ip_address(self.root)
        if address.version == 4:  # noqa: PLR2004 - the protocol's own number
            return str(address)
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
