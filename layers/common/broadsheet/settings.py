"""Everything that comes from the environment, and all timings, in one place.

Nothing is read at import. Each group is read when a function first needs it, so that a function
holds only the variables that the template gives it; a missing one is named in the error.
"""

import os
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from broadsheet.domain.newsletter import Newsletter
from broadsheet.domain.voice import Voice

if TYPE_CHECKING:
    from broadsheet.domain.issues import IssueId
    from broadsheet.domain.tags import OfferedTags

_OPTIONAL_OF_NEWSLETTER = {
    "REPLY_TO": "reply_to",
    "THEME": "theme",
    "NEWSLETTER_LANGUAGE": "language",
    "POSTAL_ADDRESS": "postal_address",
    "UNSUBSCRIBE_MAILBOX": "unsubscribe_mailbox",
    "TYPOGRAPHIC_QUOTES": "has_typographic_quotes",
    "KEEP_LINE_BREAKS": "keeps_line_breaks",
}
_PARAMETERS = {
    "NewsletterName": "NEWSLETTER_NAME",
    "NewsletterLanguage": "NEWSLETTER_LANGUAGE",
    "SenderName": "SENDER_NAME",
    "SenderAddress": "SENDER_ADDRESS",
    "ReplyToAddress": "REPLY_TO",
    "UnsubscribeMailbox": "UNSUBSCRIBE_MAILBOX",
    "PublicUrl": "PUBLIC_URL",
    "Theme": "THEME",
    "Description": "DESCRIPTION",
    "AuthorName": "AUTHOR_NAME",
    "Frequency": "FREQUENCY",
    "PrivacyLine": "PRIVACY_LINE",
    "PrivacyUrl": "PRIVACY_URL",
    "PreviewImage": "PREVIEW_IMAGE",
    "PostalAddress": "POSTAL_ADDRESS",
    "AskForName": "ASK_FOR_NAME",
    "OfferedTags": "OFFERED_TAGS",
    "TypographicQuotes": "TYPOGRAPHIC_QUOTES",
    "KeepLineBreaks": "KEEP_LINE_BREAKS",
    "WelcomeMail": "WELCOME_MAIL",
    "CountLinks": "COUNT_LINKS",
    "WarmUp": "WARM_UP",
    "RefuseDisposableDomains": "REFUSE_DISPOSABLE_DOMAINS",
    "ConfirmationsPerAddressPerDay": "CONFIRMATIONS_PER_ADDRESS_PER_DAY",
    "ConfirmationsPerSourcePerHour": "CONFIRMATIONS_PER_SOURCE_PER_HOUR",
    "ConfirmationsPerDomainPerHour": "CONFIRMATIONS_PER_DOMAIN_PER_HOUR",
    "ConfirmationsPerHour": "CONFIRMATIONS_PER_HOUR",
    "KeepSources": "KEEP_SOURCES",
    "KeepUnconfirmedDays": "KEEP_UNCONFIRMED_DAYS",
    "KeepRequestsDays": "KEEP_REQUESTS_DAYS",
    "KeepUnsubscribedDays": "KEEP_UNSUBSCRIBED_DAYS",
    "KeepLedgerDays": "KEEP_LEDGER_DAYS",
}
CALLS_AT_ONCE = 16  # of one deliver to SES: at 50 ms a call, 16,000 mails a second
BATCHES_IN_A_CLAIM = 50  # at most, of 50: what a crash can leave unresolved


