"""Signs in a workflow: for GitHub's token, which is used once, it gets one of ours."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from broadsheet import authors_secret, settings, signed_tokens, workflow_tokens
from broadsheet.domain.requests import now
from broadsheet.domain.workflow_sessions import SignedIn, WorkflowSession
from broadsheet.storage import used_tokens
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from broadsheet.domain.workflows import WorkflowClaims


def sign_in(token: str, audience: str) -> SignedIn:
    """Return the session of a workflow, as the first author that is bound to it.

    Raises ``WorkflowRefused``, always alike, and ``DependencyUnavailable``.
    """
    claims = workflow_tokens.read(token, audience)
    session = _session_of(claims)
    if session is None:
        raise workflow_tokens.refused("NoAuthor")
    # Last, so that nobody fills the bucket, and no token is used up that was refused.
    if not used_tokens.use(claims):
        raise workflow_tokens.refused("UsedBefore")
    logger.info("workflow signed in", role=session.role.value, event=claims.event_name)
    return SignedIn(
        token=signed_tokens.sign_workflow(session),
        author=session.author,
        role=session.role,
        expires_at=session.expires_at,
    )


def _session_of(claims: WorkflowClaims) -> WorkflowSession | None:
    for author in authors_secret.authors().entries:
        role = author.role_of_workflow(claims)
        if role and author.oidc:
            return WorkflowSession(
                author=author.name,
                role=role,
                binding=author.oidc.digest,
                expires_at=now() + timedelta(seconds=settings.timings().workflow_session),
            )
    return None
