"""The sentences that only authors and their programs read: ``sentences.py`` chooses among them."""

from __future__ import annotations

from broadsheet.domain.imports import ImportFailure
from broadsheet.i18n import translatable

# What the studio and the API say: whole sentences, which the catalogues translate.
AUTHORS = {
    # Fields.
    "invalid-value-too-long": translatable("At most {max_length} characters are possible here."),
    "invalid-value-too-short": translatable("At least {min_length} characters are needed here."),
    "invalid-value-too-many": translatable("At most {max_length} of them are possible here."),
    "invalid-value-too-few": translatable("At least {min_length} of them are needed here."),
    "invalid-value-title-needed": translatable("A title is needed."),
    "invalid-value-title-too-long": translatable("A title has at most {most} characters."),
    "invalid-value-title-with-controls": translatable(
        "A title is one line without control characters."
    ),
    "invalid-value-preheader-needed": translatable(
        "A preheader says something: leave it out for none."
    ),
    "invalid-value-preheader-too-long": translatable("A preheader has at most {most} characters."),
    "invalid-value-preheader-with-controls": translatable(
        "A preheader is one line without control characters."
    ),
    "invalid-value-slug": translatable(
        "A slug has at most {most} letters a to z, digits, and single hyphens between them."
    ),
    "invalid-value-text-needed": translatable("A text is needed."),
    "invalid-value-text-with-controls": translatable(
        "A text may hold no control characters but tabs and line breaks."
    ),
    "invalid-value-tag-needed": translatable("A tag has a letter or more."),
    "invalid-value-tag-too-long": translatable("A tag has at most {most} characters."),
    "invalid-value-tag-with-controls": translatable("A tag has no control characters."),
    "invalid-value-segment-name": translatable(
        "A segment's name has at most {most} letters a to z, digits, and single hyphens between "
        "them."
    ),
    "invalid-value-condition": translatable(
        "A segment needs a condition: tags, a language or a time."
    ),
    "not-a-language": translatable("Name a language by its tag, as in de or pt-BR."),
    # Images.
    "not-an-image": translatable(
        "Send a JPEG, a PNG or a GIF: this is none of them, whatever its name says."
    ),
    "damaged-image": translatable(
        "This image is cut off or damaged: save it again as JPEG, PNG or GIF."
    ),
    "image-too-many-pixels": translatable(
        "An image may have at most {max_pixels} pixels, and this has {width} by {height}: make it "
        "smaller; 1,200 pixels across are enough for a mail."
    ),
    # Authors.
    "invalid-value-author-name-needed": translatable("An author needs a name."),
    "invalid-value-author-name-with-signs": translatable(
        "A name has letters, digits, spaces, apostrophes and . _ @ - only."
    ),
    "author-exists": translatable("There is an author of this name already."),
    "author-not-found": translatable("There is no author of this name."),
    "author-changed": translatable(
        "Somebody else has changed this meanwhile. This is how it is now: press the button once "
        "more if it is still to change."
    ),
    "authors-address-taken": translatable("Another author has this address."),
    "no-older-token": translatable("They have no older token."),
    "workflow-has-no-token": translatable("A repository's workflows sign in without a token."),
    "workflow-never-manages": translatable(
        "A repository's workflows never manage: let them publish, or write."
    ),
    "own-rights": translatable(
        "You can't change your own role or remove yourself: another author who manages can, or the "
        "operator."
    ),
    "too-many-authors": translatable(
        "There are as many authors as there can be: remove somebody first."
    ),
    "too-many-author-changes": translatable(
        "Authors were changed too often within a day: try again tomorrow, or ask the operator. "
        "You may still be able to remove an author or end older tokens."
    ),
    "secret-change-unknown": translatable(
        "AWS has stopped answering, and the change may have been made: press the button once more "
        "in a minute, which does nothing twice."
    ),
    "nobody-to-ask": translatable(
        "Nobody can be asked: no other author who may publish has an email address; an author who "
        "may manage adds one in the studio, or the operator with make change-author NAME=jo "
        "EMAIL=jo@example.com."
    ),
    "approval-requests-spent": translatable(
        "You have asked {most} times today: ask those who may publish yourself, or again from "
        "{resets_at} on."
    ),
    "approval-mail-refused": translatable(
        "SES refuses the mail to those who could be asked ({reason}): the operator has to see to "
        "it."
    ),
    # Test mails.
    "test-address-not-allowed": translatable(
        "Your token doesn't allow test mails to address {number} of the list: the operator names "
        'those that it allows, with make change-author NAME=… TEST="…".'
    ),
    "test-address-suppressed": translatable(
        "Address {number} of the list has bounced, or its owner has complained: it gets no mail."
    ),
    "test-mails-spent": translatable(
        "These would be more than {most} test mails today: the next day begins at {resets_at}."
    ),
    "test-mail-refused": translatable(
        "SES refuses the mail to address {number} of the list ({reason}), and accepted {sent} "
        "before it; in SES's sandbox, an address must be verified first."
    ),
    "test-mail-unknown": translatable(
        "SES accepted {sent} of the mails, and what became of that to address {number} of the list "
        "is unknown: it may have been sent; look into the inboxes before you send the test again."
    ),
    # People.
    "subscriber-not-found": translatable("There is no subscriber with this id."),
    "wrong-standing": translatable("This can't be done for this subscriber."),
    "already-subscribed": translatable("They are subscribed already, and get every issue."),
    "has-complained": translatable(
        "They called a mail spam: if they ask for mail, forgive that first."
    ),
    "nothing-to-forgive": translatable("They have neither bounced nor complained."),
    "address-left": translatable(
        "The address was left: whoever has it now can sign up themselves."
    ),
    "has-been-erased": translatable(
        "They asked to be erased: they can sign up themselves, as somebody new."
    ),
    "has-expired": translatable(
        "They unsubscribed, and are kept no longer: they can sign up themselves, as somebody new."
    ),
    "has-moved": translatable(
        "They have moved to another address: whoever has this one can sign up themselves."
    ),
    # Imports.
    "export-not-found": translatable("There is no export with this id: it is kept for a day."),
    "import-not-found": translatable("There is no import with this id."),
    "import-file-too-large": translatable(
        "The file has more than {most} bytes: import it in parts."
    ),
    "import-stays": translatable(
        "An import of everything can't be undone: make a new stack instead."
    ),
    # Issues.
    "issue-not-found": translatable("There is no issue with this id."),
    "segment-not-found": translatable("There is no segment with this name."),
    "segment-in-use": translatable(
        "The issue “{title}” ({issue}) is for this segment and has not begun: cancel it, or give "
        "it another segment."
    ),
    "audience-fixed": translatable(
        "The issue's readers are chosen already: it can't go to another segment."
    ),
    "statement-not-found": translatable(
        "The issue has no statement yet: it gets one when it has finished."
    ),
    "slug-taken": translatable("Another issue has the slug {slug}: choose a new one."),
    "wrong-state": translatable("The issue is in a state in which this can't be done."),
    "version-not-found": translatable("The issue has no such version."),
    "issue-sending": translatable("The issue is being sent: pause it first."),
    "issue-is-draft": translatable(
        "The issue is a draft: it can only be edited, published or deleted."
    ),
    "careful-start-fixed": translatable(
        "The issue has begun, or is a correction: its careful start can't be changed."
    ),
    "issue-finished": translatable("The issue is finished: there is nothing left to cancel."),
    "issue-canceled": translatable("The issue was canceled: it can't be sent again."),
    "issue-not-started": translatable("The issue has not started: nobody can have failed."),
    "nobody-to-send-to": translatable(
        "This issue would go to 0 readers now: nobody has confirmed yet."
    ),
    "nobody-to-send-to-in-segment": translatable(
        "This issue would go to 0 readers now: nobody who has confirmed is in the segment "
        "{segment}."
    ),
    # What is wrong with an issue.
    "unknown-placeholder": translatable(
        "{written} is no placeholder: write [[name]] for the reader's name, or \\{written} to show "
        "the brackets."
    ),
    "no-archive-page": translatable(
        "{written} is the link to an issue's page in the archive, where a welcome mail and an "
        "issue that isn't archived have none: leave it out."
    ),
    "name-without-fallback": translatable(
        "A reader who gave no name is addressed as reader, in English: write what stands for the "
        "name, as in [[name|…]]."
    ),
    "relative-link": translatable(
        "A link leads to {address}, which is no whole address: write {meant}."
    ),
    "relative-image": translatable(
        "An image is at {address}, which is no whole address: write {meant}."
    ),
    "no-address": translatable("A link or an image has no address."),
    "name-in-host": translatable(
        "{address} has [[name]] in the name of its host: put it after that."
    ),
    "placeholder-in-markup": translatable(
        "A placeholder can stand in a text and in an attribute's quotes, not elsewhere in a tag, "
        "in styles or in scripts."
    ),
    "unfinished-markup": translatable("The {what} never ends: what follows would be lost."),
    "unfinished-markup-comment": translatable(
        "The comment (<!--) never ends: what follows would be lost."
    ),
    "unfinished-markup-tag": translatable("The tag never ends: what follows would be lost."),
    "unfinished-comment": translatable(
        "The comment (<!--) never ends: write --> after it, or \\<!-- to show it."
    ),
    "footnote-unused": translatable(
        "Nothing refers to the footnote {label}: write [^{label}] where it belongs, otherwise "
        "readers won't see it."
    ),
    "footnote-twice": translatable(
        "The footnote {label} is defined a second time: both texts become one note."
    ),
    "footnote-undefined": translatable(
        "There is no footnote [^{label}]: write [^{label}]: and its text on a line."
    ),
    "too-complex-html-nesting": translatable("The HTML is nested more than {most} levels deep."),
    "too-complex-html-styles": translatable("The HTML has too many styles for so many elements."),
    "too-complex-style-brackets": translatable(
        "The HTML has styles with too many brackets in brackets."
    ),
    "too-complex-lines": translatable("The Markdown has more than {most} lines."),
    "too-complex-emphasis": translatable("The Markdown has more than {most} of the marks * _ ~."),
    "too-complex-markdown": translatable("The Markdown is nested too deeply."),
    "too-complex-markdown-nesting": translatable(
        "The Markdown is nested more than {most} levels deep."
    ),
    "too-complex-brackets": translatable(
        "The Markdown has too many brackets, nested in each other or never closed, up to line "
        "{line}: write \\[ for a bracket."
    ),
    "too-complex-quotations": translatable(
        "The Markdown has quotations inside each other with too many lines that don't begin with "
        ">, up to line {line}: leave an empty line after a quotation."
    ),
    "too-complex-blocks": translatable(
        "The Markdown has more than {most} paragraphs, list items and cells."
    ),
    "too-complex-placeholders": translatable(
        "The issue has more than {most} different placeholders."
    ),
    "too-complex-footnotes": translatable(
        "The Markdown has footnotes defined inside each other too deeply."
    ),
    "too-large": translatable("The rendered issue has {bytes} bytes as JSON; SES takes {most}."),
    "missing-alt": translatable(
        "The image at {address} has no description, for readers who don't see it: write ![what it "
        'shows](…), or alt="" in HTML if it is only an ornament.'
    ),
    "alt-looks-default": translatable(
        "The image's description, “{text}”, doesn't say what it shows."
    ),
    "large-image": translatable(
        "An image within the mail has {bytes} bytes: upload it, and link to its address."
    ),
    "large-image-width": translatable("An image is {width} pixels wide: mails need at most 1,200."),
    "image-only": translatable(
        "The mail is images with {characters} characters of text: many readers see no images, and "
        "filters take it for spam."
    ),
    "empty-link-text": translatable(
        "The link to {address} has no text: screen readers can't say where it leads."
    ),
    "link-text-is-another-address": translatable(
        "The link “{text}” leads to {address}: filters take that for phishing."
    ),
    "url-shortener": translatable(
        "{address} hides where it leads: filters distrust it; use the whole address."
    ),
    "todo-left": translatable("The words “{text}” look as if something were still to be written."),
    "old-copyright-year": translatable("The copyright's year is {year}: it is {now} now."),
    "attachment-mentioned": translatable(
        "An issue has no attachments, and the text says “{text}”: link to the file."
    ),
    "heading-order": translatable(
        "A heading of level {level} follows one that is more than a level above it: use level "
        "{expected}."
    ),
    "low-contrast": translatable(
        "The text's contrast to its background is {ratio}: it needs {least}."
    ),
    "unsupported-css": translatable("{feature} has no effect in {clients}."),
    "clipped": translatable(
        "The mail has up to {bytes} bytes of HTML: Gmail shows the first {most} and hides the "
        "rest, with the unsubscribe link, behind another link."
    ),
    "subject-long": translatable(
        "The subject has {characters} characters: mail clients show at most {most}."
    ),
    "no-preheader": translatable(
        "There is no preheader: the inbox shows the first words of the mail beside the subject."
    ),
    "same-as-sent": translatable(
        "The text is the same as that of “{title}”, published on {date}: readers would get it "
        "twice."
    ),
    "subject-as-last": translatable(
        "The subject is the same as that of the last issue, published on {date}."
    ),
    "audience-unknown": translatable(
        "The database sleeps or can't be reached, so the number of readers is not known now, and "
        "the mail is shown in the stack's theme: preview again in half a minute."
    ),
    "sender-unauthenticated": translatable(
        "The sender is not authenticated ({lacks}): many mail providers refuse its mail; make "
        "doctor shows what is missing."
    ),
    # Outcomes of an issue.
    "nothing-to-correct": translatable(
        "Nobody has an older version of this issue: nobody needs a correction."
    ),
    "already-corrected": translatable(
        "The issue {correction} corrects the older versions already: edit it, or publish another."
    ),
    "nobody-failed": translatable("Nobody has failed: there is nobody to send to again."),
    "careful-start": translatable(
        "A sample goes first; the others follow after the hold if the sample is good."
    ),
    "warm-up": translatable(
        "Today's mails of the warm-up are all sent; the others leave tomorrow (UTC)."
    ),
    "quota-spent": translatable(
        "SES's 24-hour quota is spent; the others leave when it has room again."
    ),
}
# What only programs read, in English: it speaks of requests, and no page says it. A sentence
# begins in lower case and has no full stop.
PROGRAMS = {
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
    "idempotency-key-reused": "this Idempotency-Key was used for another request: choose a new one",
    "role-needed": "this needs a token with the role {role}",
    "workflow-refused": (
        "no author is bound to this workflow, or its token is not for this newsletter, not valid "
        "now, or was used before; the newsletter's log says which"
    ),
    # Fields.
    "unknown-act": "do must be one of {acts}",
    "missing-content": "give markdown, or content with html",
    "unknown-field": "there is no such field",
    "not-a-truth-value": "this must be true or false",
    "not-a-list": "this must be a JSON list",
    "not-an-object": "this must be a JSON object",
    "not-a-time": "give a time with its zone, as in 2026-12-01T08:00:00Z",
    "invalid-value": "{reason}",
    "invalid-value-order": "confirmed_after must be before confirmed_before",
    # People and imports.
    "consent-in-future": "a consent can't be given in the future: see confirmed.at",
    "has-unsubscribed": (
        "they have unsubscribed: only their own confirmation brings them back; without confirmed, "
        "they are mailed to confirm"
    ),
    "has-bounced": (
        "a mail to them bounced: if they ask for mail, forgive that first; without confirmed, they "
        "are mailed to confirm"
    ),
    "import-file-missing": (
        "the import has no file: PUT it to the URL that POST /imports answered; after a week, it "
        "is deleted, and needs a new import"
    ),
    "import-not-ready": "the import is not at this step yet: it is {status}",
    "newsletter-not-empty": (
        "this newsletter has {what} already: everything is imported into a new stack, before "
        "anything else; delete drafts and erase those who signed up to try it, or make a new stack"
    ),
    # Webhooks.
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
    # Issues.
    "unknown-segment": (
        "there is no segment {segment}: make it first (for programs: PUT /segments/{segment})"
    ),
    "welcome-not-found": "there is no welcome mail yet: PUT /welcome stores one",
    "link-not-found": (
        "the issue has no link of this number: clicks on its links are counted only if CountLinks"
        " was on when it was published"
    ),
    "stale-version": (
        "the issue is at version {version}, and your If-Match names another: read that version, "
        'edit it, and send If-Match: "{version}", with the quotes'
    ),
    "issue-published": "the issue is {status}: only a draft can be published or deleted",
    "no-longer-draft": (
        "the issue is {status} meanwhile: what you type reaches readers only when you save it"
    ),
    "issue-not-editable": "the issue is {status}: it can't be edited any more",
    "issue-not-finished": (
        "the issue is {status}, not finished: until then, an edit with archive says whether it is "
        "archived, and a canceled issue never is"
    ),
    "issue-ended": "the issue is {status}: it can't be paused or resumed",
    "issue-started": "the issue is {status}: it can't be rescheduled any more",
    "nobody-to-send-to-at-once": (
        "this issue goes to 0 readers now: nobody has confirmed yet; when somebody has, it takes "
        "another issue (for programs: a new Idempotency-Key)"
    ),
    "raw-html-in-markdown": (
        "{tag} is shown as typed: HTML in Markdown has no effect; use Markdown, or send content "
        "with html"
    ),
    "front-matter-in-body": (
        "the text begins with settings (front matter), which readers would see: send them as "
        "fields of the request"
    ),
    "publish-at-past": "publish_at, {publish_at}, has passed: the issue is sent at once",
    "publish-at-past-draft": (
        "publish_at, {publish_at}, has passed: the issue is sent at once when it is published"
    ),
    "publish-at-far": "publish_at, {publish_at}, is more than a year away: check its year",
}
# What a page says instead. A code that is in neither of these gets ``invalid-request`` of all.
ON_PAGES = {
    "unsupported-content-type": translatable("Please use the form on our page."),
    "json-expected": translatable("Please use the form on our page."),
    "invalid-limit": translatable("This address of a list can't be understood."),
    "invalid-cursor": translatable("This address of a list can't be understood."),
    "invalid-query": translatable("At most {most} characters can be looked for."),
    "invalid-tag": translatable("This is no tag: it has 1 to 64 characters."),
    "invalid-version": translatable("The issue has no such version."),
    "idempotency-key-reused": translatable("This form was used already: load the page again."),
    "role-needed": translatable("This needs an author with this role: {role}."),
    "missing-content": translatable("A text is needed."),
    "invalid-value": translatable("This value isn't possible here."),
    "invalid-value-order": translatable(
        "The day after which they confirmed must be before that before which they did."
    ),
    "not-a-time": translatable("Give a day, and a time if there is a field for it."),
    "consent-in-future": translatable("A consent can't be given in the future."),
    "has-unsubscribed": translatable(
        "They have unsubscribed: only their own confirmation brings them back. Add them without a "
        "consent, and they are mailed to confirm."
    ),
    "has-bounced": translatable(
        "A mail to them bounced: if they ask for mail, forgive that first. Added without a "
        "consent, they are mailed to confirm."
    ),
    "import-file-missing": translatable(
        "The import's file is not there: after a week it is deleted, and needs a new import."
    ),
    "import-not-ready": translatable("The import is not at this step yet. Its step: {status}."),
    "newsletter-not-empty": translatable(
        "This newsletter isn't empty: everything is imported into a new stack, before anything "
        "else. Delete drafts and erase those who signed up to try it, or make a new stack."
    ),
    "unknown-segment": translatable("There is no segment {segment}."),
    "welcome-not-found": translatable("There is no welcome mail yet."),
    "stale-version": translatable(
        "Somebody has saved another version meanwhile: this is version {version}."
    ),
    "issue-published": translatable(
        "Only a draft can be published or deleted. The issue's status: {status}."
    ),
    "no-longer-draft": translatable(
        "This is no draft any more: what you type reaches readers only when you save it. The "
        "issue's status: {status}."
    ),
    "issue-not-editable": translatable(
        "This issue can't be edited any more. Its status: {status}."
    ),
    "issue-not-finished": translatable(
        "Until an issue is finished, its text's form says whether it is archived, and a canceled "
        "one never is. The issue's status: {status}."
    ),
    "issue-ended": translatable("This issue can't be paused or resumed. Its status: {status}."),
    "issue-started": translatable(
        "This issue can't be rescheduled any more. Its status: {status}."
    ),
    "nobody-to-send-to-at-once": translatable(
        "This issue goes to 0 readers now: nobody has confirmed yet."
    ),
    "raw-html-in-markdown": translatable(
        "{tag} is shown as typed: HTML in Markdown has no effect. Use Markdown instead."
    ),
    "front-matter-in-body": translatable(
        "The text begins with settings (front matter), which readers would see: the form has "
        "fields for them."
    ),
    "publish-at-past": translatable("The time {publish_at} has passed: the issue is sent at once."),
    "publish-at-past-draft": translatable(
        "The time {publish_at} has passed: the issue is sent at once when it is published."
    ),
    "publish-at-far": translatable(
        "The time {publish_at} is more than a year away: check its year."
    ),
}
# Values of parameters, which a page says in its language: statuses, steps of an import, roles.
WORDS = {
    "draft": translatable("Draft"),
    "scheduled": translatable("Scheduled"),
    "sending": translatable("Sending"),
    "paused": translatable("Paused"),
    "finished": translatable("Finished"),
    "canceled": translatable("Canceled"),
    "waiting": translatable("Waiting"),
    "reading": translatable("Being read"),
    "judging": translatable("Being checked"),
    "ready": translatable("Ready for your decision"),
    "applying": translatable("Being applied"),
    "applied": translatable("Applied"),
    "undoing": translatable("Being undone"),
    "undone": translatable("Undone"),
    "failed": translatable("Failed"),
    "write": translatable("Write"),
    "publish": translatable("Publish"),
    "manage": translatable("Manage"),
}
# Where in an issue something is, as a finding says it: by patterns.
PLACES = {
    r"line (?P<line>\d+)": translatable("Line {line}"),
    r"line (?P<line>\d+) of the HTML": translatable("Line {line} of the HTML"),
    r"line (?P<line>\d+) of the text": translatable("Line {line} of the plain text"),
    "the title": translatable("Title"),
    "the preheader": translatable("Preheader"),
    "the segment": translatable("Readers"),
}
# Why an issue is paused: by the code of ``domain/pauses.py``.
PAUSES = {
    "by-author": translatable("The author paused the issue."),
    "segment-gone": translatable("The issue is paused: there is no segment {segment} any more."),
    "breaker": translatable(
        "The issue is paused: of {accepted} mails, {bounced} bounced and {complained} were called "
        "spam."
    ),
    "bad-sample": translatable(
        "The issue is paused: of the first {sample} mails, {bounced} bounced and {complained} were "
        "called spam; the other {held} were not sent."
    ),
    "silent-sample": translatable(
        "The issue is paused: SES has reported nothing about the first {sample} mails."
    ),
    "exported-scheduled": translatable(
        "The issue is paused: it was scheduled when it was exported."
    ),
    "exported-sending": translatable(
        "The issue is paused: it was being sent when it was exported."
    ),
    "refused": translatable("The issue is paused: SES refuses its mails ({reason})."),
}
# Why an import failed.
IMPORT_FAILURES = {
    ImportFailure.FILE_DELETED: translatable(
        "Its file is not there: it is deleted a week after it was sent, and needs a new import."
    ),
    ImportFailure.NO_PROGRESS: translatable(
        "The worker ended again and again without getting any further, and its log says why. The "
        "same step again has it try once more."
    ),
}
# Why a file, or a row of it, can't be imported, or an import's row can't be undone.
IMPORT_REASONS = {
    "no-address": translatable("It has no address."),
    "address-invalid": translatable("Its address is not valid."),
    "bad-encoding": translatable(
        "It has bytes that the file's encoding doesn't have: save the file as UTF-8."
    ),
    "cell-too-long": translatable("It has a cell that is too long."),
    "damaged-quotes": translatable("Its quotation marks don't match."),
    "more-cells-than-columns": translatable(
        "It has a cell too many: often a comma in a name without quotation marks."
    ),
    "unreadable-time": translatable("Its date can't be read."),
    "time-in-future": translatable("Its date is in the future."),
    "unknown-status": translatable("Its status is unknown here."),
    "never-subscribed": translatable("They never subscribed."),
    "blocked": translatable("They are blocked there."),
    "deleted": translatable("They are deleted there."),
    "asked-for-deletion": translatable("They asked to be deleted."),
    "no-address-column": translatable("The file has no column of addresses."),
    "empty-file": translatable("The file is empty."),
    "no-people": translatable("The file has no people."),
    "no-posts": translatable("The file has no posts."),
    "unknown-json": translatable("The file is JSON of an unknown form."),
    "damaged-json": translatable("The file is JSON that is cut off or damaged."),
    "damaged-archive": translatable("The archive is cut off or damaged."),
    "damaged-lines": translatable("The file has lines that are cut off or damaged."),
    "encrypted-archive": translatable("The archive is encrypted."),
    "archive-too-large": translatable("The archive has too many files, or too large ones."),
    "unpacks-to-too-much": translatable("The archive unpacks to too much."),
    "newer-format": translatable(
        "The file is from another release: bring both newsletters to the same one."
    ),
    "image-too-large": translatable("It has an image that is too large."),
    "damaged-image": translatable("It has an image that is cut off or damaged."),
    "image-left-out": translatable("An image of it is left out."),
    "no-title": translatable("It has no title."),
    "no-text": translatable("It has no text."),
    "too-complex": translatable("Its text takes too long to render."),
    "not-published": translatable("It was not published there."),
    "for-payers-only": translatable("It is only for those who pay."),
    "not-a-post": translatable("It is no post."),
    "changed_since": translatable("Something newer depends on it."),
    "mailed_since": translatable("They were sent an issue since."),
}