class Timings(BaseModel):
    """All times in seconds; their order matters: each line's reason says what depends on it.

    ``TIMINGS`` in the environment, a JSON object of field names, overrides any of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    # Sending: call timeout < claim deadline < deliver's own timeout < claim taken for dead.
    ses_connect_timeout: float = 3
    ses_call_timeout: float = 10  # SES answers in well under a second; later is as good as never
    claim_deadline: float = 40  # no call starts later; one that did ends before deliver's timeout
    write_outcomes_every: float = 2.5  # a usual claim is over: its outcomes are written once
    slot_horizon: float = 5  # slots are reserved no further ahead: the rate may change
    slot_poll: float = 1  # between two questions for slots
    slot_jitter: float = 0.2  # how much later after its slot than another a call may reach SES
    quota_refresh: float = 60  # SES answers about one such question a second
    slowdown_pause: float = 2  # one burst of throttles lowers the rate once
    deliver_margin: float = 5  # what deliver needs beside a claim and a call, to write the ledger
    claim_taken_for_dead: float = 120  # after the claim was made: nothing of it can be in flight
    # Unresolved sends: dispatch's own time limit (300 s) < grace.
    grace: float = 1800  # no event is overtaken by that of a mail sent this much later
    queues_seen_empty_apart: float = 60
    probe_every: float = (
        600  # a mail to SES's simulator, when no other event shows that feedback works
    )
    # Dispatch.
    batch_seconds: float = 2  # of sending in one batch: what a claim holds while it lasts
    release_window: float = 300  # how far ahead pointers are put on the queue
    released_long_ago: float = 900  # SQS delays at most this long: an older pointer is lost
    orphaned_clock: float = 900  # a clock without an issue this old belongs to a failed publish
    warm_up_day: float = 24 * 3600  # a day of it ends at midnight, UTC
    # Retries of one batch, when SES asked for them: over an hour in all before a recipient fails.
    batch_tries: int = 10
    batch_retry_first: float = 2
    batch_retry_longest: float = 900
    # Queue messages that could not be worked on.
    message_retry_first: float = 2
    message_retry_longest: float = 900
    message_hold_margin: float = 5  # from an invocation's timeout to the return of its messages
    left_message_retry: float = 5  # one that was not worked on, for want of time or slots
    message_hidden: float = 60  # one that waits longer is put back, delayed
    # Answers to sign-ups: whose turn is later waits on the queue.
    answer_wait: float = 0.25
    answer_slots_wait: float = 1  # longer, an invocation would keep whoever leaves waiting
    answer_turn_kept: float = 10  # without a free slot, a turn missed by more is taken again
    quota_wait: float = 300  # for SES's 24-hour quota
    enroll_margin: float = 15  # what enroll needs beside: a call of SES, and the marks
    # Edge and database.
    database_connect_timeout: float = 5
    publish_connect_timeout: float = 22  # API Gateway ends a call at 29 s; waking takes 15 s
    preview_connect_timeout: float = 2  # a preview is worth little later; libpq takes no less
    test_connect_timeout: float = 12  # with the mails below, within API Gateway's 29 s
    test_mails: float = 6  # the last begins no later; with SES's timeout of 10 s, all end by 28 s
    worker_connect_timeout: float = 30  # after a day's pause, waking takes as long
    deliver_connect_timeout: float = 12  # longer, its queue waits, which costs nothing
    # Webhooks: a call < outbound's own timeout (20 s) < its invocation < the claim.
    webhook_call: float = 10  # with the name's resolution, the connection, and a slow answer
    outbound_invocation: float = 25
    notify_margin: float = 35  # what notify needs beside: outbound, the records, and the clock
    webhook_claim: float = 30  # by then the invocation that made it has ended, or died
    webhook_rest: float = 60  # after a failure: only then a new message may try its luck
    aws_call_timeout: float = 3  # three tries fit in the 29 s that API Gateway waits
    secrets_cached: float = 60  # how long a revoked token or an old signing key lives
    # Workflows: a call of the issuer < the function's own timeout; a session ends with its job.
    issuer_call: float = 8
    issuer_keys_cached: float = 3600  # how long a key lives that the issuer has withdrawn
    issuer_keys_asked_again: float = 60  # at most so often, for a key that is not known
    issuer_clock_ahead: float = 60  # of ours, at most
    issuer_token_longest: float = 3600  # GitHub's live for minutes; a used one is kept for a day
    workflow_session: float = 900
    form_filled_in: float = 2  # nobody reads a form and types an address in less
    form_valid: float = 2 * 3600  # a page that stays open; after that it is shown again
    strict_mode_checked: float = 15  # between two looks at the hour's confirmations
    confirmation_valid: float = 7 * 24 * 3600
    code_valid: float = 1800  # for a reader who waits for the mail; the link in it works longer
    manage_link_fresh: float = 24 * 3600  # longer, a mail that was passed on could still erase
    sign_in_link_valid: float = 900  # a mail arrives, or a terminal is read, in less
    address_budget_window: float = 24 * 3600
    source_budget_window: float = 3600


class Budgets(BaseModel):
    """How many confirmation mails a stranger can cause."""

    model_config = ConfigDict(frozen=True)

    per_address_per_day: int = Field(ge=1)
    per_source_per_hour: int = Field(ge=1)
    per_domain_per_hour: int = Field(ge=1)
    per_hour: int = Field(ge=0)  # 0: as many as SES takes


class Retention(BaseModel):
    """For how many days something is kept; 0: for ever."""

    model_config = ConfigDict(frozen=True)

    unconfirmed_days: int = Field(ge=0)
    requests_days: int = Field(ge=0)
    unsubscribed_days: int = Field(ge=0)
    ledger_days: int = Field(ge=0)


class DatabaseSettings(NamedTuple):
    """Where the database is.

    ``host``: the stack's own Aurora, which ``user`` enters by IAM. Without a host,
    ``url_secret_arn`` names the secret with the operator's own URL.
    """

    host: str
    user: str
    url_secret_arn: str


class IssueClockSettings(NamedTuple):
    """What an issue's clock is made of: its schedule group, and what it calls in whose name."""

    group: str
    dispatch_arn: str
    role_arn: str
    dead_letter_queue_arn: str


