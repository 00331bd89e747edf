"""Errors, each with a code and the parameters of its sentence.

A code is a name that programs rely on. The sentence for a person is made by ``web/sentences.py``,
the response by ``web/problems.py``. A parameter is never an address, a name or a token.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING, ClassVar, Self, dataclass_transform

if TYPE_CHECKING:
    from broadsheet.domain.findings import Finding


class BroadsheetError(Exception):
    """The base of every error that is raised on purpose; its fields are the parameters."""

    code: ClassVar[str] = "internal-error"
    __match_args__: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *values: object, **named: object) -> None:
        """Take a text, or the fields of an error ``with_parameters``."""
        super().__init__(*values)
        names = self.__match_args__
        if not names and not named:
            return
        given = dict(zip(names, values, strict=False)) | named
        if len(values) + len(named) != len(names) or given.keys() != set(names):
            raise TypeError(f"{type(self).__name__} takes {', '.join(names) or 'a text'}")
        vars(self).update(given)

    @property
    def parameters(self) -> Mapping[str, object]:
        """Return what the sentence needs, by name."""
        return vars(self)

    @property
    def members(self) -> Mapping[str, object]:
        """Return what the problem document says beside the code and the sentence."""
        return {}

    def __str__(self) -> str:
        """Return the text for a log or a dead letter, where no sentence is made."""
        if self.parameters:
            return f"{self.code} {dict(self.parameters)}"
        return super().__str__() or self.code


@dataclass_transform(eq_default=False)
def with_parameters[E: BroadsheetError](error: type[E]) -> type[E]:
    """Have an error take its fields as a dataclass does, in their order or by their names.

    Dataclasses are compiled when they are made: for all errors, 3 ms of every cold start.
    """
    inherited = error.__match_args__
    own = [name for name in error.__annotations__ if name not in inherited]
    error.__match_args__ = (*inherited, *own)  # type: ignore[misc]  # final, says mypy
    return error


# --- A request that can't be read -----------------------------------------------------------------


class InvalidRequest(BroadsheetError):
    """The request can't be understood."""

    code = "invalid-request"


@dataclass(frozen=True)
class InvalidField:
    """What is wrong with one field of a request."""

    code: str
    parameters: Mapping[str, object] = field(default_factory=dict)


@with_parameters
class InvalidFields(InvalidRequest):
    """Some fields can't be understood: what is wrong, by the field's name."""

    code = "invalid-fields"
    fields: Mapping[str, InvalidField]


class InvalidJson(InvalidRequest):
    """The body is not JSON."""

    code = "invalid-json"


class NoJsonObject(InvalidRequest):
    """The body is JSON, but not an object."""

    code = "no-json-object"


class InvalidForm(InvalidRequest):
    """The body is not a form that can be read."""

    code = "invalid-form"


@with_parameters
class InvalidLimit(InvalidRequest):
    """The size of a page is not a number from 1 to ``largest``."""

    code = "invalid-limit"
    largest: int


@with_parameters
class InvalidQuery(InvalidRequest):
    """What is looked for is longer than ``most`` characters, or can't be in any text."""

    code = "invalid-query"
    most: int


@with_parameters
class InvalidStatus(InvalidRequest):
    """No subscriber can have this status; ``known`` lists them."""

    code = "invalid-status"
    known: str


@with_parameters
class InvalidOutcome(InvalidRequest):
    """No row of an import can have this outcome; ``known`` lists them."""

    code = "invalid-outcome"
    known: str


@with_parameters
class InvalidPeriod(InvalidRequest):
    """The days of statistics are none, in the wrong order, or more than ``most``."""

    code = "invalid-period"
    most: int


class InvalidAddress(InvalidRequest):
    """What stands for an address in a path is none."""

    code = "invalid-address"


class InvalidTag(InvalidRequest):
    """No subscriber can have this tag."""

    code = "invalid-tag"


@with_parameters
class InvalidCursor(InvalidRequest):
    """The query parameter that says where a page begins is not one of ours."""

    code = "invalid-cursor"
    parameter: str


