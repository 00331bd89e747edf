"""Reads the tokens that GitHub signs for the runs of workflows (OpenID Connect Core 1.0 §3.1.3.7).

The issuer's public keys are fetched when they are needed, and kept for an hour.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, NamedTuple

import jwt
from pydantic import ValidationError

from broadsheet import outbound
from broadsheet.domain.errors import DependencyUnavailable, WorkflowRefused
from broadsheet.domain.workflows import WorkflowClaims
from broadsheet.outbound import OutboundFailed
from broadsheet.settings import timings, workflow_issuer
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHM = "RS256"  # the only one of GitHub; a token doesn't choose
_KEYS_PATH = "/.well-known/jwks"
_MOST_BYTES = 100_000  # of the keys
_NEEDED = ("iss", "aud", "sub", "jti", "iat", "nbf", "exp")


_NO_ANSWER = "the issuer of the workflow's token does not answer just now: try again in a minute"


class _Keys(NamedTuple):
    fetched_at: float
    by_id: Mapping[str, jwt.PyJWK]


_kept: dict[str, _Keys] = {}
_failed_at: dict[str, float] = {}


def read(token: str, audience: str) -> WorkflowClaims:
    """Return what the issuer states of a run, in a token made for ``audience``.

    Raises ``WorkflowRefused``, and ``DependencyUnavailable`` while the issuer doesn't answer.
    """
    try:
        document = jwt.decode(
            token,
            _key_of(token),
            algorithms=[ALGORITHM],
            audience=audience,
            issuer=workflow_issuer(),
            leeway=timings().issuer_clock_ahead,
            options={"require": list(_NEEDED), "strict_aud": True},
        )
        claims = WorkflowClaims.model_validate(document)
    except jwt.PyJWTError as error:
        raise refused(type(error).__name__) from None
    except ValidationError:
        raise refused("InvalidClaims") from None
    if claims.exp - claims.iat > timings().issuer_token_longest:
        raise refused("LivesTooLong")
    return claims


def refused(why: str) -> WorkflowRefused:
    """Return the one answer to every token that is refused; the log alone says why."""
    logger.warning("workflow refused", why=why)
    return WorkflowRefused()


def _key_of(token: str) -> jwt.PyJWK:
    """Return the key that a token names; nothing of it is believed yet."""
    header = jwt.get_unverified_header(token)
    key_id = header.get("kid")
    if header.get("alg") != ALGORITHM or not isinstance(key_id, str):
        raise jwt.InvalidAlgorithmError
    key = _keys(key_id).get(key_id)
    if key is None:
        raise jwt.InvalidKeyError
    return key


def _keys(wanted: str) -> Mapping[str, jwt.PyJWK]:
    """Return the issuer's keys; asked for again if there is none of that id, as after a rotation.

    A stranger's tokens make us ask once a minute at most. Raises ``DependencyUnavailable``.
    """
    issuer = workflow_issuer()
    kept = _kept.get(issuer)
    if kept:
        age = time.monotonic() - kept.fetched_at
        is_known = wanted in kept.by_id
        if age < (timings().issuer_keys_cached if is_known else timings().issuer_keys_asked_again):
            return kept.by_id
    failed_at = _failed_at.get(issuer, float("-inf"))
    if time.monotonic() - failed_at < timings().issuer_keys_asked_again:
        raise DependencyUnavailable(_NO_ANSWER)
    try:
        found = _fetch(issuer + _KEYS_PATH)
    except DependencyUnavailable:
        _failed_at[issuer] = time.monotonic()
        raise
    _kept[issuer] = _Keys(time.monotonic(), found)
    return found


def _fetch(url: str) -> Mapping[str, jwt.PyJWK]:
    try:
        answer = outbound.send(
            *("GET", url, {"Accept": "application/json"}, b""),
            seconds=timings().issuer_call,
            most_bytes=_MOST_BYTES,
        )
        # An error's body has no keys.
        keys = jwt.PyJWKSet.from_dict(json.loads(answer.body)).keys
    except (OutboundFailed, ValueError, AttributeError, jwt.PyJWTError) as error:
        logger.warning("no keys of the issuer", why=str(error)[:100])
        raise DependencyUnavailable(_NO_ANSWER) from None
    return {str(key.key_id): key for key in keys if key.algorithm_name == ALGORITHM}
