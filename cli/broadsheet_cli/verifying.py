"""Verifies a statement of circulation by the newsletter's public keys.

The signature is a JWS with a detached payload (RFC 7515, appendix F) by Ed25519 (RFC 8037); the
payload is the statement as canonical JSON (RFC 8785). None of it needs a login.
"""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Any

import httpx
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from pydantic import ValidationError

from broadsheet_cli.answers import SignedStatement, Statement
from broadsheet_cli.api import ANSWER_SECONDS, Address
from broadsheet_cli.errors import CommandFailed, NotReached

_LARGEST = 1_000_000  # bytes; a statement has 1 kB


def verify(text: bytes, keys_from: str | None = None) -> tuple[Statement, str]:
    """Return the statement of a document, and where its keys are from.

    ``keys_from``: a file or address of keys; else those that the statement itself names. Raises
    ``CommandFailed`` unless one of them has signed it as it is.
    """
    try:
        signed = SignedStatement.model_validate_json(text)
        document = json.loads(text)["statement"]
        protected, middle, signature = signed.signature.split(".")
        header = json.loads(_decode(protected))
        key_id, is_eddsa = header["kid"], header["alg"] == "EdDSA" and "crit" not in header
    except (ValidationError, ValueError, KeyError, TypeError):
        raise CommandFailed("This is no signed statement of a circulation.") from None
    if middle or not is_eddsa:
        raise CommandFailed("The statement is signed in a way that this version doesn't know.")
    place = keys_from or signed.statement.keys
    key = _find_key(place, key_id)
    if key.get("retired_at"):
        raise CommandFailed(
            "The key that signed the statement was retired, as one that leaked: get the present"
            " statement from the newsletter."
        )
    payload = urlsafe_b64encode(_canonical(document)).rstrip(b"=").decode()
    try:
        VerifyKey(_decode(key["x"])).verify(f"{protected}.{payload}".encode(), _decode(signature))
    except (BadSignatureError, ValueError, KeyError, TypeError):
        raise CommandFailed(
            "The signature doesn't fit: the statement isn't as it was signed."
        ) from None
    return signed.statement, place


def read(place: str) -> bytes:
    """Return the content of a file or an address. Raises ``CommandFailed``."""
    if "://" not in place:
        try:
            return Path(place).read_bytes()
        except OSError as error:
            raise CommandFailed(f"{place} can't be read: {error.strerror}.") from None
    address = Address.parse(place)
    try:
        answer = httpx.get(address.url, timeout=ANSWER_SECONDS, follow_redirects=True)
    except httpx.HTTPError as error:
        raise NotReached(f"{address} can't be reached: {error}") from None
    if not answer.is_success or len(answer.content) > _LARGEST:
        raise CommandFailed(f"There is no such document at {address}.")
    return answer.content


def _find_key(place: str, key_id: str) -> dict[str, Any]:
    try:
        keys = json.loads(read(place))["keys"]
        found: dict[str, Any] | None = next((key for key in keys if key["kid"] == key_id), None)
    except (ValueError, KeyError, TypeError):
        raise CommandFailed(f"{place} is no set of keys.") from None
    if found is None:
        raise CommandFailed(f"The key that signed the statement is not among those of {place}.")
    return found


def _canonical(document: Any) -> bytes:  # noqa: ANN401 - whatever JSON can hold
    # What RFC 8785 asks for, as a statement's names are ASCII, and its numbers integers.
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="replace")


def _decode(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError(str(error)) from None