@with_parameters
class InvalidIdempotencyKey(InvalidRequest):
    """The header ``Idempotency-Key`` is missing, or has characters that it can't have."""

    code = "invalid-idempotency-key"
    max_characters: int


class IfMatchNeeded(BroadsheetError):
    """The header ``If-Match`` names no version.

    Without one an edit could undo another one, and a text could be published that its publisher has
    not read.
    """

    code = "if-match-needed"


class InvalidVersion(InvalidRequest):
    """The query parameter ``version`` is not a number from 1."""

    code = "invalid-version"


@with_parameters
class UnsendableIssue(InvalidRequest):
    """The issue can't become a mail, or would mislead its readers.

    ``findings``: everything that was found, of which ``errors`` stop the publication.
    """

    code = "unsendable-issue"
    findings: "Sequence[Finding]"
    errors: "Sequence[Finding]"

    def __str__(self) -> str:
        """Return the codes of the errors: a parameter may quote what the author wrote."""
        return f"{self.code}: {', '.join(sorted({each.code for each in self.errors}))}"


class UnsupportedContentType(BroadsheetError):
    """The body is neither JSON nor a form."""

    code = "unsupported-content-type"


class JsonExpected(UnsupportedContentType):
    """The body is not JSON, and this endpoint reads nothing else."""

    code = "json-expected"


@with_parameters
class RequestTooLarge(BroadsheetError):
    """The body has more bytes than this endpoint reads."""

    code = "request-too-large"
    max_bytes: int


class NotAnImage(UnsupportedContentType):
    """The body is no JPEG, PNG or GIF, whatever its name or its header says."""

    code = "not-an-image"


class DamagedImage(InvalidRequest):
    """The image begins as one and is cut off, or contains what its format doesn't allow."""

    code = "damaged-image"


@with_parameters
class ImageTooManyPixels(InvalidRequest):
    """The image has more pixels than a mail program should decode."""

    code = "image-too-many-pixels"
    width: int
    height: int
    max_pixels: int


# --- Authors -------------------------------------------------------------------------------------


@with_parameters
class RoleNeeded(BroadsheetError):
    """The author's token doesn't allow this; ``role`` is the least that does."""

    code = "role-needed"
    role: str

    @property
    def members(self) -> Mapping[str, object]:
        """Return the role, for a program."""
        return {"role": self.role}


class WorkflowRefused(BroadsheetError):
    """The token of a workflow is none that signs in here, or was used before."""

    code = "workflow-refused"


@with_parameters
class NotATestAddress(BroadsheetError):
    """The author's token doesn't allow a test to this address; ``number``: from 1."""

    code = "test-address-not-allowed"
    number: int


@with_parameters
class SuppressedTestAddress(InvalidRequest):
    """This address has bounced for good, or its owner has complained; ``number``: from 1."""

    code = "test-address-suppressed"
    number: int


@with_parameters
class SpentBudget(BroadsheetError):
    """The author has done ``most`` of a kind today; ``resets_at``: the next day begins."""

    most: int
    resets_at: str
    seconds: int

    @classmethod
    def until(cls, resets_at: datetime, most: int) -> Self:
        """Return the error for a budget of ``most``, which is whole again at ``resets_at``."""
        seconds = ceil((resets_at - datetime.now(UTC)).total_seconds())
        return cls(most, f"{resets_at:%Y-%m-%dT%H:%M:%SZ}", max(seconds, 1))

    @property
    def members(self) -> Mapping[str, object]:
        """Return when the next day begins, for a program."""
        return {"resets_at": self.resets_at}


class SpentTestMails(SpentBudget):
    """The author has sent the day's test mails; ``resets_at``: the next one begins."""

    code = "test-mails-spent"


@with_parameters
class RefusedTestMail(BroadsheetError):
    """SES refuses the mail to this address; ``reason``: its code.

    ``number``: the address, from 1. ``sent``: how many mails SES accepted before.
    """

    code = "test-mail-refused"
    number: int
    sent: int
    reason: str


