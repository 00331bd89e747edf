"""Tokens in links: signed, not stored, and url-safe.

The keys come from a secret that the stack generates: ``{"signing_key_id": "1", "1": "..."}``.
Every key in it verifies; the one that ``signing_key_id`` names signs. To rotate, add a key, wait
until every function has seen it (``Timings.secrets_cached``), then name it.
"""

import base64
import hmac
import json
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import batched
from typing import Literal, override
from uuid import UUID

from itsdangerous import BadSignature, Signer
from itsdangerous.signer import SigningAlgorithm
from pydantic import ValidationError

from broadsheet.domain.confirming import DIGITS, ConfirmationCode
from broadsheet.domain.errors import (
    ExpiredAddressToken,
    ExpiredToken,
    InvalidAddressToken,
    InvalidConfirmationToken,
    InvalidManageToken,
    InvalidRequest,
    InvalidSignInLink,
    InvalidSignUpState,
    InvalidToken,
    InvalidUnsubscribeToken,
)
from broadsheet.domain.issues import IssueId
from broadsheet.domain.requests import (
    AddressToken,
    ConfirmationToken,
    ManageToken,
    SignUpState,
    SubscribeRequest,
    UnsubscribeToken,
    now,
)
from broadsheet.domain.subscribers import EmailAddress, SourceAddress, SubscriberId
from broadsheet.domain.workflow_sessions import WORKFLOW_PREFIX, WorkflowSession
from broadsheet.secrets import secret
from broadsheet.settings import signing_keys_secret_arn, timings

type StudioPurpose = Literal["sign-in", "studio", "studio-form"]

_UUID_BYTES = 16
_MILLISECONDS_BYTES = 8
_INVALID: dict[str, type[InvalidToken | InvalidRequest]] = {
    "confirmation": InvalidConfirmationToken,
    "unsubscribe": InvalidUnsubscribeToken,
    "form": InvalidToken,
    "sign-up": InvalidSignUpState,
    "browser": InvalidToken,
    "manage": InvalidManageToken,
    "address": InvalidAddressToken,
    "sign-in": InvalidSignInLink,
    "studio": InvalidToken,
    "studio-form": InvalidToken,
    "workflow": InvalidToken,
}


def sign_confirmation(token: ConfirmationToken) -> str:
    """Return the token for a confirmation link."""
    return _sign("confirmation", token.model_dump_json().encode())


def read_confirmation(text: str) -> ConfirmationToken:
    """Return what ``sign_confirmation`` signed, less than seven days ago.

    Raises ``InvalidToken`` or ``ExpiredToken``.
    """
    try:
        token = ConfirmationToken.model_validate_json(_unsign("confirmation", text))
    except ValidationError:
        raise _invalid("confirmation") from None
    if now() - token.issued_at > timedelta(seconds=timings().confirmation_valid):
        raise ExpiredToken
    return token


def sign_unsubscribe(token: UnsubscribeToken) -> str:
    """Return the token for an unsubscribe link; short, since it goes into a header."""
    return mail_signer(token.issue_id)(token.subscriber_id.root)[0]


def mail_signer(issue_id: IssueId) -> Callable[[UUID], tuple[str, str]]:
    """Return what signs the unsubscribe and the manage token of an issue's mail, by subscriber.

    It serves one claim, with the key of now: each mail has both tokens, and looking for the key
    would take longer than signing.
    """
    unsubscribe, manage = _signature("unsubscribe"), _signature("manage")
    issue = issue_id.root.bytes

    def sign(subscriber_id: UUID) -> tuple[str, str]:
        payload = _encode(subscriber_id.bytes + issue)
        return (
            (b"%b.%b" % (payload, unsubscribe(payload))).decode(),
            (b"%b.%b" % (payload, manage(payload))).decode(),
        )

    return sign


def _signature(purpose: str) -> Callable[[bytes], bytes]:
    """Return what makes the signatures that ``_signer`` makes, in half the time.

    The key's part of the HMAC is computed once.
    """
    begin = hmac.new(_signer(purpose).secret_keys[-1], digestmod="sha256").copy

    def sign(payload: bytes) -> bytes:
        signature = begin()
        signature.update(payload)
        return _encode(signature.digest())

    return sign


def read_unsubscribe(text: str) -> UnsubscribeToken:
    """Return what ``sign_unsubscribe`` signed, however long ago. Raises ``InvalidToken``."""
    payload = _unsign("unsubscribe", text)
    if len(payload) != 2 * _UUID_BYTES:
        raise _invalid("unsubscribe")
    return UnsubscribeToken(
        subscriber_id=SubscriberId(UUID(bytes=payload[:_UUID_BYTES])),
        issue_id=IssueId(UUID(bytes=payload[_UUID_BYTES:])),
    )


def sign_sign_up_state(state: SignUpState) -> str:
    """Return the hidden field of the form that asks for the code."""
    return _sign("sign-up", state.model_dump_json().encode())


