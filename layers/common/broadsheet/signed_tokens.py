"""Tokens in links: signed, not stored, and url-safe.

``signing`` has the keys, and signs the tokens of an issue's mails.
"""

import hmac
import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import batched
from typing import Literal
from uuid import UUID

from pydantic import ValidationError

from broadsheet import signing
from broadsheet.domain.confirming import DIGITS, ConfirmationCode
from broadsheet.domain.errors import ExpiredAddressToken, ExpiredToken, InvalidToken
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
from broadsheet.settings import timings

type StudioPurpose = Literal["sign-in", "studio", "studio-form"]

_UUID_BYTES = 16
_MILLISECONDS_BYTES = 8


def sign_confirmation(token: ConfirmationToken) -> str:
    """Return the token for a confirmation link."""
    return signing.sign("confirmation", token.model_dump_json().encode())


def read_confirmation(text: str) -> ConfirmationToken:
    """Return what ``sign_confirmation`` signed, less than seven days ago.

    Raises ``InvalidToken`` or ``ExpiredToken``.
    """
    try:
        token = ConfirmationToken.model_validate_json(signing.unsign("confirmation", text))
    except ValidationError:
        raise signing.invalid("confirmation") from None
    if now() - token.issued_at > timedelta(seconds=timings().confirmation_valid):
        raise ExpiredToken
    return token


def sign_unsubscribe(token: UnsubscribeToken) -> str:
    """Return the token for an unsubscribe link; short, since it goes into a header."""
    return signing.mail_signer(token.issue_id)(token.subscriber_id.root)[0]


def read_unsubscribe(text: str) -> UnsubscribeToken:
    """Return what ``sign_unsubscribe`` signed, however long ago. Raises ``InvalidToken``."""
    payload = signing.unsign("unsubscribe", text)
    if len(payload) != 2 * _UUID_BYTES:
        raise signing.invalid("unsubscribe")
    return UnsubscribeToken(
        subscriber_id=SubscriberId(UUID(bytes=payload[:_UUID_BYTES])),
        issue_id=IssueId(UUID(bytes=payload[_UUID_BYTES:])),
    )


def sign_sign_up_state(state: SignUpState) -> str:
    """Return the hidden field of the form that asks for the code."""
    return signing.sign("sign-up", state.model_dump_json().encode())


def read_sign_up_state(text: str) -> SignUpState:
    """Return what ``sign_sign_up_state`` signed, however long ago.

    Raises ``InvalidSignUpState``.
    """
    try:
        return SignUpState.model_validate_json(signing.unsign("sign-up", text))
    except ValidationError:
        raise signing.invalid("sign-up") from None


def confirmation_code(sign_up: SubscribeRequest | SignUpState) -> str:
    """Return the code for a sign-up's confirmation mail, by the key that signs."""
    return _codes(sign_up)[-1]


def is_confirmation_code(sign_up: SubscribeRequest | SignUpState, code: ConfirmationCode) -> bool:
    """Return whether a code is a sign-up's, by any of the keys: the mail may be made by another."""
    return any(hmac.compare_digest(each, str(code)) for each in _codes(sign_up))


def _codes(sign_up: SubscribeRequest | SignUpState) -> list[str]:
    """Return a sign-up's code by each key, the one that signs last."""
    of_whom = sign_up.id.bytes + str(sign_up.email).encode()
    digests = [hmac.digest(key, of_whom, "sha256") for key in signing.signer("code").secret_keys]
    # The first eight bytes: their remainder favours no code by more than one part in 10^11.
    return [f"{int.from_bytes(each[:8]) % 10**DIGITS:0{DIGITS}}" for each in digests]


def sign_browser(sign_up_ids: Sequence[UUID]) -> str:
    """Return the cookie of a browser that has signed up."""
    return signing.sign("browser", b"".join(each.bytes for each in sign_up_ids))


def read_browser(text: str) -> list[UUID]:
    """Return the sign-ups of which ``sign_browser`` made a cookie. Raises ``InvalidToken``."""
    payload = signing.unsign("browser", text)
    if len(payload) % _UUID_BYTES:
        raise signing.invalid("browser")
    return [UUID(bytes=bytes(each)) for each in batched(payload, _UUID_BYTES, strict=True)]


def sign_manage(token: ManageToken) -> str:
    """Return the token for a link to the page that manages a subscription."""
    if token.issued_at is None:
        return signing.mail_signer(token.issue_id)(token.subscriber_id.root)[1]
    milliseconds = round(token.issued_at.timestamp() * 1000)
    return signing.sign(
        "manage", token.subscriber_id.root.bytes + milliseconds.to_bytes(_MILLISECONDS_BYTES)
    )


def read_manage(text: str) -> ManageToken:
    """Return what ``sign_manage`` signed, however long ago. Raises ``InvalidToken``.

    Its length says what follows the subscriber: an issue, or the time of a link that was mailed on
    request.
    """
    payload = signing.unsign("manage", text)
    subscriber, rest = payload[:_UUID_BYTES], payload[_UUID_BYTES:]
    if len(rest) == _UUID_BYTES:
        return ManageToken(
            subscriber_id=SubscriberId(UUID(bytes=subscriber)),
            issue_id=IssueId(UUID(bytes=rest)),
        )
    if len(rest) != _MILLISECONDS_BYTES:
        raise signing.invalid("manage")
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
    return signing.sign("address", token.model_dump_json().encode())