@with_parameters
class UnknownTestMail(BroadsheetError):
    """A test mail may have been sent, and some were: a repetition could send them again.

    ``number``: the address, from 1, that is the first without a sure outcome; none after it was
    mailed. ``sent``: how many mails SES accepted before.
    """

    code = "test-mail-unknown"
    number: int
    sent: int


class NobodyToAsk(BroadsheetError):
    """Nobody who may publish has an email address, and the stack has no operator's."""

    code = "nobody-to-ask"


class SpentApprovalRequests(SpentBudget):
    """The author has asked for approval too often today; ``resets_at``: the next day begins."""

    code = "approval-requests-spent"


@with_parameters
class RefusedApprovalMail(BroadsheetError):
    """SES refuses the mail to everybody who could be asked; ``reason``: its code."""

    code = "approval-mail-refused"
    reason: str


class AuthorExists(BroadsheetError):
    """Another author has this name."""

    code = "author-exists"


class AuthorNotFound(BroadsheetError):
    """No author has this name."""

    code = "author-not-found"


class AuthorChanged(BroadsheetError):
    """Somebody else has changed this author since the form was opened."""

    code = "author-changed"


class AuthorsAddressTaken(BroadsheetError):
    """Another author has this email address, and a link mailed to it would sign in just one."""

    code = "authors-address-taken"


class NoOlderToken(BroadsheetError):
    """The author has one token, or none."""

    code = "no-older-token"


class WorkflowHasNoToken(BroadsheetError):
    """The author is a repository's workflows, which sign in without a token."""

    code = "workflow-has-no-token"


class WorkflowNeverManages(BroadsheetError):
    """The author is a repository's workflows, which may publish at most."""

    code = "workflow-never-manages"


class OwnRights(BroadsheetError):
    """Authors don't change their own role, nor remove themselves: one of them always manages."""

    code = "own-rights"


class TooManyAuthors(BroadsheetError):
    """The secret that holds the authors would grow over what Secrets Manager takes."""

    code = "too-many-authors"


class TooManyAuthorChanges(BroadsheetError):
    """The secret that holds the authors has as many versions of a day as authors may make."""

    code = "too-many-author-changes"


# --- Links ----------------------------------------------------------------------------------------


class InvalidToken(BroadsheetError):
    """A link's token that we did not sign, or not for this purpose."""

    code = "invalid-token"


class InvalidConfirmationToken(InvalidToken):
    """The token is not one of a confirmation link."""

    code = "invalid-confirmation-token"


class InvalidUnsubscribeToken(InvalidToken):
    """The token is not one of an unsubscribe link."""

    code = "invalid-unsubscribe-token"


class InvalidManageToken(InvalidToken):
    """The token is not one of a link to the page that manages a subscription."""

    code = "invalid-manage-token"


class InvalidAddressToken(InvalidToken):
    """The token is not one of a link to confirm a new address."""

    code = "invalid-address-token"


class InvalidSignInLink(InvalidToken):
    """The link to the studio is not as we signed it, has expired, or was used."""

    code = "invalid-sign-in-link"


class InvalidStudioForm(BroadsheetError):
    """A form of the studio was not sent from the page that this session was shown."""

    code = "invalid-studio-form"


class FreshLinkNeeded(BroadsheetError):
    """The link is one that anybody may have been passed; this needs one that was just mailed."""

    code = "fresh-link-needed"


class ExpiredToken(BroadsheetError):
    """A confirmation link's token that is ours and too old."""

    code = "expired-confirmation-token"


class InvalidSignUpState(InvalidRequest):
    """The field ``state`` of the form that asks for the code is not as we signed it."""

    code = "invalid-sign-up-state"


class InvalidCode(InvalidRequest):
    """The code is none: it doesn't have eight digits."""

    code = "invalid-code"


class WrongCode(InvalidRequest):
    """The code is another than that of the confirmation mail."""

    code = "wrong-code"


class ExpiredCode(ExpiredToken):
    """The sign-up is too old for its code."""

    code = "expired-code"


class SpentCode(ExpiredToken):
    """Too many wrong codes were typed for a sign-up."""

    code = "spent-code"


class ExpiredAddressToken(ExpiredToken):
    """The token of a link to confirm a new address is ours and too old."""

    code = "expired-address-token"


