"""Tokens of workflows that have been used, each of which signs in once.

A bucket's rule deletes them after a day, long after they have expired.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from broadsheet.storage import bucket

if TYPE_CHECKING:
    from broadsheet.domain.workflows import WorkflowClaims


def use(claims: WorkflowClaims) -> bool:
    """Return True the first time that it is called for a token, and False afterwards.

    Raises ``DependencyUnavailable``.
    """
    digest = sha256(f"{claims.iss}\n{claims.jti}".encode()).hexdigest()
    return bucket.put_once(f"used-tokens/{digest}", b"", "text/plain")
