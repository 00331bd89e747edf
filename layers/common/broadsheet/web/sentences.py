"""What people read when something is wrong: a whole sentence for each code.

A page says it in its language. The API's clients get it in English, where it begins in lower case
and has no full stop: ``printed`` adds both. ``authors_sentences.py`` has what no reader meets.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from broadsheet.domain import errors, pauses
from broadsheet.domain.findings import in_order
from broadsheet.i18n import ENGLISH, translatable
from broadsheet.web.authors_sentences import (
    AUTHORS,
    IMPORT_FAILURES,
    ON_PAGES,
    PAUSES,
    PLACES,
    PROGRAMS,
    WORDS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from broadsheet.domain.errors import BroadsheetError, InvalidField
    from broadsheet.domain.findings import Finding
    from broadsheet.domain.imports import ImportFailure
    from broadsheet.i18n import Language

# What readers read, too: whole sentences, which the catalogues translate.
READERS = {
    # Requests.
    "invalid-request": translatable("This request can't be understood."),
    "invalid-form": translatable("The form can't be read: send it as UTF-8."),
    "request-too-large": translatable("A request may have at most {max_bytes} bytes."),
    # Fields.
    "missing-field": translatable("This field is needed."),
    "not-text": translatable("This must be text."),
    "lost-character": translatable(
        "A character was lost on the way (it came as U+FFFD); please send this again, as UTF-8."
    ),
    "outdated-form": translatable(
        "This page was open for a long time: please press the button once more."
    ),
    "early-form": translatable("That was very quick: please press the button once more."),
    "disposable-address": translatable(
        "This address works for a short time only: please give one that you keep."
    ),
    "tag-not-offered": translatable("Please choose among these: {offered}."),
    "no-tags-offered": translatable("There is nothing to choose any more: please leave it out."),
    "address-needed": translatable("An email address is needed."),
    "address-too-long": translatable("An email address has at most {most} characters."),
    "address-not-ascii": translatable(
        "The part before the @ must be plain ASCII: mail can't be sent to it."
    ),
    "address-without-domain": translatable(
        "The part after the @ must be a full domain, such as example.com."
    ),
    "address-without-at": translatable(
        "An email address must have an @-sign between mailbox and domain."
    ),
    "address-without-mailbox": translatable("There must be something before the @-sign."),
    "address-with-brackets": translatable(
        "Leave out the name and the angle brackets around the email address."
    ),
    "address-more-than-one": translatable("Give one email address, with one @-sign and no comma."),
    "address-with-characters": translatable(
        "An email address has no spaces, line breaks or other invalid characters."
    ),
    "address-with-dots": translatable(
        "An email address can't have two periods in a row, nor begin or end with one."
    ),
    "address-invalid": translatable(
        "This is not a valid email address: please look for typing mistakes."
    ),
    "name-needed": translatable("A name is needed."),
    "name-too-long": translatable("A name has at most {most} characters."),
    "name-with-signs": translatable("A name can't contain {signs}."),
    "name-with-controls": translatable("A name can't contain control characters or line breaks."),
    # Links.
    "invalid-token": translatable("This link is not valid: open it from our mail again."),
    "invalid-confirmation-token": translatable(
        "This confirmation link is not valid: open it from our mail again, or sign up again to "
        "get a new one."
    ),
    "invalid-unsubscribe-token": translatable(
        "This unsubscribe link is not valid: open it from our mail again, or use the one in any "
        "other issue."
    ),
    "invalid-manage-token": translatable(
        "This link to your subscription is not valid: open it from our mail again, or ask for a "
        "new one."
    ),
    "invalid-address-token": translatable(
        "This link to confirm your new address is not valid: open it from our mail again."
    ),
    "invalid-sign-in-link": translatable(
        "This link doesn't sign you in: it works once, and for a quarter of an hour. Ask for a new "
        "one."
    ),
    "invalid-studio-form": translatable(
        "This form can't be taken: it was not sent from the studio, or you have signed in again "
        "since. Go back, load the page again, and send it once more."
    ),
    "fresh-link-needed": translatable(
        "For this you need a link that was emailed to you within the last 24 hours: ask for a new "
        "one."
    ),
    "expired-address-token": translatable(
        "This link to confirm your new address has expired: please ask for the change again."
    ),
    "expired-confirmation-token": translatable(
        "This confirmation link has expired: please sign up again."
    ),
    # Codes.
    "invalid-sign-up-state": translatable(
        "This form is not valid: please sign up again to get a new code."
    ),
    "invalid-code": translatable(
        "The code in our email has eight digits: please type all of them."
    ),
    "wrong-code": translatable(
        "This is not the code in our newest email to you: please compare them."
    ),
    "expired-code": translatable(
        "This code has expired, and the link in the same email still works: "
        "follow it, or sign up again to get a new code."
    ),
    "spent-code": translatable(
        "These were too many wrong codes, and the link in our email still works: "
        "follow it, or sign up again to get a new code."
    ),
    # Pages.
    "page-not-found": translatable(
        "There is nothing here: the address may be mistyped, or out of date."
    ),
    # Outages, and our own faults.
    "database-unavailable": translatable(
        "The database can't be reached just now: please try again in a minute."
    ),
    "dependency-unavailable": translatable(
        "We could not take your request just now: please try again in a minute."
    ),
    "internal-error": translatable("This is our fault: please try again in a minute."),
}
_ON_PAGES = READERS | AUTHORS | ON_PAGES
# "SES …" keeps its capitals.
_CAPITAL = re.compile(r"[A-Z](?![A-Z])")


def _unprinted(sentence: str) -> str:
    """Return a sentence as the API has it."""
    begins = _CAPITAL.match(sentence)
    lowered = sentence[0].lower() + sentence[1:] if begins else sentence
    return lowered.removesuffix(".")


# All of them in English, as the API's clients get them.
SENTENCES = PROGRAMS | {
    code: _unprinted(sentence) for code, sentence in (AUTHORS | READERS).items()
}
_HEADINGS_BY_CODE = {
    "invalid-studio-form": translatable("This form doesn't work"),
    "role-needed": translatable("Your role doesn't allow this"),
    "invalid-sign-up-state": translatable("This form doesn't work"),
    "expired-code": translatable("This code doesn't work any more"),
    "spent-code": translatable("This code doesn't work any more"),
}
_HEADINGS = {
    HTTPStatus.BAD_REQUEST: translatable("We can't take this as it is"),
    HTTPStatus.UNAUTHORIZED: translatable("This link doesn't work"),
    HTTPStatus.FORBIDDEN: translatable("This token doesn't allow it"),
    HTTPStatus.NOT_FOUND: translatable("This page doesn't exist"),
    HTTPStatus.CONFLICT: translatable("This can't be done now"),
    HTTPStatus.GONE: translatable("This link doesn't work any more"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: translatable("This is too long"),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: translatable("We can't read this form"),
    HTTPStatus.UNPROCESSABLE_ENTITY: translatable("This can't be done as it is"),
    HTTPStatus.PRECONDITION_FAILED: translatable("Somebody else has edited this"),
    HTTPStatus.PRECONDITION_REQUIRED: translatable("We can't take this as it is"),
    HTTPStatus.TOO_MANY_REQUESTS: translatable("This is all for now"),
    HTTPStatus.BAD_GATEWAY: translatable("SES's answer is missing"),
    HTTPStatus.INTERNAL_SERVER_ERROR: translatable("Something went wrong on our side"),
    HTTPStatus.SERVICE_UNAVAILABLE: translatable("This doesn't work just now"),
}


def of_error(error: BroadsheetError) -> str:
    """Return an error's sentence; of invalid fields, each one's with its name before it."""
    if isinstance(error, errors.InvalidFields):
        named = (f"{name}: {sentence}" for name, sentence in of_fields(error.fields).items())
        return of_code(error.code, {"sentences": "; ".join(named)})
    if isinstance(error, errors.UnsendableIssue):
        placed = (
            f"{each.where}: {of_finding(each)}" if each.where else of_finding(each)
            for each in error.errors
        )
        return of_code(error.code, {"sentences": "; ".join(placed)})
    return of_code(error.code, error.parameters)


def of_finding(finding: Finding) -> str:
    """Return a finding's sentence, without its place."""
    return of_code(finding.code, finding.parameters)