# --- People ---------------------------------------------------------------------------------------


class SubscriberNotFound(BroadsheetError):
    """No subscriber has this id: nobody ever had it, or they were erased."""

    code = "subscriber-not-found"


class ConsentInFuture(InvalidRequest):
    """A consent is said to be given at a time that has not come."""

    code = "consent-in-future"


@with_parameters
class WrongStanding(BroadsheetError):
    """What is asked for must not be done for this subscriber."""

    code = "wrong-standing"
    subscriber_id: str

    @property
    def parameters(self) -> Mapping[str, object]:
        """Return nothing: the sentence is the same for everybody."""
        return {}

    @property
    def members(self) -> Mapping[str, object]:
        """Return whom it is about, for a program."""
        return {"subscriber_id": self.subscriber_id}


class AlreadySubscribed(WrongStanding):
    """They are subscribed, and need no mail to confirm."""

    code = "already-subscribed"


class HasUnsubscribed(WrongStanding):
    """They have unsubscribed: only their own confirmation brings them back."""

    code = "has-unsubscribed"


class HasBounced(WrongStanding):
    """Their address has bounced."""

    code = "has-bounced"


class HasComplained(WrongStanding):
    """They have called a mail spam."""

    code = "has-complained"


class NothingToForgive(WrongStanding):
    """They have neither bounced nor complained."""

    code = "nothing-to-forgive"


class HasLeft(BroadsheetError):
    """The address was left, and nobody has it now."""

    code = "address-left"


class HasBeenErased(HasLeft):
    """The address's owner asked to be erased."""

    code = "has-been-erased"


class HasExpired(HasLeft):
    """The address's owner had unsubscribed, so long ago that nothing else is kept of them."""

    code = "has-expired"


class HasMoved(HasLeft):
    """The address's owner has moved to another one."""

    code = "has-moved"


# --- Issues ---------------------------------------------------------------------------------------


class PageNotFound(BroadsheetError):
    """Nothing is at this path."""

    code = "page-not-found"


class StatementNotFound(BroadsheetError):
    """The issue's circulation isn't certified: it hasn't finished, or it has this moment."""

    code = "statement-not-found"


class LinkNotFound(BroadsheetError):
    """The issue has no link of this number."""

    code = "link-not-found"


class WelcomeNotFound(BroadsheetError):
    """No author has written a welcome mail."""

    code = "welcome-not-found"


class WebhookNotFound(BroadsheetError):
    """No webhook has this id."""

    code = "webhook-not-found"


class WebhookDisabled(BroadsheetError):
    """The webhook is disabled: nothing is sent to it."""

    code = "webhook-disabled"


@with_parameters
class TooManyWebhooks(BroadsheetError):
    """There are as many webhooks as there may be."""

    code = "too-many-webhooks"
    most: int


class SegmentNotFound(BroadsheetError):
    """No segment has this name."""

    code = "segment-not-found"


@with_parameters
class SegmentInUse(BroadsheetError):
    """An issue that has not begun is for this segment."""

    code = "segment-in-use"
    issue: str
    title: str

    @property
    def members(self) -> Mapping[str, object]:
        """Return the issue's id, for a program."""
        return {"issue": self.issue}


class IssueNotFound(BroadsheetError):
    """No issue has this id."""

    code = "issue-not-found"


class IdempotencyKeyReused(BroadsheetError):
    """The same key with another request."""

    code = "idempotency-key-reused"


@with_parameters
class SlugTaken(BroadsheetError):
    """Another issue has the slug that the author chose."""

    code = "slug-taken"
    slug: str


class WrongState(BroadsheetError):
    """The issue is not in a state in which this can be done."""

    code = "wrong-state"


class ImportNotFound(BroadsheetError):
    """There is no such import."""

    code = "import-not-found"


class ExportNotFound(BroadsheetError):
    """There is no such export, or it is older than a day."""

    code = "export-not-found"


class ImportFileMissing(WrongState):
    """The file of an import has not been uploaded, or was deleted since."""

    code = "import-file-missing"


