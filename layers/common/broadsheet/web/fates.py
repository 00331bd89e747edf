"""What became of a reader, as authors read it: one sentence for each code.

It stands beside its time in a list, and alone as the answer to "why not?".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broadsheet.domain.fates import Fate, Happening

_CONFIRMATION = {
    "mail-waits": "They have not confirmed: the mail that asks them waits for its turn at {at}.",
    "mail-owed": "They have not confirmed: the mail that asks them is owed, and will be sent.",
    "never-confirmed": "They never confirmed: the mail that asked them was sent for {at}.",
    "wrong-codes": (
        "They never confirmed: after the mail for {at}, {number} wrong code(s) were typed."
    ),
    "codes-spent": (
        "They never confirmed: after the mail for {at}, {number} wrong codes were typed, and a code"
        " counts no more after five. The link in the mail still does."
    ),
    "kept-unproven": (
        "They were never asked to confirm: strict mode was on when they signed up at {at}, and"
        " nothing proved that a person did. The sign-up is kept until the operator releases it."
    ),
    "kept-source": (
        "They were never asked to confirm: when they signed up at {at}, the budget of mails of"
        " their network was spent. The sign-up is kept until the operator releases it."
    ),
    "kept-domain": (
        "They were never asked to confirm: when they signed up at {at}, the budget of mails of"
        " their mail domain was spent. The sign-up is kept until the operator releases it."
    ),
    "released": (
        "They have not confirmed: their sign-up of {at} was released, and the mail that asks them"
        " is on its way."
    ),
    "budget-spent": (
        "They were not asked to confirm: when they signed up at {at}, the budget of mails to their"
        " address was spent."
    ),
    "imported-to-confirm": (
        "They have not confirmed: an import brought them at {at}, without a date of their consent."
    ),
    "never-asked": "They were never asked to confirm: nothing of a sign-up is kept.",
}
FATES = _CONFIRMATION | {
    # Nobody.
    "unknown-address": "Nobody with this address has signed up.",
    "erased": "They asked to be erased{by}, at {at}: nothing else is kept of them.",
    "moved": "They moved to another address at {at}; issues go there since.",
    # Whether they get issues now.
    "gets-issues": "They get every issue since they confirmed at {at}.",
    "has-unsubscribed": "They get no issues: they unsubscribed at {at}{how}.",
    "has-bounced": "They get no issues: a mail to them bounced for good, as SES reported at {at}.",
    "has-complained": "They get no issues: they called a mail spam, as SES reported at {at}.",
    # An issue that has begun for them.
    "delivered": "They got it: the mail server of {domain} took the mail at {at}.",
    "delivered-twice": (
        "They got it twice: the mail server of {domain} took the mail at {at}, and SES accepted"
        " another one."
    ),
    "accepted": (
        "SES accepted the mail at {at}, and has not reported yet that the mail server of {domain}"
        " took it."
    ),
    "accepted-twice": (
        "SES accepted the mail at {at}, and another one; it has not reported yet that the mail"
        " server of {domain} took either."
    ),
    "bounced": "The mail server of {domain} refused the mail for good, as SES reported at {at}.",
    "complained-of": "They got it, and called it spam at {at}.",
    "suppressed": (
        "SES sent no mail: the address was on a suppression list ({suppressed_as}), since an"
        " earlier mail to it had bounced or was called spam."
    ),
    "refused": "SES refused the mail at {at}: {reason}.",
    "rendering-failed": "SES accepted the mail, and could not render it: {reason}, at {at}.",
    "rejected": "SES accepted the mail, and then rejected its content: {reason}, at {at}.",
    "unresolved": (
        "It is unknown whether the mail was sent: the call to SES at {at} had no answer, and SES"
        " has reported nothing of it."
    ),
    "skipped-unsubscribed": (
        "They were left out at {at}: they had unsubscribed{how} after the audience was chosen."
    ),
    "skipped-bounced": (
        "They were left out at {at}: an earlier mail had bounced for good after the audience was"
        " chosen."
    ),
    "skipped-complained": (
        "They were left out at {at}: they had called a mail spam after the audience was chosen."
    ),
    "skipped-pending": "They were left out at {at}: they had not confirmed.",
    "skipped-deleted": (
        "They were left out at {at}: they had been erased after the audience was chosen."
    ),
    # An issue that has not.
    "draft": "The issue is a draft: nobody gets it. They would{not_now} be in its audience now.",
    "not-begun": (
        "The issue begins at {at}, and its audience is chosen then. They would{not_now} be in it"
        " now."
    ),
    "paused-before": "The issue is paused ({why}), and has not begun.",
    "canceled-before": "The issue was canceled before it began.",
    "canceled": "The issue was canceled before their turn.",
    "paused": "The issue is paused ({why}): their mail waits until it is resumed.",
    "being-sent": "Their mail is being sent at this moment.",
    "waits": "Their mail waits for its turn: SES takes only so many in a second.",
    "waits-careful-start": (
        "Their mail waits: the issue goes to a sample first, and to them once that has proved good"
        "{until}."
    ),
    "waits-warm-up": "Their mail waits: the warm-up allows no more mails today{until}.",
    "waits-quota-spent": "Their mail waits: SES's quota of mails in 24 hours is spent.",
    # An audience without them.
    "signed-up-later": (
        "They signed up at {at}, after the issue's audience had been chosen at {frozen}."
    ),
    "confirmed-later": "They confirmed at {at}, after the issue's audience was chosen at {frozen}.",
    "applied-later": (
        "They confirmed at {at}, but that was still on its way when the issue's audience was chosen"
        " at {frozen}."
    ),
    "had-unsubscribed": (
        "They had unsubscribed at {at}{how}, before the issue's audience was chosen at {frozen}."
    ),
    "had-bounced": (
        "An earlier mail to them had bounced for good, as SES reported at {at}, before the issue's"
        " audience was chosen at {frozen}."
    ),
    "had-complained": (
        "They had called a mail spam, as SES reported at {at}, before the issue's audience was"
        " chosen at {frozen}."
    ),
    "no-older-version": (
        "The issue is a correction, for those who have an older version of another issue; they do"
        " not."
    ),
    "not-in-segment": "The issue is for the segment “{segment}”, and they were not in it at {at}.",
}
_TIMELINE = {
    "signed-up-mailed": "Signed up{by}; a mail that asks to confirm was sent.",
    "signed-up-owed": "Signed up{by}; a mail that asks to confirm is owed, and will be sent.",
    "signed-up-kept-unproven": (
        "Signed up; no mail was sent, since strict mode was on and nothing proved that a person"
        " did it. The sign-up is kept."
    ),
    "signed-up-kept-source": (
        "Signed up; no mail was sent, since the budget of their network was spent. The sign-up is"
        " kept."
    ),
    "signed-up-kept-domain": (
        "Signed up; no mail was sent, since the budget of their mail domain was spent. The sign-up"
        " is kept."
    ),
    "signed-up-released": "Signed up; the mail was withheld, until the operator released it.",
    "signed-up-budget-spent": (
        "Signed up{by}; no mail was sent, since the budget of mails to the address was spent."
    ),
    "signed-up-again": "Signed up again; no mail was due.",
    "signed-up-again-mailed": "Signed up again; a mail said that they are subscribed.",
    "signed-up-again-owed": (
        "Signed up again; a mail that says that they are subscribed is owed, and will be sent."
    ),
    "wrong-code": "A wrong code was typed.",
    "manage-link-mailed": "Asked for the link to their subscription; it was mailed.",
    "manage-link-owed": "Asked for the link to their subscription; it is owed.",
    "manage-link-refused": "Asked for the link to their subscription; a budget was spent.",
    "new-address-mailed": "Asked to move to another address, which was mailed to confirm.",
    "new-address-owed": "Asked to move to another address; the mail to it is owed.",
    "new-address-refused": "Asked to move to another address; a budget was spent.",
    "export-mailed": "Asked for all that is stored about them; it was mailed.",
    "export-owed": "Asked for all that is stored about them; the mail is owed.",
    "export-refused": "Asked for all that is stored about them; a budget was spent.",
    "confirmed": "Confirmed{how}{stated}.",
    "unsubscribed": "Unsubscribed{how}{stated}.",
    "bounced": "A mail to them bounced for good: no issue is sent to them.",
    "complained": "Called a mail spam: no issue is sent to them.",
    "address-changed": "Confirmed a new address.",
    "merged": "Took over the address of another subscription, which is gone.",
    "forgiven": "A bounce or a complaint was forgiven{how}{stated}.",
    "tags-changed": "Their tags were changed{how}{stated}.",
    "imported": "An import changed their standing{how}{stated}.",
    "name-chosen": "Changed their name.",
    "language-chosen": "Changed the language of their mails.",
    "tags-chosen": "Changed their tags.",
    "welcome-owed": "The welcome mail is owed.",
    "newest-issue-owed": "The newest issue is owed, which follows the welcome mail.",
    "mail-accepted": "SES accepted the mail.",
    "mail-refused": "SES refused the mail: {reason}.",
    "mail-rendering-failed": "SES could not render the mail: {reason}.",
    "mail-rejected": "SES rejected the mail's content: {reason}.",
    "mail-unresolved": "It is unknown whether the mail was sent: the call to SES had no answer.",
    "mail-delivered": "The mail server of {domain} took the mail.",
    "mail-bounced": "The mail server of {domain} refused the mail for good.",
    "mail-complained": "They called the mail spam.",
    "mail-suppressed": "SES sent no mail: the address was on a suppression list ({suppressed_as}).",
    "mail-duplicates": "SES accepted another mail of the same issue.",
    "mail-resends": (
        "The mail was sent once more, since its outcome had stayed unknown: it may have come twice."
    ),
}
_WAYS = {
    "code": "by the code of the mail",
    "same-browser": "by the link of the mail, in the browser that had signed up",
    "button": "by the link of the mail",
    "api": "by a program",
    "link": "by the link in a mail",
    "one-click": "by one click in their mail program",
    "page": "on the page of their subscription",
    "mail": "by a mail",
}


def of_fate(fate: Fate) -> str:
    """Return the sentence of what became of somebody."""
    return _written(FATES[fate.code], fate.at, fate.parameters)


def of_happening(happening: Happening) -> str:
    """Return the sentence of one line of the trace."""
    code = happening.code
    given = dict(happening.parameters)
    at = given.pop("since", happening.at)
    if code in _TIMELINE:
        how = {"way": given.pop("way", None), "recorded_by": given.get("by")}
        return _written(_TIMELINE[code], at, {"how": how, "stated": given.get("evidence"), **given})
    return _written(FATES[code.partition("-")[2]], at, given)


def _written(sentence: str, at: datetime | None, parameters: Mapping[str, Any]) -> str:
    texts = {name: _text(value) for name, value in parameters.items()}
    by = parameters.get("by") or parameters.get("recorded_by")
    stated = parameters.get("stated")
    return sentence.format_map(
        texts
        | {
            "at": _text(at),
            "by": f" (recorded by {by})" if by else "",
            "how": _how(parameters.get("how") or {}),
            "stated": f": {' '.join(str(stated).rstrip('.').split())}" if stated else "",
            "not_now": "" if parameters.get("would") else " not",
            "until": f", at {_text(at)} at the earliest" if at else "",
        }
    )


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return "an unknown time" if value is None else str(value)


def _how(how: Mapping[str, Any]) -> str:
    if how.get("recorded_by"):
        return f" (recorded by {how['recorded_by']})"
    way = _WAYS.get(how.get("way") or "", "")
    if way and how.get("issue_title"):
        way += f", of “{how['issue_title']}”"
    return f" ({way})" if way else ""
