"""What people read when something is wrong: a whole sentence for each code.

Readers get it in their language. The API's clients get it in English, where it begins in lower
case and has no full stop: ``printed`` adds both.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from broadsheet.domain import errors
from broadsheet.i18n import ENGLISH, translatable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from broadsheet.domain.errors import BroadsheetError, InvalidField
    from broadsheet.domain.findings import Finding
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
# What only authors' programs read. A sentence begins in lower case and has no full stop.
AUTHORS = {
    # Requests.
    "invalid-fields": "{sentences}",
    "invalid-json": "the body is not valid JSON",
    "no-json-object": "the body must be a JSON object",
    "invalid-limit": "limit must be a number from 1 to {largest}",
    "invalid-query": "query must be text of at most {most} characters",
    "invalid-outcome": "outcome must be one of {known}",
    "invalid-status": "status must be one of {known}",
    "invalid-period": (
        "from and to must be days as in 2026-12-01, from not after to, and at most {most} days"
    ),
    "invalid-address": "the path must have an email address, percent-encoded",
    "invalid-tag": "tag must be a tag: text of 1 to 64 characters",
    "invalid-cursor": "{parameter} must be taken from the next link of a page",
    "invalid-idempotency-key": (
        "an Idempotency-Key header is needed, a new one for each issue: "
        "1 to {max_characters} printable ASCII characters, no spaces"
    ),
    "unsendable-issue": "{sentences}",
    "if-match-needed": (
        "an If-Match header is needed, with the ETag of the version that you have read"
    ),
    "invalid-version": "version must be a number from 1",
    "unsupported-content-type": "send application/json or application/x-www-form-urlencoded",
    "json-expected": "send application/json",
    # Fields.
    "unknown-act": "do must be one of {acts}",
    "missing-content": "give markdown, or content with html",
    "unknown-field": "there is no such field",
    "not-a-truth-value": "this must be true or false",
    "not-a-list": "this must be a JSON list",
    "not-an-object": "this must be a JSON object",
    "not-a-time": "give a time with its zone, as in 2026-12-01T08:00:00Z",
    "not-a-language": "name a language by its tag, as in de or pt-BR",
    "invalid-value": "{reason}",
    # Images.
    "not-an-image": "send a JPEG, a PNG or a GIF: this is none of them, whatever its name says",
    "damaged-image": "this image is cut off or damaged: save it again as JPEG, PNG or GIF",
    "image-too-many-pixels": (
        "an image may have at most {max_pixels:,} pixels, and this has {width:,} by {height:,}: "
        "make it smaller; 1,200 pixels across are enough for a mail"
    ),
    # Authors.
    "role-needed": "this needs a token with the role {role}",
    "nobody-to-ask": (
        "nobody can be asked: no other author who may publish has an email address; the operator "
        "adds one with make change-author NAME=jo EMAIL=jo@example.com"
    ),
    "approval-requests-spent": (
        "you have asked {most} times today: ask those who may publish yourself, or again from "
        "{resets_at} on"
    ),
    "approval-mail-refused": (
        "SES refuses the mail to those who could be asked ({reason}): the operator has to see to it"
    ),
    # Test mails.
    "test-address-not-allowed": (
        "your token doesn't allow test mails to address {number} of the list: "
        'the operator names those that it allows, with make change-author NAME=… TEST="…"'
    ),
    "test-address-suppressed": (
        "address {number} of the list has bounced, or its owner has complained: it gets no mail"
    ),
    "test-mails-spent": (
        "these would be more than {most} test mails today: the next day begins at {resets_at}"
    ),
    "test-mail-refused": (
        "SES refuses the mail to address {number} of the list ({reason}), and accepted {sent} "
        "before it; in SES's sandbox, an address must be verified first"
    ),
    "test-mail-unknown": (
        "SES accepted {sent} of the mails, and what became of that to address {number} of the list "
        "is unknown: it may have been sent; look into the inboxes before you send the test again"
    ),
    # People.
    "subscriber-not-found": "there is no subscriber with this id",
    "consent-in-future": "a consent can't be given in the future: see confirmed.at",
    "wrong-standing": "this can't be done for this subscriber",
    "already-subscribed": "they are subscribed already, and get every issue",
    "has-unsubscribed": (
        "they have unsubscribed: only their own confirmation brings them back; without confirmed, "
        "they are mailed to confirm"
    ),
    "has-bounced": (
        "a mail to them bounced: if they ask for mail, forgive that first; without confirmed, they "
        "are mailed to confirm"
    ),
    "has-complained": "they called a mail spam: if they ask for mail, forgive that first",
    "nothing-to-forgive": "they have neither bounced nor complained",
    "address-left": "the address was left: whoever has it now can sign up themselves",
    "has-been-erased": "they asked to be erased: they can sign up themselves, as somebody new",
    "has-moved": "they have moved to another address: whoever has this one can sign up themselves",
    # Imports.
    "export-not-found": "there is no export with this id: it is kept for a day",
    "import-not-found": "there is no import with this id",
    "import-file-missing": (
        "the import has no file: PUT it to the URL that POST /imports answered; after a week, it "
        "is deleted, and needs a new import"
    ),
    "import-file-too-large": "the file has more than {most} bytes: import it in parts",
    "import-not-ready": "the import is not at this step yet: it is {status}",
    # Issues.
    "issue-not-found": "there is no issue with this id",
    "webhook-not-found": "there is no webhook with this id",
    "webhook-disabled": "the webhook is disabled: POST …/enable first",
    "too-many-webhooks": "there are {most} webhooks, and no more are possible: delete one first",
    "url-invalid": (
        "this is no whole address in ASCII, such as https://example.com/hook (an international "
        "host as xn--…)"
    ),
    "url-insecure": "the address must begin with https://",
    "url-with-user": "the address can't hold a user or a password",
    "url-port": "the port must be 443, or 1024 or higher",
    "either-since-or-message": "give since, a time, or message, an id: one of them",
    "not-a-message": "this is no id of a message, such as the header webhook-id has",
    "segment-not-found": "there is no segment with this name",
    "segment-in-use": (
        "the issue “{title}” ({issue}) is for this segment and has not begun: cancel it, or give "
        "it another segment"
    ),
    "unknown-segment": (
        "there is no segment {segment}: PUT /segments/{segment} makes one, and GET /segments lists "
        "them"
    ),
    "audience-fixed": "the issue's readers are chosen already: it can't go to another segment",
    "welcome-not-found": "there is no welcome mail yet: PUT /welcome stores one",
    "statement-not-found": "the issue has no statement yet: it gets one when it has finished",
    "idempotency-key-reused": "this Idempotency-Key was used for another request: choose a new one",
    "slug-taken": "another issue has the slug {slug}: choose a new one",
    "wrong-state": "the issue is in a state in which this can't be done",
    "version-not-found": "the issue has no such version",
    "stale-version": (
        "the issue is at version {version}, and your If-Match names another: read that version, "
        'edit it, and send If-Match: "{version}", with the quotes'
    ),
    "issue-published": "the issue is {status}: only a draft can be published or deleted",
    "issue-sending": "the issue is being sent: pause it first",
    "issue-not-editable": "the issue is {status}: it can't be edited any more",
    "issue-is-draft": "the issue is a draft: it can only be edited, published or deleted",
    "careful-start-fixed": (
        "the issue has begun, or is a correction: its careful start can't be changed"
    ),
    "issue-not-finished": (
        "the issue is {status}, not finished: until then, an edit with archive says whether it is "
        "archived, and a canceled issue never is"
    ),
    "issue-ended": "the issue is {status}: it can't be paused or resumed",
    "issue-finished": "the issue is finished: there is nothing left to cancel",
    "issue-canceled": "the issue was canceled: it can't be sent again",
    "issue-not-started": "the issue has not started: nobody can have failed",
    "issue-started": "the issue is {status}: it can't be rescheduled any more",
    "nobody-to-send-to": "this issue would go to 0 readers now: nobody has confirmed yet",
    "nobody-to-send-to-at-once": (
        "this issue goes to 0 readers now: nobody has confirmed yet; "
        "publish again with a new Idempotency-Key when somebody has confirmed"
    ),
    "nobody-to-send-to-in-segment": (
        "this issue would go to 0 readers now: nobody who has confirmed is in the segment {segment}"
    ),
    # What is wrong with an issue.
    "unknown-placeholder": (
        "{written} is no placeholder: write [[name]] for the reader's name, "
        "or \\{written} to show the brackets"
    ),
    "no-archive-page": (
        "{written} is the link to an issue's page in the archive, where a welcome mail and an "
        "issue with archive: false have none: leave it out"
    ),
    "name-without-fallback": (
        "a reader who gave no name is addressed as reader, in English: "
        "write what stands for the name, as in [[name|…]]"
    ),
    "relative-link": "a link leads to {address}, which is no whole address: write {meant}",
    "relative-image": "an image is at {address}, which is no whole address: write {meant}",
    "no-address": "a link or an image has no address",
    "name-in-host": "{address} has [[name]] in the name of its host: put it after that",
    "placeholder-in-markup": (
        "a placeholder can stand in a text and in an attribute's quotes, "
        "not elsewhere in a tag, in styles or in scripts"
    ),
    "unfinished-markup": "{what} never ends: what follows would be lost",
    "unfinished-comment": (
        "the comment (<!--) never ends: write --> after it, or \\<!-- to show it"
    ),
    "footnote-unused": (
        "nothing refers to the footnote {label}: write [^{label}] where it belongs, "
        "otherwise readers won't see it"
    ),
    "footnote-twice": "the footnote {label} is defined a second time: both texts become one note",
    "footnote-undefined": "[^{label}] is no footnote: write [^{label}]: and its text on a line",
    "too-complex": "{reason}",
    "too-large": "the rendered issue has {bytes:,} bytes as JSON; SES takes {most:,}",
    "missing-alt": (
        "the image at {address} has no description, for readers who don't see it: "
        'write ![what it shows](…), or alt="" in HTML if it is only an ornament'
    ),
    "alt-looks-default": "the image's description, “{text}”, doesn't say what it shows",
    "large-image": (
        "an image within the mail has {bytes:,} bytes: upload it, and link to its address"
    ),
    "large-image-width": "an image is {width:,} pixels wide: mails need at most 1,200",
    "image-only": (
        "the mail is images with {characters} characters of text: many readers see no images, "
        "and filters take it for spam"
    ),
    "empty-link-text": (
        "the link to {address} has no text: screen readers can't say where it leads"
    ),
    "link-text-is-another-address": (
        "the link “{text}” leads to {address}: filters take that for phishing"
    ),
    "url-shortener": "{address} hides where it leads: filters distrust it; use the whole address",
    "todo-left": "“{text}” looks as if something were still to be written",
    "old-copyright-year": "the copyright's year is {year}: it is {now} now",
    "attachment-mentioned": "“{text}”: an issue has no attachments; link to the file",
    "raw-html-in-markdown": (
        "{tag} is shown as typed: HTML in Markdown has no effect; use Markdown, or send content "
        "with html"
    ),
    "front-matter-in-body": (
        "the text begins with settings (front matter), which readers would see: send them as "
        "fields of the request"
    ),
    "heading-order": (
        "a heading of level {level} follows one that is more than a level above it: "
        "use level {expected}"
    ),
    "low-contrast": "the text's contrast to its background is {ratio}: it needs {least}",
    "unsupported-css": "{feature} has no effect in {clients}",
    "clipped": (
        "the mail has up to {bytes:,} bytes of HTML: Gmail shows the first {most:,} and hides "
        "the rest, with the unsubscribe link, behind another link"
    ),
    "subject-long": "the subject has {characters} characters: mail clients show at most {most}",
    "no-preheader": (
        "there is no preheader: the inbox shows the first words of the mail beside the subject"
    ),
    "publish-at-past": "publish_at, {publish_at}, has passed: the issue is sent at once",
    "publish-at-past-draft": (
        "publish_at, {publish_at}, has passed: the issue is sent at once when it is published"
    ),
    "publish-at-far": "publish_at, {publish_at}, is more than a year away: check its year",
    "same-as-sent": (
        "the text is the same as that of “{title}”, published on {date}: readers would get it twice"
    ),
    "subject-as-last": "the subject is the same as that of the last issue, published on {date}",
    "audience-unknown": (
        "the database sleeps or can't be reached, so the number of readers is not known now: "
        "preview again in half a minute"
    ),
    "sender-unauthenticated": (
        "the sender is not authenticated ({lacks}): many mail providers refuse its mail; "
        "make doctor shows what is missing"
    ),
    # Outcomes of an issue.
    "nothing-to-correct": "nobody has an older version of this issue: nobody needs a correction",
    "already-corrected": (
        "the issue {correction} corrects the older versions already: edit it, or publish another"
    ),
    "nobody-failed": "nobody has failed: there is nobody to send to again",
    "careful-start": "a sample goes first; the others follow after the hold if the sample is good",
    "warm-up": "today's mails of the warm-up are all sent; the others leave tomorrow (UTC)",
    "quota-spent": "SES's 24-hour quota is spent; the others leave when it has room again",
}
# All of them in English, as the API's clients get them.
SENTENCES = AUTHORS | {
    code: f"{sentence[:1].lower()}{sentence[1:]}".removesuffix(".")
    for code, sentence in READERS.items()
}
# What a page says instead: its readers send no media types.
_ON_PAGES = {
    "unsupported-content-type": translatable("Please use the form on our page."),
}
_HEADINGS_BY_CODE = {
    "invalid-sign-up-state": translatable("This form doesn't work"),
    "expired-code": translatable("This code doesn't work any more"),
    "spent-code": translatable("This code doesn't work any more"),
}
_HEADINGS = {
    HTTPStatus.BAD_REQUEST: translatable("We can't take this as it is"),
    HTTPStatus.UNAUTHORIZED: translatable("This link doesn't work"),
    HTTPStatus.FORBIDDEN: "This token doesn't allow it",
    HTTPStatus.NOT_FOUND: translatable("This page doesn't exist"),
    HTTPStatus.CONFLICT: translatable("This can't be done now"),
    HTTPStatus.GONE: translatable("This link doesn't work any more"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: translatable("This is too long"),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: translatable("We can't read this form"),
    HTTPStatus.UNPROCESSABLE_ENTITY: "This key is used already",
    HTTPStatus.PRECONDITION_FAILED: "Somebody else has edited this",
    HTTPStatus.PRECONDITION_REQUIRED: "We can't take this as it is",
    HTTPStatus.TOO_MANY_REQUESTS: "This is all for now",
    HTTPStatus.BAD_GATEWAY: "SES's answer is missing",
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
    """Return a finding's sentence, without its place.

    Some codes have more than one sentence: the parameter ``variant`` names it.
    """
    variant = finding.parameters.get("variant")
    code = f"{finding.code}-{variant}" if variant else finding.code
    return of_code(code, finding.parameters)


def of_findings(findings: Iterable[Finding]) -> list[dict[str, str | None]]:
    """Return the documents of findings as clients get them, errors first."""
    return [
        {
            "code": each.code,
            "severity": str(each.severity),
            "message": printed(of_finding(each)),
            "where": each.where,
        }
        for each in sorted(findings, key=lambda each: each.severity)
    ]


def on_page(error: BroadsheetError, language: Language) -> str:
    """Return an error's sentence for a reader in a browser."""
    if sentence := _ON_PAGES.get(error.code):
        return language.gettext(sentence)
    if error.code in READERS:
        return _to_reader(error.code, error.parameters, language)
    return printed(of_error(error))