type QueueName = Literal["REQUESTS", "DELIVERY", "FEEDBACK", "CLICKS"]


@cache
def timings() -> Timings:
    """Return the timings in force."""
    return Timings.model_validate_json(os.environ.get("TIMINGS", "{}"))


@cache
def newsletter() -> Newsletter:
    """Return the operator's newsletter."""
    return Newsletter.model_validate(
        {
            "name": _required("NEWSLETTER_NAME"),
            "sender": _required("SENDER_ADDRESS"),
            "sender_name": _required("SENDER_NAME"),
            **{
                field: os.environ[variable]
                for variable, field in _OPTIONAL_OF_NEWSLETTER.items()
                if os.environ.get(variable)
            },
        }
    )


def sender_address() -> str:
    """Return the address in the From of the newsletter's mails, by which a mailbox finds them."""
    return _required("SENDER_ADDRESS")


@cache
def newsletter_name() -> str:
    """Return what the pages call the newsletter; the edge knows no sender."""
    return _required("NEWSLETTER_NAME")


def parameters() -> dict[str, str]:
    """Return the stack's parameters that are the newsletter's, as far as they are given.

    Whoever gives them to another stack has the same newsletter; no secret is among them.
    """
    return {
        name: value for name, variable in _PARAMETERS.items() if (value := os.environ.get(variable))
    }


def newsletter_language() -> str:
    """Return the language of the issues, as BCP 47 writes it."""
    return os.environ.get("NEWSLETTER_LANGUAGE") or "en"


def offers_pseudo_language() -> bool:
    """Return whether readers may choose the language that only tests the layout."""
    return os.environ.get("PSEUDO_LANGUAGE") == "true"


@cache
def voice() -> Voice:
    """Return the operator's own words on the sign-up page."""
    return Voice(
        description=os.environ.get("DESCRIPTION", ""),
        author=os.environ.get("AUTHOR_NAME", ""),
        frequency=os.environ.get("FREQUENCY", ""),
        privacy_line=os.environ.get("PRIVACY_LINE", ""),
        privacy_url=os.environ.get("PRIVACY_URL", ""),
        preview_image=os.environ.get("PREVIEW_IMAGE", ""),
        postal_address=os.environ.get("POSTAL_ADDRESS", ""),
        language=newsletter_language(),
    )


@cache
def asks_for_name() -> bool:
    """Return whether the form has a field for a name."""
    return os.environ.get("ASK_FOR_NAME") == "true"


@cache
def offered_tags() -> "OfferedTags":
    """Return the tags that readers may choose. Raises ``ValueError``."""
    from broadsheet.domain.tags import OfferedTags  # noqa: PLC0415 - workers know no tags

    return OfferedTags.parse(os.environ.get("OFFERED_TAGS", ""))


def stack_name() -> str:
    """Return the stack's name, by which its metrics differ from another stack's."""
    return _required("STACK_NAME")


