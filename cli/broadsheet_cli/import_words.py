"""What the codes of an import mean, in words."""

OUTCOMES = {
    "added": "subscribed",
    "added_to_confirm": "to confirm: the file has no date of consent",
    "added_as_left": "stored as left, so that nobody mails them",
    "confirmed": "subscribed, who had not confirmed here",
    "left": "subscribed here, and left there: they are unsubscribed",
    "completed": "known, with a name or tags that are new",
    "unchanged": "known, and nothing changes",
    "kept_as_left": "left here, and stay so",
    "newer_here": "left there, and came back here since: they stay subscribed",
    "erased": "erased here: nothing is stored",
    "duplicate": "in the file more than once",
    "unusable": "can't be used",
    "undone": "undone",
    "not_undone": "not undone, since something newer depends on it",
    "posts": "posts in the archive",
    "images": "pictures of them",
    "left_out": "left out",
}
# Why a file, or a row of it, can't be imported, or an import's row can't be undone.
REASONS = {
    "no-address": "no address",
    "address-invalid": "an address that is not valid",
    "bad-encoding": "bytes that the file's encoding doesn't have: save the file as UTF-8",
    "cell-too-long": "a cell that is too long",
    "damaged-quotes": "quotation marks that don't match",
    "more-cells-than-columns": "a cell too many: often a comma in a name without quotation marks",
    "unreadable-time": "a date that can't be read",
    "time-in-future": "a date in the future",
    "unknown-status": "a status that is unknown here",
    "never-subscribed": "they never subscribed",
    "blocked": "they are blocked there",
    "deleted": "they are deleted there",
    "asked-for-deletion": "they asked to be deleted",
    "no-address-column": "no column of addresses",
    "empty-file": "the file is empty",
    "no-people": "no people in the file",
    "no-posts": "no posts in the file",
    "unknown-json": "JSON of an unknown form",
    "damaged-json": "JSON that is cut off or damaged",
    "damaged-archive": "an archive that is cut off or damaged",
    "damaged-lines": "lines that are cut off or damaged",
    "encrypted-archive": "an archive that is encrypted",
    "archive-too-large": "an archive with too many files, or too large ones",
    "unpacks-to-too-much": "an archive that unpacks to too much",
    "newer-format": "the file is from another release: bring both newsletters to the same one",
    "image-too-large": "an image that is too large",
    "damaged-image": "an image that is cut off or damaged",
    "image-left-out": "an image of it is left out",
    "no-title": "no title",
    "no-text": "no text",
    "too-complex": "a text that takes too long to render",
    "not-published": "not published there",
    "for-payers-only": "only for those who pay",
    "not-a-post": "no post",
    "changed_since": "something newer depends on it",
    "mailed_since": "they were sent an issue since",
}
# What an author should know about the whole file.
NOTES = {
    "times-are-utc": "the file's times are read as UTC",
    "times-without-zone-are-utc": "times that name no zone are read as UTC",
    "departures-not-in-file": "the file leaves out who has left: import the list of those as well"
    " (with --standing), or they would be mailed again",
    "bounces-not-in-file": "the file leaves out whose mails bounced and who complained: import the"
    " lists of those as well (with --standing), or they would be mailed again",
    "no-consent-dates": "nobody has a date of consent, so that all are to confirm",
    "no-state-in-file-name": "Mailchimp says only in the file's name whether these are subscribed:"
    " keep the name as it was",
    "issues-under-way": "issues were scheduled or being sent: make sure that the old stack sends"
    " them no more before you resume them here",
    "other-signing-keys": "this stack lacks a signing key of the old one, which links in mails that"
    " were sent need",
    "other-address": "the newsletter's address is another one: images and links inside issues lead"
    " to the old one, which has to stay or to redirect",
}