def read_sign_up_state(text: str) -> SignUpState:
    """Return what ``sign_sign_up_state`` signed, however long ago.

    Raises ``InvalidSignUpState``.
    """
    try:
        return SignUpState.model_validate_json(_unsign("sign-up", text))
    except ValidationError:
        raise _invalid("sign-up") from None


def confirmation_code(sign_up: SubscribeRequest | SignUpState) -> str:
    """Return the code for a sign-up's confirmation mail, by the key that signs."""
    return _codes(sign_up)[-1]


def is_confirmation_code(sign_up: SubscribeRequest | SignUpState, code: ConfirmationCode) -> bool:
    """Return whether a code is a sign-up's, by any of the keys: the mail may be made by another."""
    return any(hmac.compare_digest(each, str(code)) for each in _codes(sign_up))


def _codes(sign_up: SubscribeRequest | SignUpState) -> list[str]:
    """Return a sign-up's code by each key, the one that signs last."""
    of_whom = sign_up.id.bytes + str(sign_up.email).encode()
    digests = [hmac.digest(key, of_whom, "sha256") for key in _signer("code").secret_keys]
    # The first eight bytes: their remainder favours no code by more than one part in 10^11.
    return [f"{int.from_bytes(each[:8]) % 10**DIGITS:0{DIGITS}}" for each in digests]


def sign_browser(sign_up_ids: Sequence[UUID]) -> str:
    """Return the cookie of a browser that has signed up."""
    return _sign("browser", b"".join(each.bytes for each in sign_up_ids))


def read_browser(text: str) -> list[UUID]:
    """Return the sign-ups of which ``sign_browser`` made a cookie. Raises ``InvalidToken``."""
    payload = _unsign("browser", text)
    if len(payload) % _UUID_BYTES:
        raise _invalid("browser")
    return [UUID(bytes=bytes(each)) for each in batched(payload, _UUID_BYTES, strict=True)]


def sign_manage(token: ManageToken) -> str:
    """Return the token for a link to the page that manages a subscription."""
    if token.issued_at is None:
        return mail_signer(token.issue_id)(token.subscriber_id.root)[1]
    milliseconds = round(token.issued_at.timestamp() * 1000)
    return _sign(
        "manage", token.subscriber_id.root.bytes + milliseconds.to_bytes(_MILLISECONDS_BYTES)
    )


def read_manage(text: str) -> ManageToken:
    """Return what ``sign_manage`` signed, however long ago. Raises ``InvalidToken``.

    Its length says what follows the subscriber: an issue, or the time of a link that was mailed on
    request.
    """
    payload = _unsign("manage", text)
    subscriber, rest = payload[:_UUID_BYTES], payload[_UUID_BYTES:]
    if len(rest) == _UUID_BYTES:
        return ManageToken(
            subscriber_id=SubscriberId(UUID(bytes=subscriber)),
            issue_id=IssueId(UUID(bytes=rest)),
        )
    if len(rest) != _MILLISECONDS_BYTES:
        raise _invalid("manage")
    return ManageToken(
        subscriber_id=SubscriberId(UUID(bytes=subscriber)),
        issued_at=datetime.fromtimestamp(int.from_bytes(rest) / 1000, UTC),
    )


def is_fresh(token: ManageToken) -> bool:
    """Return whether the link was mailed on request lately: only then it may do any harm."""
    fresh = timedelta(seconds=timings().manage_link_fresh)
    return token.issued_at is not None and now() - token.issued_at <= fresh


def sign_address(token: AddressToken) -> str:
    """Return the token for the link that a new address gets."""
    return _sign("address", token.model_dump_json().encode())


def read_address(text: str) -> AddressToken:
    """Return what ``sign_address`` signed, less than seven days ago.

    Raises ``InvalidToken`` or ``ExpiredToken``.
    """
    try:
        token = AddressToken.model_validate_json(_unsign("address", text))
    except ValidationError:
        raise _invalid("address") from None
    if now() - token.issued_at > timedelta(seconds=timings().confirmation_valid):
        raise ExpiredAddressToken
    return token


def sign_workflow(session: WorkflowSession) -> str:
    """Return the token of a workflow's session."""
    return WORKFLOW_PREFIX + _sign("workflow", session.model_dump_json().encode())


def read_workflow(text: str) -> WorkflowSession | None:
    """Return the session that ``sign_workflow`` signed; None if it has ended, or never began."""
    try:
        payload = _unsign("workflow", text.removeprefix(WORKFLOW_PREFIX))
        session = WorkflowSession.model_validate_json(payload)
    except (InvalidToken, ValidationError):
        return None
    return session if now() < session.expires_at else None


def sign_form(nonce: UUID, made_at: datetime) -> str:
    """Return the hidden field of a sign-up form; its nonce counts once."""
    milliseconds = round(made_at.timestamp() * 1000)
    return _sign("form", nonce.bytes + milliseconds.to_bytes(_MILLISECONDS_BYTES))