def read_address(text: str) -> AddressToken:
    """Return what ``sign_address`` signed, less than seven days ago.

    Raises ``InvalidToken`` or ``ExpiredToken``.
    """
    try:
        token = AddressToken.model_validate_json(signing.unsign("address", text))
    except ValidationError:
        raise signing.invalid("address") from None
    if now() - token.issued_at > timedelta(seconds=timings().confirmation_valid):
        raise ExpiredAddressToken
    return token


def sign_workflow(session: WorkflowSession) -> str:
    """Return the token of a workflow's session."""
    return WORKFLOW_PREFIX + signing.sign("workflow", session.model_dump_json().encode())


def read_workflow(text: str) -> WorkflowSession | None:
    """Return the session that ``sign_workflow`` signed; None if it has ended, or never began."""
    try:
        payload = signing.unsign("workflow", text.removeprefix(WORKFLOW_PREFIX))
        session = WorkflowSession.model_validate_json(payload)
    except (InvalidToken, ValidationError):
        return None
    return session if now() < session.expires_at else None


def sign_form(nonce: UUID, made_at: datetime) -> str:
    """Return the hidden field of a sign-up form; its nonce counts once."""
    milliseconds = round(made_at.timestamp() * 1000)
    return signing.sign("form", nonce.bytes + milliseconds.to_bytes(_MILLISECONDS_BYTES))


def read_form(text: str) -> tuple[UUID, timedelta]:
    """Return the nonce of what ``sign_form`` signed, and its age. Raises ``InvalidToken``."""
    payload = signing.unsign("form", text)
    if len(payload) != _UUID_BYTES + _MILLISECONDS_BYTES:
        raise signing.invalid("form")
    made_at = datetime.fromtimestamp(int.from_bytes(payload[_UUID_BYTES:]) / 1000, UTC)
    return UUID(bytes=payload[:_UUID_BYTES]), now() - made_at


def address_digests(email: EmailAddress) -> list[bytes]:
    """Return what remembers an address without naming it: one digest by each key.

    The first is by the key that signs; one that is stored may be by any.
    """
    keys = signing.signer("address digest").secret_keys
    return [hmac.digest(key, str(email).encode(), "sha256") for key in reversed(keys)]


def source_digest(address: SourceAddress) -> str:
    """Return what recognises a source that comes again without naming it, by the key of now.

    Whoever has the key finds an IPv4 address by trying all of them; a backup alone doesn't have it.
    """
    return _source_digest(signing.signer("source").secret_keys[-1], str(address))


@lru_cache(maxsize=1024)  # each budget of a set of sign-ups asks for it
def _source_digest(key: bytes, address: str) -> str:
    network = SourceAddress(address).network
    return hmac.digest(key, network.encode(), "sha256")[:16].hex()


def statement_seeds() -> Sequence[bytes]:
    """Return what the Ed25519 keys of statements are made of, one by each key.

    The last is by the key that signs.
    """
    return signing.signer("circulation statement").secret_keys


def signing_key_id() -> str:
    """Return the id of the key that signs now."""
    return str(json.loads(signing.secret_value())["signing_key_id"])


def webhook_secret(key_id: str, webhook_id: UUID, generation: int) -> bytes:
    """Return a webhook's secret, by the key that it was made with: it is stored nowhere.

    Raises ``KeyError`` once that key has been retired.
    """
    key = json.loads(signing.secret_value())[key_id].encode()
    purpose = hmac.digest(key, b"broadsheet.webhook", "sha256")
    return hmac.digest(purpose, webhook_id.bytes + generation.to_bytes(4), "sha256")


def key_prints() -> tuple[str, ...]:
    """Return what tells the keys apart, sorted; nothing can be signed by it."""
    keys = signing.signer("key print").secret_keys
    return tuple(sorted(hmac.digest(key, b"print", "sha256").hex()[:16] for key in keys))


def digests_of(emails: Collection[str]) -> dict[bytes, str]:
    """Return many addresses, in the form we store, by each of their digests."""
    keys = signing.signer("address digest").secret_keys
    return {hmac.digest(key, email.encode(), "sha256"): email for key in keys for email in emails}


def sign_for_studio(purpose: StudioPurpose, payload: bytes) -> str:
    """Return a token of the studio: of a sign-in link, a session or its forms."""
    return signing.sign(purpose, payload)


def author_token(seed: str) -> bytes:
    """Return 32 bytes that nobody can guess; the same for the same seed, until the key changes."""
    return hmac.digest(signing.signer("author token").secret_keys[-1], seed.encode(), "sha256")


def read_for_studio(purpose: StudioPurpose, text: str) -> bytes:
    """Return what ``sign_for_studio`` signed, however long ago. Raises ``InvalidToken``."""
    return signing.unsign(purpose, text)
