"""What becomes of an accepted mail, and which events SES publishes about it.

A mail is delivered, unless its recipient is suppressed, its template lacks a value, the address
is one of SES's mailbox simulator, or a ``FateRule`` decides otherwise. Rules end with the server.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ses_server.chance import chance
from ses_server.faults import Recipients

SIMULATOR = "simulator.amazonses.com"


class Outcome(StrEnum):
    """What became of an accepted mail; SES reports it by events, never in its answer."""

    DELIVERED = "delivered"
    SUPPRESSED = "suppressed"
    RENDERING_FAILURE = "rendering_failure"
    BOUNCED = "bounced"
    REJECTED = "rejected"


class EventType(StrEnum):
    """SES's ``eventType``; ``UNLISTED`` stands for one that SES may add."""

    SEND = "Send"
    DELIVERY = "Delivery"
    BOUNCE = "Bounce"
    COMPLAINT = "Complaint"
    REJECT = "Reject"
    RENDERING_FAILURE = "Rendering Failure"
    DELIVERY_DELAY = "DeliveryDelay"
    OPEN = "Open"
    CLICK = "Click"
    SUBSCRIPTION = "Subscription"
    UNLISTED = "Unlisted"


type Suppressing = Literal["BOUNCE", "COMPLAINT"] | None


@dataclass(frozen=True)
class Happening:
    """Something that SES reports about a mail, ``after`` seconds from its delivery.

    ``detail`` is what this event has beyond every event of its type.
    """

    type: EventType
    detail: Mapping[str, object] = field(default_factory=dict)
    after: float = 0.0


@dataclass(frozen=True)
class Fate:
    """What becomes of one recipient's mail, why, and the events after its ``Send``."""

    outcome: Outcome
    happenings: tuple[Happening, ...]
    reason: str = ""
    suppresses: Suppressing = None  # the recipient, from now on


DELIVERY = Happening(EventType.DELIVERY)
DELIVERED = Fate(Outcome.DELIVERED, (DELIVERY,))

# SES's own words, as several programs that received them show.
_ON_SUPPRESSION_LIST = (
    "Amazon SES did not send the message to this address because it is on the suppression list for"
    " your account. For more information about removing addresses from the suppression list, see"
    " the Amazon SES Developer Guide at"
    " https://docs.aws.amazon.com/ses/latest/DeveloperGuide/sending-email-suppression-list.html"
)


def suppressed(reason: str) -> Fate:
    """Let an address of the account's list bounce, or complain, again without being asked."""
    sub_type = "OnAccountSuppressionList"
    happening = (
        Happening(EventType.COMPLAINT, {"complaintSubType": sub_type})
        if reason == "COMPLAINT"
        else Happening(
            EventType.BOUNCE,
            {"bounceType": "Permanent", "bounceSubType": sub_type, "code": _ON_SUPPRESSION_LIST},
        )
    )
    why = f"The address is on the account's suppression list ({reason})."
    return Fate(Outcome.SUPPRESSED, (happening,), why)


def rendering_failure(missing: str) -> Fate:
    message = f"Attribute '{missing}' is not present in the rendering data."
    happening = Happening(EventType.RENDERING_FAILURE, {"errorMessage": message})
    return Fate(Outcome.RENDERING_FAILURE, (happening,), message)


def _bounce(bounce_type: str, sub_type: str, code: str) -> Happening:
    return Happening(
        EventType.BOUNCE, {"bounceType": bounce_type, "bounceSubType": sub_type, "code": code}
    )


# SES's guide, "Using the mailbox simulator": the parts before the @, and before a +label.
_SIMULATED = {
    "success": DELIVERED,
    "bounce": Fate(
        Outcome.BOUNCED,
        (_bounce("Permanent", "General", "smtp; 550 5.1.1 user unknown"),),
        "The simulator bounced it.",
    ),
    "ooto": Fate(
        Outcome.DELIVERED,
        (DELIVERY, _bounce("Transient", "General", "smtp; out of the office")),
    ),
    "complaint": Fate(
        Outcome.DELIVERED,
        (DELIVERY, Happening(EventType.COMPLAINT, {"complaintFeedbackType": "abuse"})),
    ),
    "suppressionlist": Fate(
        Outcome.BOUNCED,
        (_bounce("Permanent", "General", "smtp; 550 5.1.1 user unknown (suppressed address)"),),
        "The simulator took it for suppressed.",
    ),
}


