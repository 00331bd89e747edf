"""Signs statements of circulation with Ed25519, whose public keys anybody may have.

The keys follow from the signing keys (``signed_tokens``), and rotate with them.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING

from nacl.signing import SigningKey

from broadsheet import signed_tokens
from broadsheet.domain.circulation import PublicKey, SignedStatement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.domain.circulation import Statement


def public_keys() -> Sequence[PublicKey]:
    """Return the public key of each signing key, the one that signs last.

    Raises ``DependencyUnavailable``.
    """
    return [_public_key(SigningKey(seed)) for seed in signed_tokens.statement_seeds()]


def sign(statement: Statement) -> tuple[SignedStatement, str]:
    """Return a statement with its signature, and the id of its key.

    Raises ``DependencyUnavailable``.
    """
    key = SigningKey(signed_tokens.statement_seeds()[-1])
    key_id = _public_key(key).kid
    header = json.dumps({"alg": "EdDSA", "kid": key_id}, separators=(",", ":"))
    protected = _encode(header.encode())
    signed = key.sign(f"{protected}.{_encode(statement.canonical())}".encode())
    signature = f"{protected}..{_encode(signed.signature)}"
    return SignedStatement(statement=statement, signature=signature), key_id


def _public_key(key: SigningKey) -> PublicKey:
    x = _encode(bytes(key.verify_key))
    members = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": x}, separators=(",", ":"))
    return PublicKey(kid=_encode(sha256(members.encode()).digest()), x=x)


def _encode(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