def of_fields(
    fields: Mapping[str, InvalidField], language: Language | None = None
) -> dict[str, str]:
    """Return the sentence for each field; for a reader, in their language."""
    if language is None:
        return {name: of_code(each.code, each.parameters) for name, each in fields.items()}
    return {
        name: _to_reader(each.code, each.parameters, language)
        if each.code in READERS
        else printed(of_code(each.code, each.parameters))
        for name, each in fields.items()
    }


def of_code(code: str, parameters: Mapping[str, object] | None = None) -> str:
    """Return the sentence for a code, in English."""
    if code in READERS:
        parameters = _written(parameters or {}, ENGLISH)
    return SENTENCES[code].format_map(parameters or {})


def _to_reader(code: str, parameters: Mapping[str, object], language: Language) -> str:
    return language.gettext(READERS[code]).format_map(_written(parameters, language))


def _written(parameters: Mapping[str, object], language: Language) -> dict[str, object]:
    return {
        name: language.number(value) if isinstance(value, int) else value
        for name, value in parameters.items()
    }


def printed(sentence: str) -> str:
    """Return a sentence as it stands alone: with its capital and its full stop."""
    return f"{sentence[:1].upper()}{sentence[1:]}."


def heading(status: HTTPStatus, code: str, language: Language) -> str:
    """Return the heading of an error's page."""
    return language.gettext(_HEADINGS_BY_CODE.get(code) or _HEADINGS[status])
