"""What became of a reader, as authors read it: one sentence for each code, in their language.

It stands beside its time in a list, and alone as the answer to "why not?".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from broadsheet.domain.fates import Fate
from broadsheet.i18n import ENGLISH, translatable
from broadsheet.web import sentences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broadsheet.domain.fates import Happening
    from broadsheet.i18n import Language

_CONFIRMATION = {
    "mail-waits": translatable(
        "They have not confirmed: the mail that asks them waits for its turn at {at}."
    ),
    "mail-owed": translatable(
        "They have not confirmed: the mail that asks them is owed, and will be sent."
    ),
    "never-confirmed": translatable(
        "They never confirmed: the mail that asked them was sent for {at}."
    ),
    "wrong-codes": translatable(
        "They never confirmed: after the mail for {at}, {number} wrong code(s) were typed."
    ),
    "codes-spent": translatable(
        "They never confirmed: after the mail for {at}, {number} wrong codes were typed, and a code"
        " counts no more after five. The link in the mail still does."
    ),
    "kept-unproven": translatable(
        "They were never asked to confirm: strict mode was on when they signed up at {at}, and"
        " nothing proved that a person did. The sign-up is kept until the operator releases it."
    ),
    "kept-source": translatable(
        "They were never asked to confirm: when they signed up at {at}, the budget of mails of"
        " their network was spent. The sign-up is kept until the operator releases it."
    ),
    "kept-domain": translatable(
        "They were never asked to confirm: when they signed up at {at}, the budget of mails of"
        " their mail domain was spent. The sign-up is kept until the operator releases it."
    ),
    "released": translatable(
        "They have not confirmed: their sign-up of {at} was released, and the mail that asks them"
        " is on its way."
    ),
    "budget-spent": translatable(
        "They were not asked to confirm: when they signed up at {at}, the budget of mails to their"
        " address was spent."
    ),
    "imported-to-confirm": translatable(
        "They have not confirmed: an import brought them at {at}, without a date of their consent."
    ),
    "never-asked": translatable("They were never asked to confirm: nothing of a sign-up is kept."),
}
FATES = _CONFIRMATION | {
    # Nobody.
    "unknown-address": translatable("Nobody with this address has signed up."),
    "erased": translatable("They asked to be erased{by}, at {at}: nothing else is kept of them."),
    "expired": translatable(
        "They unsubscribed at {at}, and nothing else is kept of them any more"
        " (KeepUnsubscribedDays)."
    ),
    "moved": translatable("They moved to another address at {at}; issues go there since."),
    # Whether they get issues now.
    "gets-issues": translatable("They get issues: they confirmed at {at}."),
    "gets-issues-imported": translatable(
        "They get issues: they confirmed elsewhere{when}, according to the file that {author}"
        " imported at {imported}."
    ),
    "has-unsubscribed": translatable("They get no issues: they unsubscribed at {at}{how}."),
    "has-bounced": translatable(
        "They get no issues: a mail to them bounced for good, as SES reported at {at}."
    ),
    "has-complained": translatable(
        "They get no issues: they called a mail spam, as SES reported at {at}."
    ),
    "has-unsubscribed-imported": translatable(
        "They get no issues: they unsubscribed elsewhere{when}, according to the file that {author}"
        " imported at {imported}."
    ),
    "has-bounced-imported": translatable(
        "They get no issues: a mail to them bounced for good elsewhere{when}, according to the file"
        " that {author} imported at {imported}."
    ),
    "has-complained-imported": translatable(
        "They get no issues: they called a mail spam elsewhere{when}, according to the file that"
        " {author} imported at {imported}."
    ),
    # An issue that has begun for them.
    "delivered": translatable("They got it: the mail server of {domain} took the mail at {at}."),
    "with-welcome": translatable("They got it with their welcome mail: SES accepted it at {at}."),
    "delivered-twice": translatable(
        "They got it twice: the mail server of {domain} took the mail at {at}, and SES accepted"
        " another one."
    ),
    "accepted": translatable(
        "SES accepted the mail at {at}, and has not reported yet that the mail server of {domain}"
        " took it."
    ),
    "accepted-twice": translatable(
        "SES accepted the mail at {at}, and another one; it has not reported yet that the mail"
        " server of {domain} took either."
    ),
    "bounced": translatable(
        "The mail server of {domain} refused the mail for good, as SES reported at {at}."
    ),
    "complained-of": translatable("They got it, and called it spam at {at}."),
    "suppressed": translatable(
        "SES sent no mail: the address was on a suppression list ({suppressed_as}), since an"
        " earlier mail to it had bounced or was called spam."
    ),
    "refused": translatable("SES refused the mail at {at}: {reason}."),
    "rendering-failed": translatable(
        "SES accepted the mail, and could not render it: {reason}, at {at}."
    ),
    "rejected": translatable(
        "SES accepted the mail, and then rejected its content: {reason}, at {at}."
    ),
    "unresolved": translatable(
        "It is unknown whether the mail was sent: the call to SES at {at} had no answer, and SES"
        " has reported nothing of it."
    ),
    "skipped-unsubscribed": translatable(
        "They were left out at {at}: by their turn, they had unsubscribed{how}."
    ),
    "skipped-bounced": translatable(
        "They were left out at {at}: by their turn, SES had reported that an earlier mail bounced"
        " for good."
    ),
    "skipped-complained": translatable(
        "They were left out at {at}: by their turn, SES had reported that they called a mail spam."
    ),
    "skipped-unsubscribed-imported": translatable(
        "They were left out at {at}: they had unsubscribed elsewhere{when}, according to the file"
        " that {author} imported at {imported}."
    ),
    "skipped-bounced-imported": translatable(
        "They were left out at {at}: a mail to them had bounced for good elsewhere{when}, according"
        " to the file that {author} imported at {imported}."
    ),
    "skipped-complained-imported": translatable(
        "They were left out at {at}: they had called a mail spam elsewhere{when}, according to the"
        " file that {author} imported at {imported}."
    ),
    "skipped-pending": translatable("They were left out at {at}: they had not confirmed."),
    "skipped-deleted": translatable(
        "They were left out at {at}: the subscription that had been in the audience was gone by"
        " then."
    ),
    "skipped-canceled": translatable(
        "The issue was canceled at {at}, while it was unknown whether their mail had been sent; SES"
        " has reported nothing of it."
    ),
    # An issue that has not.
    "draft": translatable(
        "The issue is a draft: nobody gets it. They would be in its audience now."
    ),
    "draft-not": translatable(
        "The issue is a draft: nobody gets it. They would not be in its audience now."
    ),
    "not-begun": translatable(
        "The issue begins at {at}, and its audience is chosen then. They would be in it now."
    ),
    "not-begun-not": translatable(
        "The issue begins at {at}, and its audience is chosen then. They would not be in it now."
    ),
    "draft-for-some-correction": translatable(
        "The issue is a draft: nobody gets it. Whom it is for is decided when its audience is"
        " chosen: it is a correction, for those who have an older version."
    ),
    "draft-for-some-segment": translatable(
        "The issue is a draft: nobody gets it. Whom it is for is decided when its audience is"
        " chosen: it is for the segment “{segment}”."
    ),
    "not-begun-for-some-correction": translatable(
        "The issue begins at {at}. Whether they are in its audience is decided then: it is a"
        " correction, for those who have an older version."
    ),
    "not-begun-for-some-segment": translatable(
        "The issue begins at {at}. Whether they are in its audience is decided then: it is for the"
        " segment “{segment}”."
    ),
    "forgotten": translatable(
        "To whom the issue went is kept no longer (KeepLedgerDays), so that it is unknown whether"
        " they got it."
    ),
    "paused-before": translatable("{why} It has not begun."),
    "canceled-before": translatable("The issue was canceled before it began."),
    "canceled": translatable("The issue was canceled before their turn."),
    "paused": translatable("{why} Their mail waits until it is resumed."),
    "being-sent": translatable("Their mail is being sent at this moment."),
    "waits": translatable("Their mail waits for its turn: SES takes only so many in a second."),
    "waits-careful-start": translatable(
        "Their mail waits: the issue goes to a sample first, and to them once that has proved good"
        "{until}."
    ),
    "waits-warm-up": translatable(
        "Their mail waits: the warm-up allows no more mails today{until}."
    ),
    "waits-quota-spent": translatable(
        "Their mail waits: SES's quota of mails in 24 hours is spent."
    ),
    # An audience without them.
    "signed-up-later": translatable(
        "They signed up at {at}, after the issue's audience had been chosen at {frozen}."
    ),
    "confirmed-later": translatable(
        "They confirmed at {at}, after the issue's audience was chosen at {frozen}."
    ),
    "applied-later": translatable(
        "They confirmed at {at}, but that was still on its way, or an author had not stated it yet,"
        " when the issue's audience was chosen at {frozen}."
    ),
    "had-unsubscribed": translatable(
        "They had unsubscribed at {at}{how}, before the issue's audience was chosen at {frozen}."
    ),
    "had-bounced": translatable(
        "An earlier mail to them had bounced for good, as SES reported at {at}, before the issue's"
        " audience was chosen at {frozen}."
    ),
    "had-complained": translatable(
        "They had called a mail spam, as SES reported at {at}, before the issue's audience was"
        " chosen at {frozen}."
    ),
    "had-unsubscribed-imported": translatable(
        "They had unsubscribed elsewhere{when}, according to the file that {author} imported at"
        " {imported}, before the issue's audience was chosen at {frozen}."
    ),
    "had-bounced-imported": translatable(
        "A mail to them had bounced for good elsewhere{when}, according to the file that {author}"
        " imported at {imported}, before the issue's audience was chosen at {frozen}."
    ),
    "had-complained-imported": translatable(
        "They had called a mail spam elsewhere{when}, according to the file that {author} imported"
        " at {imported}, before the issue's audience was chosen at {frozen}."
    ),
    "imported-later": translatable(
        "They are known since {author} imported a file at {imported}, after the issue's audience"
        " had been chosen at {frozen}."
    ),
    "imported-later-consent": translatable(
        "They had not confirmed here; that they had elsewhere is known since {author} imported a"
        " file at {imported}, after the issue's audience had been chosen at {frozen}."
    ),
    "no-older-version": translatable(
        "The issue is a correction, for those who have an older version of another issue; they do"
        " not."
    ),
    "not-in-segment": translatable(
        "The issue is for the segment “{segment}”, and they were not in it at {at}."
    ),
}
_TIMELINE = {
    "signed-up-mailed": translatable("Signed up{by}; a mail that asks to confirm was sent."),
    "signed-up-owed": translatable(
        "Signed up{by}; a mail that asks to confirm is owed, and will be sent."
    ),
    "signed-up-kept-unproven": translatable(
        "Signed up; no mail was sent, since strict mode was on and nothing proved that a person"
        " did it. The sign-up is kept."
    ),
    "signed-up-kept-source": translatable(
        "Signed up; no mail was sent, since the budget of their network was spent. The sign-up is"
        " kept."
    ),
    "signed-up-kept-domain": translatable(
        "Signed up; no mail was sent, since the budget of their mail domain was spent. The sign-up"
        " is kept."
    ),
    "signed-up-released": translatable(
        "Signed up; the mail was withheld, until the operator released it."
    ),
    "signed-up-budget-spent": translatable(
        "Signed up{by}; no mail was sent, since the budget of mails to the address was spent."
    ),
    "signed-up-again": translatable("Signed up again; no mail was due."),
    "signed-up-again-mailed": translatable(
        "Signed up again; a mail said that they are subscribed."
    ),
    "signed-up-again-owed": translatable(
        "Signed up again; a mail that says that they are subscribed is owed, and will be sent."
    ),
    "wrong-code": translatable("A wrong code was typed."),
    "manage-link-mailed": translatable("Asked for the link to their subscription; it was mailed."),
    "manage-link-owed": translatable("Asked for the link to their subscription; it is owed."),
    "manage-link-refused": translatable(
        "Asked for the link to their subscription; a budget was spent."
    ),
    "new-address-mailed": translatable(
        "Asked to move to another address, which was mailed to confirm."
    ),
    "new-address-owed": translatable("Asked to move to another address; the mail to it is owed."),
    "new-address-refused": translatable("Asked to move to another address; a budget was spent."),
    "export-mailed": translatable("Asked for all that is stored about them; it was mailed."),
    "export-owed": translatable("Asked for all that is stored about them; the mail is owed."),
    "export-refused": translatable("Asked for all that is stored about them; a budget was spent."),
    "confirmed": translatable("Confirmed{how}{stated}."),
    "unsubscribed": translatable("Unsubscribed{how}{stated}."),
    "bounced": translatable("A mail to them bounced for good: no issue is sent to them."),
    "complained": translatable("Called a mail spam: no issue is sent to them."),
    "address-changed": translatable("Confirmed a new address."),
    "merged": translatable("Took over the address of another subscription, which is gone."),
    "forgiven": translatable("A bounce or a complaint was forgiven{how}{stated}."),
    "tags-changed": translatable("Their tags were changed{how}{stated}."),
    "imported": translatable("An import changed their standing{how}{stated}."),
    "name-chosen": translatable("Changed their name."),
    "language-chosen": translatable("Changed the language of their mails."),
    "tags-chosen": translatable("Changed their tags."),
    "welcome-owed": translatable("The welcome mail is owed."),
    "newest-issue-owed": translatable("The newest issue is owed, which follows the welcome mail."),
    "welcome-mailed": translatable("SES accepted the welcome mail."),
    "welcome-refused": translatable("SES refused the welcome mail: {reason}."),
    "newest-issue-mailed": translatable(
        "SES accepted the newest issue, which follows the welcome mail."
    ),
    "newest-issue-refused": translatable(
        "SES refused the newest issue, which follows the welcome mail: {reason}."
    ),
    "mail-accepted": translatable("SES accepted the mail."),
    "mail-refused": translatable("SES refused the mail: {reason}."),
    "mail-rendering-failed": translatable("SES could not render the mail: {reason}."),
    "mail-rejected": translatable("SES rejected the mail's content: {reason}."),
    "mail-unresolved": translatable(
        "It is unknown whether the mail was sent: the call to SES had no answer."
    ),
    "mail-delivered": translatable("The mail server of {domain} took the mail."),
    "mail-bounced": translatable("The mail server of {domain} refused the mail for good."),
    "mail-complained": translatable("They called the mail spam."),
    "mail-suppressed": translatable(
        "SES sent no mail: the address was on a suppression list ({suppressed_as})."
    ),
    "mail-duplicates": translatable("SES accepted another mail of the same issue."),
    "mail-resends": translatable(
        "The mail was sent once more, since its outcome had stayed unknown: it may have come twice."
    ),
}
_WAYS = {
    "code": translatable("(by the code of the mail)"),
    "same-browser": translatable("(by the link of the mail, in the browser that had signed up)"),
    "button": translatable("(by the link of the mail)"),
    "api": translatable("(by a program)"),
    "link": translatable("(by the link in a mail)"),
    "one-click": translatable("(by one click in their mail program)"),
    "page": translatable("(on the page of their subscription)"),
    "mail": translatable("(by a mail)"),
}
_WAYS_OF_ISSUE = {
    "link": translatable("(by the link in a mail, of “{issue_title}”)"),
    "one-click": translatable("(by one click in their mail program, of “{issue_title}”)"),
    "page": translatable("(on the page of their subscription, of “{issue_title}”)"),
    "mail": translatable("(by a mail, of “{issue_title}”)"),
}
_RECORDED = translatable("(recorded by {author})")
_NOT_BEFORE = translatable("(not before {at})")
_AT = translatable("(at {at})")
_UNKNOWN_TIME = translatable("(unknown time)")


def of_fate(fate: Fate, language: Language = ENGLISH) -> str:
    """Return the sentence of what became of somebody."""
    return _written(FATES[_variant(fate)], fate.at, fate.parameters, language)


def _variant(fate: Fate) -> str:
    if "would" in fate.parameters and "whom" not in fate.parameters:
        return fate.code if fate.parameters["would"] else f"{fate.code}-not"
    whom = fate.parameters.get("whom")
    if whom is None and f"{fate.code}-imported" in FATES and "imported" in fate.parameters:
        whom = "imported"
    return f"{fate.code}-{whom}" if whom else fate.code


def of_happening(happening: Happening, language: Language = ENGLISH) -> str:
    """Return the sentence of one line of the trace."""
    code = happening.code
    given = dict(happening.parameters)
    at = given.pop("since", happening.at)
    if code in _TIMELINE:
        how = {"way": given.pop("way", None), "recorded_by": given.get("by")}
        given = {"how": how, "stated": given.get("evidence"), **given}
        return _written(_TIMELINE[code], at, given, language)
    return of_fate(Fate(code.partition("-")[2], at, given), language)


def _written(
    sentence: str, at: datetime | None, parameters: Mapping[str, Any], language: Language
) -> str:
    texts = {name: _text(value, language) for name, value in parameters.items()}
    by = parameters.get("by") or parameters.get("recorded_by")
    stated = parameters.get("stated")
    why, dated = parameters.get("why"), parameters.get("dated")
    return language.gettext(sentence).format_map(
        texts
        | {
            "at": _text(at, language),
            "by": _remark(_RECORDED, language, author=by) if by else "",
            "how": _how(parameters.get("how") or {}, language),
            "stated": f": {' '.join(str(stated).rstrip('.').split())}" if stated else "",
            "when": _remark(_AT, language, at=_text(dated, language)) if dated else "",
            "until": _remark(_NOT_BEFORE, language, at=_text(at, language)) if at else "",
            "why": sentences.of_pause(why, language) if why else "",
        }
    )


def _text(value: object, language: Language) -> str:
    if isinstance(value, datetime):
        at = value.astimezone(UTC)
        day = f"{at:%Y-%m-%d}" if language == ENGLISH else f"{language.date(at.date())},"
        return f"{day} {at:%H:%M} UTC"
    return language.gettext(_UNKNOWN_TIME) if value is None else str(value)


def _remark(remark: str, language: Language, **values: object) -> str:
    """Return a remark in parentheses, which follows a word of any sentence."""
    return f" {language.gettext(remark).format_map(values)}"


def _how(how: Mapping[str, Any], language: Language) -> str:
    if how.get("recorded_by"):
        return _remark(_RECORDED, language, author=how["recorded_by"])
    way = how.get("way") or ""
    if way in _WAYS_OF_ISSUE and how.get("issue_title"):
        return _remark(_WAYS_OF_ISSUE[way], language, issue_title=how["issue_title"])
    return _remark(_WAYS[way], language) if way in _WAYS else ""