def finding_on_page(finding: Finding, language: Language) -> str:
    """Return a finding's sentence for an author in the studio."""
    return code_on_page(finding.code, finding.parameters, language)


def of_findings(findings: Iterable[Finding]) -> list[dict[str, str | None]]:
    """Return the documents of findings as clients get them, errors first."""
    return [
        {
            "code": each.code,
            "severity": str(each.severity),
            "message": printed(of_finding(each)),
            "where": each.where,
        }
        for each in in_order(findings)
    ]


def findings_on_page(
    findings: Iterable[Finding], language: Language
) -> list[dict[str, str | None]]:
    """Return findings as the studio lists them."""
    return [
        {
            "severity": str(each.severity),
            "message": finding_on_page(each, language),
            "where": _place(each.where, language) if each.where else None,
        }
        for each in in_order(findings)
    ]


def _place(where: str, language: Language) -> str:
    for pattern, place in PLACES.items():
        if found := re.fullmatch(pattern, where):
            return language.gettext(place).format_map(found.groupdict())
    raise LookupError(where)


def on_page(error: BroadsheetError, language: Language) -> str:
    """Return an error's sentence for somebody in a browser."""
    if isinstance(error, errors.InvalidFields):
        return " ".join(of_fields(error.fields, language).values())
    if isinstance(error, errors.UnsendableIssue):
        return " ".join(finding_on_page(each, language) for each in error.errors)
    return code_on_page(error.code, error.parameters, language)


