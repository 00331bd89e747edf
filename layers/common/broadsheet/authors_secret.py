"""The authors' secret: who may do what, at most a minute old."""

from __future__ import annotations

import hmac
from hashlib import sha256

from broadsheet.domain.authors import Author, Authors
from broadsheet.secrets import secret
from broadsheet.settings import authors_secret_arn
from broadsheet.telemetry import count, logger


def authors() -> Authors:
    """Return the authors; malformed entries are skipped, logged and counted.

    Raises ``DependencyUnavailable``.
    """
    found = Authors.parse(secret(authors_secret_arn()))
    if found.malformed:
        logger.error("skipped malformed authors", skipped=found.malformed)
        count("MalformedAuthors", found.malformed)
    return found


def find_author(authorization: str) -> Author | None:
    """Return the author whose token is in this ``Authorization`` header.

    Raises ``DependencyUnavailable``.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        return None
    digest = sha256(token.strip().encode()).hexdigest()
    for author in authors().entries:
        if hmac.compare_digest(author.token_sha256, digest):
            return author
    return None
