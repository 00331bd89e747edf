"""The authors' secret: who may do what, at most a minute old."""

from __future__ import annotations

from broadsheet.domain.authors import Authors
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