def code_on_page(code: str, parameters: Mapping[str, object], language: Language) -> str:
    """Return the sentence for a code for somebody in a browser.

    All that only programs can meet has the same one.
    """
    if language == ENGLISH and "reason" in parameters and code == "invalid-value":
        return printed(str(parameters["reason"]))  # English as it is
    sentence = _ON_PAGES.get(_variant(code, parameters), READERS["invalid-request"])
    return language.gettext(sentence).format_map(_written(parameters, language))


def of_fields(
    fields: Mapping[str, InvalidField], language: Language | None = None
) -> dict[str, str]:
    """Return the sentence for each field; for somebody in a browser, in their language."""
    if language is None:
        return {name: of_code(each.code, each.parameters) for name, each in fields.items()}
    return {
        name: code_on_page(each.code, each.parameters, language) for name, each in fields.items()
    }


def of_pause(stored: str, language: Language) -> str:
    """Return why an issue is paused, as it is stored, as a sentence."""
    code, parameters = pauses.find(stored)
    return language.gettext(PAUSES[code]).format_map(_written(parameters, language))


def import_failure(failure: ImportFailure) -> str:
    """Return why an import failed, in English."""
    return _unprinted(IMPORT_FAILURES[failure])


def of_code(code: str, parameters: Mapping[str, object] | None = None) -> str:
    """Return the sentence for a code, in English."""
    code = _variant(code, parameters or {})
    if code not in PROGRAMS:
        parameters = _written(parameters or {}, ENGLISH)
    return SENTENCES[code].format_map(parameters or {})


def _variant(code: str, parameters: Mapping[str, object]) -> str:
    """Return the code of a sentence: the parameter ``variant`` names one of several."""
    variant = parameters.get("variant")
    return f"{code}-{variant}" if variant else code


def _written(parameters: Mapping[str, object], language: Language) -> dict[str, object]:
    return {name: _value(name, value, language) for name, value in parameters.items()}


def _value(name: str, value: object, language: Language) -> object:
    if isinstance(value, int):
        return language.number(value)
    return language.gettext(WORDS[str(value)]) if name in {"status", "role"} else value


def printed(sentence: str) -> str:
    """Return a sentence as it stands alone: with its capital and its full stop."""
    return f"{sentence[:1].upper()}{sentence[1:]}."


def heading(status: HTTPStatus, code: str, language: Language) -> str:
    """Return the heading of an error's page."""
    return language.gettext(_HEADINGS_BY_CODE.get(code) or _HEADINGS[status])
