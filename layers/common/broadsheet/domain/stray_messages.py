"""Messages of FeedbackQueue that are about no mail: of SNS, and of SES about its own set-up."""

import json
from typing import Any

# SNS's own messages about a subscription, by its ``Type``.
_OF_SUBSCRIPTION = frozenset({"SubscriptionConfirmation", "UnsubscribeConfirmation"})
# SES's own, when a topic is made an identity's, by its ``notificationType``.
_TOPIC_IN_USE = "AmazonSnsSubscriptionSucceeded"
# What an event of a mail is made of, in lower case: its members, and how it names a mail.
_MEMBERS_OF_EVENTS = frozenset(
    {
        *("eventtype", "notificationtype", "mail", "messageid"),
        *("send", "delivery", "deliverydelay", "bounce", "complaint", "reject", "failure"),
        *("open", "click", "subscription"),
    }
)
_BRACKETS_AND_QUOTES = frozenset('{}[]"')  # of which every event has some, and each part of one
_LONGEST_WORD = 300  # characters; an address of AWS's is shorter, an encoded event longer


def about_no_mail(body: str) -> str | None:
    """Return what an unreadable message is, if it is surely about no mail; otherwise None.

    The first kind is dropped. The second may be an event of a mail that is not recorded yet: it is
    a dead letter, and no unresolved mail is sent again while it lies there.
    """
    try:
        return _about_no_mail(body)
    except RecursionError:  # nested beyond what is looked into
        return None


def _about_no_mail(body: str) -> str | None:
    try:
        document = json.loads(body)
    except ValueError:
        return "a sentence" if _is_sentence(body) else None
    if not isinstance(document, dict):
        return None
    if document.get("Type") in _OF_SUBSCRIPTION or (
        document.get("notificationType") == _TOPIC_IN_USE and "mail" not in document
    ):
        return "about a subscription"
    if document.get("Type") == "Notification":  # SNS's envelope: what matters is in it
        return _about_no_mail(str(document.get("Message", "{")))
    return None if _may_hold_event(document) else "an object without a mail"


def _is_sentence(text: str) -> bool:
    """Return whether a text is one line of words.

    SES publishes "Successfully validated SNS topic for Amazon SES event publishing." when an event
    destination is made.
    """
    return (
        text.isprintable()
        and not _BRACKETS_AND_QUOTES & set(text)
        and all(len(word) <= _LONGEST_WORD for word in text.split())
    )


def _may_hold_event(value: Any) -> bool:  # noqa: ANN401 - any JSON
    match value:
        case dict():
            return any(
                name.lower() in _MEMBERS_OF_EVENTS or _may_hold_event(member)
                for name, member in value.items()
            )
        case list():
            return any(_may_hold_event(element) for element in value)
        case str():  # an envelope has its content as text
            return _about_no_mail(value) is None
        case _:
            return False