def read_form(text: str) -> tuple[UUID, timedelta]:
    """Return the nonce of what ``sign_form`` signed, and its age. Raises ``InvalidToken``."""
    payload = _unsign("form", text)
    if len(payload) != _UUID_BYTES + _MILLISECONDS_BYTES:
        raise _invalid("form")
    made_at = datetime.fromtimestamp(int.from_bytes(payload[_UUID_BYTES:]) / 1000, UTC)
    return UUID(bytes=payload[:_UUID_BYTES]), now() - made_at


def address_digests(email: EmailAddress) -> list[bytes]:
    """Return what remembers an address without naming it: one digest by each key.

    The first is by the key that signs; one that is stored may be by any.
    """
    keys = _signer("address digest").secret_keys
    return [hmac.digest(key, str(email).encode(), "sha256") for key in reversed(keys)]


def source_digest(address: SourceAddress) -> str:
    """Return what recognises a source that comes again without naming it, by the key of now.

    Whoever has the key finds an IPv4 address by trying all of them; a backup alone doesn't have it.
    """
    return _source_digest(_signer("source").secret_keys[-1], str(address))


@lru_cache(maxsize=1024)  # each budget of a set of sign-ups asks for it
def _source_digest(key: bytes, address: str) -> str:
    network = SourceAddress(address).network
    return hmac.digest(key, network.encode(), "sha256")[:16].hex()


def statement_seeds() -> Sequence[bytes]:
    """Return what the Ed25519 keys of statements are made of, one by each key.

    The last is by the key that signs.
    """
    return _signer("circulation statement").secret_keys


def signing_key_id() -> str:
    """Return the id of the key that signs now."""
    return str(json.loads(_secret_value())["signing_key_id"])


def webhook_secret(key_id: str, webhook_id: UUID, generation: int) -> bytes:
    """Return a webhook's secret, by the key that it was made with: it is stored nowhere.

    Raises ``KeyError`` once that key has been retired.
    """
    key = json.loads(_secret_value())[key_id].encode()
    purpose = hmac.digest(key, b"broadsheet.webhook", "sha256")
    return hmac.digest(purpose, webhook_id.bytes + generation.to_bytes(4), "sha256")


def key_prints() -> tuple[str, ...]:
    """Return what tells the keys apart, sorted; nothing can be signed by it."""
    keys = _signer("key print").secret_keys
    return tuple(sorted(hmac.digest(key, b"print", "sha256").hex()[:16] for key in keys))


def digests_of(emails: Collection[str]) -> dict[bytes, str]:
    """Return many addresses, in the form we store, by each of their digests."""
    keys = _signer("address digest").secret_keys
    return {hmac.digest(key, email.encode(), "sha256"): email for key in keys for email in emails}


def load_keys() -> None:
    """Read the keys, so that signing can't fail later. Raises ``DependencyUnavailable``."""
    _signer("unsubscribe")


def sign_for_studio(purpose: StudioPurpose, payload: bytes) -> str:
    """Return a token of the studio: of a sign-in link, a session or its forms."""
    return _sign(purpose, payload)


def read_for_studio(purpose: StudioPurpose, text: str) -> bytes:
    """Return what ``sign_for_studio`` signed, however long ago. Raises ``InvalidToken``."""
    return _unsign(purpose, text)


def _sign(purpose: str, payload: bytes) -> str:
    return _signer(purpose).sign(_encode(payload)).decode()


def _encode(payload: bytes) -> bytes:
    return base64.urlsafe_b64encode(payload).rstrip(b"=")


def _unsign(purpose: str, text: str) -> bytes:
    try:
        payload = _signer(purpose).unsign(text.encode())
        return base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))
    except (BadSignature, ValueError):
        raise _invalid(purpose) from None


def _invalid(purpose: str) -> InvalidToken | InvalidRequest:
    return _INVALID[purpose]()


def _signer(purpose: str) -> Signer:
    """Return a signer for one purpose, so that no token serves another."""
    return _signer_with(_secret_value(), purpose)


def _secret_value() -> str:
    return secret(signing_keys_secret_arn(), stale_is_good=True)


@lru_cache(maxsize=32)  # a dozen purposes, before and after a rotation
def _signer_with(secret_value: str, purpose: str) -> Signer:
    keys: dict[str, str] = json.loads(secret_value)
    signing = keys.pop("signing_key_id")
    newest_last = [key for key_id, key in keys.items() if key_id != signing] + [keys[signing]]
    salt = f"broadsheet.{purpose}".encode()
    # The library's own derivation "hmac", done once instead of for each token.
    derived = [hmac.digest(key.encode(), salt, "sha256") for key in newest_last]
    return Signer(derived, key_derivation="none", algorithm=_HmacSha256())


class _HmacSha256(SigningAlgorithm):
    """The library's HMAC by the function of the standard library that is one call to OpenSSL."""

    @override
    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return hmac.digest(key, value, "sha256")