@with_parameters
class ImportFileTooLarge(WrongState):
    """The file of an import is larger than the worker takes."""

    code = "import-file-too-large"
    most: int


@with_parameters
class ImportNotReady(WrongState):
    """The import is at a step before the one that this needs."""

    code = "import-not-ready"
    status: str


@with_parameters
class NewsletterNotEmpty(WrongState):
    """Everything can't be imported into a newsletter that has ``what`` of its own."""

    code = "newsletter-not-empty"
    what: str


class ImportStays(WrongState):
    """An import of everything can't be undone."""

    code = "import-stays"


class VersionNotFound(BroadsheetError):
    """The issue has no such version."""

    code = "version-not-found"


@with_parameters
class StaleVersion(BroadsheetError):
    """The author has edited an older version than ``version``, the current one."""

    code = "stale-version"
    version: int

    @property
    def members(self) -> Mapping[str, object]:
        """Return the current version, for a program."""
        return {"version": self.version}


@with_parameters
class NoLongerDraft(WrongState):
    """The issue is no draft any more, so that typing alone doesn't change it."""

    code = "no-longer-draft"
    status: str


class IssueIsDraft(WrongState):
    """The issue is a draft: it can be edited, published or deleted, and nothing else."""

    code = "issue-is-draft"


@with_parameters
class IssuePublished(WrongState):
    """The issue is published: it can't be published again, or deleted."""

    code = "issue-published"
    status: str


class AudienceFixed(WrongState):
    """The issue has its audience, or corrects another: it can't go to another segment."""

    code = "audience-fixed"


class IssueSending(WrongState):
    """The issue is sending, and can't be edited meanwhile."""

    code = "issue-sending"


@with_parameters
class IssueNotEditable(WrongState):
    """The issue is finished or canceled, and can't be edited."""

    code = "issue-not-editable"
    status: str


class CarefulStartFixed(WrongState):
    """The issue has begun, or is a correction: its careful start can't be changed."""

    code = "careful-start-fixed"


@with_parameters
class IssueNotFinished(WrongState):
    """The issue isn't finished: an edit says whether it is archived, a canceled one never is."""

    code = "issue-not-finished"
    status: str


@with_parameters
class IssueEnded(WrongState):
    """The issue is finished or canceled, and can't be paused or resumed."""

    code = "issue-ended"
    status: str


class IssueFinished(WrongState):
    """The issue is finished, and can't be canceled."""

    code = "issue-finished"


class IssueCanceled(WrongState):
    """The issue was canceled, and can't be retried."""

    code = "issue-canceled"


class IssueNotStarted(WrongState):
    """The issue has not started, and can't be retried."""

    code = "issue-not-started"


@with_parameters
class IssueStarted(WrongState):
    """The issue has started or was canceled, and can't be rescheduled."""

    code = "issue-started"
    status: str


class NobodyFailed(WrongState):
    """Every recipient has the issue, or may have it: there is nobody to retry."""

    code = "nobody-failed"


class NothingToCorrect(WrongState):
    """Nobody has an older version than the current one, and nobody may get it yet."""

    code = "nothing-to-correct"


@with_parameters
class AlreadyCorrected(WrongState):
    """The issue ``correction`` goes to those who have an older version than the current one."""

    code = "already-corrected"
    correction: str

    @property
    def members(self) -> Mapping[str, object]:
        """Return the correction's id, for a program."""
        return {"correction": self.correction}


# --- What we depend on ----------------------------------------------------------------------------


class DatabaseUnavailable(BroadsheetError):
    """The database could not be reached in time, or the connection was lost."""

    code = "database-unavailable"


class DependencyUnavailable(BroadsheetError):
    """An AWS service that is needed for the request did not accept it."""

    code = "dependency-unavailable"


class SecretBusy(DependencyUnavailable):
    """Others kept changing a secret at the same time."""


class SecretChangeUnknown(DependencyUnavailable):
    """Secrets Manager stopped answering when a change had been asked for."""

    code = "secret-change-unknown"


class CanNeverSucceed(BroadsheetError):
    """A queue's message that no retry will help; its text is the reason on the dead letter."""

    code = "can-never-succeed"