@cache
def budgets() -> Budgets:
    """Return how many confirmation mails a stranger can cause."""
    return Budgets.model_validate(
        {
            "per_address_per_day": _required("CONFIRMATIONS_PER_ADDRESS_PER_DAY"),
            "per_source_per_hour": _required("CONFIRMATIONS_PER_SOURCE_PER_HOUR"),
            "per_domain_per_hour": _required("CONFIRMATIONS_PER_DOMAIN_PER_HOUR"),
            "per_hour": _required("CONFIRMATIONS_PER_HOUR"),
        }
    )


@cache
def retention() -> Retention:
    """Return how long the database keeps what it needs no longer."""
    return Retention.model_validate(
        {
            "unconfirmed_days": _required("KEEP_UNCONFIRMED_DAYS"),
            "requests_days": _required("KEEP_REQUESTS_DAYS"),
            "unsubscribed_days": _required("KEEP_UNSUBSCRIBED_DAYS"),
            "ledger_days": _required("KEEP_LEDGER_DAYS"),
        }
    )


@cache
def keeps_sources() -> bool:
    """Return whether the consent log says from which address and browser a request came."""
    return os.environ.get("KEEP_SOURCES") == "true"


@cache
def send_rate_share() -> float:
    """Return this stack's part of the account's sending rate, over 0 up to 1."""
    return float(_required("SEND_RATE_SHARE"))


@cache
def warms_up() -> bool:
    """Return whether the stack sends few mails a day at first, and more each day."""
    return os.environ.get("WARM_UP") == "true"


@cache
def refuses_disposable_domains() -> bool:
    """Return whether addresses at domains of throw-away mailboxes can't sign up."""
    return os.environ.get("REFUSE_DISPOSABLE_DOMAINS") == "true"


@cache
def sends_welcome_mail() -> bool:
    """Return whether new subscribers get the welcome mail, once an author has written one."""
    return os.environ.get("WELCOME_MAIL") == "true"


@cache
def counts_links() -> bool:
    """Return whether clicks on the links of issues are counted, which lead here then."""
    return os.environ.get("COUNT_LINKS") == "true"


def issue_configuration_set() -> str:
    """Return the SES configuration set of issues, whose events go to FeedbackQueue."""
    return _required("ISSUE_CONFIGURATION_SET")


def confirmation_configuration_set() -> str:
    """Return the SES configuration set of all single mails.

    That is: answers to a sign-up, the welcome mail and the newest issue with it, test mails and
    requests for approval.
    """
    return _required("CONFIRMATION_CONFIGURATION_SET")


def queue_url(queue: QueueName) -> str:
    """Return a queue's URL."""
    return _required(f"{queue}_QUEUE_URL")


def dead_letters_url(queue: QueueName) -> str:
    """Return the URL of a queue's dead letters."""
    return _required(f"{queue}_DEAD_LETTER_QUEUE_URL")


@cache
def issue_clock() -> IssueClockSettings:
    """Return what an issue's clock is made of."""
    return IssueClockSettings(
        group=_required("ISSUE_CLOCK_GROUP"),
        dispatch_arn=_required("DISPATCH_FUNCTION_ARN"),
        role_arn=_required("ISSUE_CLOCK_ROLE_ARN"),
        dead_letter_queue_arn=_required("ISSUE_CLOCK_DEAD_LETTER_QUEUE_ARN"),
    )


def dispatch_function_name() -> str:
    """Return the name of the dispatch function."""
    return _required("DISPATCH_FUNCTION_NAME")


def notify_function_name() -> str:
    """Return the name of the function that sends webhooks their messages."""
    return _required("NOTIFY_FUNCTION_NAME")


def studio_function_name() -> str:
    """Return the name of the studio's function."""
    return _required("STUDIO_FUNCTION_NAME")


def transfer_function_name() -> str:
    """Return the name of the function that imports files."""
    return _required("TRANSFER_FUNCTION_NAME")


class WebhookClockSettings(NamedTuple):
    """What the clock of webhooks is made of."""

    group: str
    notify_arn: str
    role_arn: str


@cache
def webhook_clock() -> WebhookClockSettings:
    """Return what the clock of webhooks is made of."""
    return WebhookClockSettings(
        group=_required("ISSUE_CLOCK_GROUP"),
        notify_arn=_required("NOTIFY_FUNCTION_ARN"),
        role_arn=_required("ISSUE_CLOCK_ROLE_ARN"),
    )


