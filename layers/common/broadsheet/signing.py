"""Signing: the keys of the stack, and payloads that are signed with them.

The keys come from a secret that the stack generates: ``{"signing_key_id": "1", "1": "..."}``.
Every key in it verifies; the one that ``signing_key_id`` names signs. To rotate, add a key, wait
until every function has seen it (``Timings.secrets_cached``), then name it.

Deliver signs the tokens of an issue's mails, and needs no token's type for that.
"""

from __future__ import annotations

import base64
import hmac
import json
from functools import lru_cache
from typing import TYPE_CHECKING, override

from itsdangerous import BadSignature, Signer
from itsdangerous.signer import SigningAlgorithm

from broadsheet.domain.errors import (
    InvalidAddressToken,
    InvalidConfirmationToken,
    InvalidManageToken,
    InvalidRequest,
    InvalidSignInLink,
    InvalidSignUpState,
    InvalidToken,
    InvalidUnsubscribeToken,
)
from broadsheet.secrets import secret
from broadsheet.settings import signing_keys_secret_arn

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from broadsheet.domain.issues import IssueId


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


def load_keys() -> None:
    """Read the keys, so that signing can't fail later. Raises ``DependencyUnavailable``."""
    signer("unsubscribe")


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
    """Return what makes the signatures that ``signer`` makes, in half the time.

    The key's part of the HMAC is computed once.
    """
    begin = hmac.new(signer(purpose).secret_keys[-1], digestmod="sha256").copy

    def sign(payload: bytes) -> bytes:
        signature = begin()
        signature.update(payload)
        return _encode(signature.digest())

    return sign


def sign(purpose: str, payload: bytes) -> str:
    """Return a signed payload, url-safe."""
    return signer(purpose).sign(_encode(payload)).decode()


def unsign(purpose: str, text: str) -> bytes:
    """Return the payload of what ``sign`` signed for a purpose. Raises the error of ``invalid``."""
    try:
        payload = signer(purpose).unsign(text.encode())
        return base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))
    except (BadSignature, ValueError):
        raise invalid(purpose) from None


def _encode(payload: bytes) -> bytes:
    return base64.urlsafe_b64encode(payload).rstrip(b"=")


def invalid(purpose: str) -> InvalidToken | InvalidRequest:
    """Return the error that says what is no token of a purpose."""
    return _INVALID[purpose]()


def signer(purpose: str) -> Signer:
    """Return a signer for one purpose, so that no token serves another."""
    return _signer_with(secret_value(), purpose)


def secret_value() -> str:
    """Return the keys, as the secret holds them."""
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
