"""What can go wrong in the field's own words.

A message is for the person who asked, says what to do, and holds no address, name or token.
``web/problems.py`` maps each to an answer, in one place.
"""


class BroadsheetError(Exception):
    """The base of every error that is raised on purpose."""


class InvalidRequest(BroadsheetError):
    """The request can't be understood; ``errors`` has a sentence for each field."""

    def __init__(self, detail: str, errors: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.errors = errors or {}


class UnsendableIssue(InvalidRequest):
    """The issue can't become a mail, or would mislead its readers; the message says where."""


class UnsupportedContentType(BroadsheetError):
    """The body is of a kind that this endpoint does not read."""


class RequestTooLarge(BroadsheetError):
    """The body is larger than this endpoint reads."""


class InvalidToken(BroadsheetError):
    """A link's token that we did not sign, or not for this purpose."""


class ExpiredToken(BroadsheetError):
    """A link's token that was ours and is too old."""


class IdempotencyKeyReused(BroadsheetError):
    """The same key with another request."""


class PageNotFound(BroadsheetError):
    """Nothing is at this path."""


class IssueNotFound(BroadsheetError):
    """No issue has this id."""


class WrongState(BroadsheetError):
    """The issue is not in a state in which this can be done."""


class DatabaseUnavailable(BroadsheetError):
    """The database could not be reached in the time there was."""


class DependencyUnavailable(BroadsheetError):
    """An AWS service that is needed to keep the request did not take it."""


class CanNeverSucceed(BroadsheetError):
    """A queue's message that no retry will help; its words are the reason a person reads."""