def alarms_topic_arn() -> str:
    """Return the topic whose messages the operator gets by mail."""
    return _required("ALARMS_TOPIC_ARN")


def outbound_function_name() -> str:
    """Return the name of the function that calls addresses on the web."""
    return _required("OUTBOUND_FUNCTION_NAME")


@cache
def may_call_anywhere() -> bool:
    """Return whether http, and addresses that aren't public, may be called: in tests alone."""
    return os.environ.get("CALLS_ANYWHERE") == "true"


def signing_keys_secret_arn() -> str:
    """Return the secret of the keys that links are signed with."""
    return _required("SIGNING_KEYS_SECRET_ARN")


def authors_secret_arn() -> str:
    """Return the secret of the authors."""
    return _required("AUTHORS_SECRET_ARN")


def workflow_issuer() -> str:
    """Return who signs the tokens of workflows, without a slash at the end."""
    return _required("WORKFLOW_ISSUER").rstrip("/")


def operator_address() -> str:
    """Return where the operator gets alarms; empty if nowhere."""
    return os.environ.get("OPERATOR_ADDRESS", "")


def content_bucket() -> str:
    """Return the bucket of public content."""
    return _required("CONTENT_BUCKET")


def database() -> DatabaseSettings:
    """Return where the database is."""
    host = os.environ.get("DATABASE_HOST", "")
    return DatabaseSettings(
        host=host,
        user=_required("DATABASE_USER") if host else "",
        url_secret_arn="" if host else _required("DATABASE_URL_SECRET_ARN"),
    )


class ApplicationRole(NamedTuple):
    """The role that migrate grants access: one to create in Aurora, or one of a secret's URL."""

    name: str
    url_secret_arn: str


def application_role() -> ApplicationRole:
    """Return the application's role; empty when the functions enter as migrate does."""
    return ApplicationRole(
        name=os.environ.get("APPLICATION_ROLE", ""),
        url_secret_arn=os.environ.get("APPLICATION_URL_SECRET_ARN", ""),
    )


def public_url() -> str:
    """Return where readers reach the newsletter, without a slash at the end.

    Empty at the edge when the operator gave none: the request itself says where it came in.
    Raises ``ValueError`` if no mail could carry it.
    """
    url = os.environ.get("PUBLIC_URL", "").rstrip("/")
    if not url.isascii():
        raise ValueError("PUBLIC_URL must be ASCII, as mail headers are: write its host as xn--…")
    return url


class TrustedProxy(NamedTuple):
    """A proxy before the API: where its secret is, and its header with the reader's address."""

    secret_arn: str
    address_header: str


@cache
def trusted_proxy() -> TrustedProxy | None:
    """Return the proxy that states readers' addresses; None, unless the operator named one."""
    arn, header = (
        os.environ.get(name, "") for name in ("PROXY_SECRET_ARN", "PROXY_ADDRESS_HEADER")
    )
    if not arn or not header:
        return None
    return TrustedProxy(secret_arn=arn, address_header=header.lower())


def confirmation_link(token: str) -> str:
    """Return the link in a confirmation mail."""
    return f"{public_url()}/subscriptions/confirm?token={token}"


def unsubscribe_link(token: str) -> str:
    """Return the link in every issue mail, in its body and its header."""
    return f"{public_url()}/subscriptions/unsubscribe?token={token}"


def archive_link(slug: str) -> str:
    """Return the link to an issue's page in the archive."""
    return f"{public_url()}/archive/{slug}"


def counted_link(issue_id: "IssueId", number: int | Literal[""]) -> str:
    """Return the link that leads to where an issue's link leads."""
    return f"{public_url()}/go/{issue_id}/{number}"


def manage_link(token: str) -> str:
    """Return the link to the page where a reader manages their subscription."""
    return f"{public_url()}/subscription?token={token}"


def address_link(token: str) -> str:
    """Return the link in the mail to a reader's new address."""
    return f"{public_url()}/subscription/address?token={token}"


def _required(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise LookupError(
            f"the environment variable {name} is not set: see template.yaml"
        ) from None
