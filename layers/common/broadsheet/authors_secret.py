"""The authors' secret: who may do what, at most a minute old."""

from __future__ import annotations

import hmac
from hashlib import sha256

from broadsheet.domain.authors_secret import Author, Authors
from broadsheet.domain.workflow_sessions import WORKFLOW_PREFIX
from broadsheet.secrets import forget, secret
from broadsheet.settings import authors_secret_arn
from broadsheet.telemetry import count, logger


def authors(*, as_of_now: bool = False) -> Authors:
    """Return the authors; malformed entries are skipped, logged and counted.

    ``as_of_now``: also those who were added within a minute. Raises ``DependencyUnavailable``.
    """
    if as_of_now:
        forget(authors_secret_arn())
    found = Authors.parse(secret(authors_secret_arn()))
    if found.malformed:
        logger.error("skipped malformed authors", skipped=found.malformed)
        count("MalformedAuthors", found.malformed)
    return found


def find_author(authorization: str) -> Author | None:
    """Return the author whose token, or whose workflow's, is in this ``Authorization`` header.

    Raises ``DependencyUnavailable``.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        return None
    if token.strip().startswith(WORKFLOW_PREFIX):
        return _of_workflow(token.strip())
    digest = sha256(token.strip().encode()).hexdigest()
    for author in authors().entries:
        if hmac.compare_digest(author.token_sha256, digest):
            return author
    return None


def _of_workflow(token: str) -> Author | None:
    """Return the author as whom a workflow is signed in, if they are bound to it still."""
    from broadsheet import signed_tokens  # noqa: PLC0415 - of other tokens, none is signed

    session = signed_tokens.read_workflow(token)
    if session is None:
        return None
    for author in authors().entries:
        if author.name == session.author and author.oidc and author.oidc.digest == session.binding:
            return author.model_copy(update={"role": author.role.at_most(session.role)})
    return None