class FateRule(BaseModel):
    """Decides what becomes of mails, and which event SES publishes about them.

    It is for ``recipients``, or for all; and for a ``share`` of them, which ``seed`` and the
    recipient decide (and the mail's tags ``issue`` and ``round``), so that it is repeatable.
    ``after`` is in seconds from the delivery. A permanent bounce and a complaint put the recipient
    on the account's suppression list, as with SES, unless ``suppresses`` is false. Types and
    subtypes can be any text, because SES adds new ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    event: EventType
    recipients: Recipients | None = None
    share: float = Field(default=1.0, ge=0, le=1)
    seed: int = 0
    after: float = Field(default=0.0, ge=0)
    bounce_type: str = "Permanent"
    bounce_sub_type: str = "General"
    complaint_feedback_type: str | None = "abuse"
    complaint_sub_type: str | None = None
    delay_type: str = "TransientCommunicationFailure"
    suppresses: bool = True

    def concerns(self, recipient: str, tags: Mapping[str, str]) -> bool:
        if self.recipients is not None and recipient not in self.recipients:
            return False
        about = (recipient, tags.get("issue"), tags.get("round"))
        return self.share >= 1 or chance(self.seed, *about) < self.share

    def happening(self) -> Happening:
        return Happening(self.event, self._detail(), self.after)

    def _detail(self) -> dict[str, object]:
        details: dict[EventType, dict[str, object]] = {
            EventType.BOUNCE: {
                "bounceType": self.bounce_type,
                "bounceSubType": self.bounce_sub_type,
                "code": "smtp; 550 5.1.1 user unknown"
                if self.bounce_type == "Permanent"
                else "smtp; 450 4.2.0 try again later",
            },
            EventType.COMPLAINT: {"complaintSubType": self.complaint_sub_type},
            EventType.REJECT: {"reason": "Bad content"},
            EventType.RENDERING_FAILURE: {"errorMessage": "As commanded."},
            EventType.DELIVERY_DELAY: {"delayType": self.delay_type},
            EventType.CLICK: {"link": "https://example.com/", "linkTags": None},
        }
        if self.complaint_feedback_type:  # absent without a report by the mailbox provider
            details[EventType.COMPLAINT]["complaintFeedbackType"] = self.complaint_feedback_type
        return details.get(self.event, {})

    def fate(self) -> Fate:
        happening, why = self.happening(), "As commanded."
        match self.event:
            case EventType.SEND | EventType.DELIVERY:
                fate = DELIVERED
            case EventType.REJECT:
                fate = Fate(Outcome.REJECTED, (happening,), why)
            case EventType.RENDERING_FAILURE:
                fate = Fate(Outcome.RENDERING_FAILURE, (happening,), why)
            case EventType.BOUNCE:
                fate = Fate(Outcome.BOUNCED, (happening,), why, self._listed())
            case EventType.DELIVERY_DELAY:
                late = Happening(EventType.DELIVERY, after=self.after + 1)
                fate = Fate(Outcome.DELIVERED, (happening, late))
            case _:
                fate = Fate(Outcome.DELIVERED, (DELIVERY, happening), "", self._listed())
        return fate

    def _listed(self) -> Suppressing:
        """Return the reason for which the recipient is suppressed, or None."""
        if not self.suppresses:
            return None
        if self.event is EventType.BOUNCE and self.bounce_type == "Permanent":
            return "BOUNCE"
        is_complaint = self.event is EventType.COMPLAINT
        return "COMPLAINT" if is_complaint and self.complaint_feedback_type != "not-spam" else None


class Fates:
    """The rules in force, by their numbers; the first that concerns a mail decides."""

    def __init__(self) -> None:
        self._rules: dict[int, FateRule] = {}
        self._numbers = itertools.count(1)

    def begin(self, rule: FateRule) -> int:
        number = next(self._numbers)
        self._rules[number] = rule
        return number

    def end(self, number: int) -> bool:
        return self._rules.pop(number, None) is not None

    def end_all(self) -> None:
        self._rules.clear()

    def rules(self) -> Iterable[tuple[int, FateRule]]:
        return self._rules.items()

    def of(self, recipient: str, tags: Mapping[str, str]) -> Fate:
        """Return the fate of a mail to ``recipient``, a mailbox key."""
        for rule in self._rules.values():
            if rule.concerns(recipient, tags):
                return rule.fate()
        if recipient.endswith(SIMULATOR):
            local, _, domain = recipient.rpartition("@")
            if domain == SIMULATOR:
                return _SIMULATED.get(local.partition("+")[0], DELIVERED)
        return DELIVERED
