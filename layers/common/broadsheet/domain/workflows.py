"""Workflows at GitHub that sign in as an author, without a secret of ours.

What a workflow may do depends on the repository, the branch and the event that it runs for, which
GitHub states in a signed token (OpenID Connect).
"""

import re
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, field_validator

GITHUB = "https://token.actions.githubusercontent.com"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")  # as GitHub allows at most
# As git-check-ref-format has it, and without what a shell or a glob would read.
_BRANCH = re.compile(r"(?!/)(?!.*(?:\.\.|//|\.lock$|/$))[A-Za-z0-9_./-]{1,200}")


class WorkflowBinding(BaseModel):
    """The repository and branch whose workflows are an author.

    ``repository_id``: GitHub's number, which stays when the name changes and never comes again.
    Without one, whoever gets the name ``repository`` later is let in as well.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    issuer: str = GITHUB
    repository: str
    branch: str
    repository_id: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")] | None = None

    @field_validator("repository")
    @classmethod
    def _parse_repository(cls, text: str) -> str:
        if not _NAME.fullmatch(text):
            raise ValueError("a repository is named as in jo/letters")
        return text

    @field_validator("branch")
    @classmethod
    def _parse_branch(cls, text: str) -> str:
        if not _BRANCH.fullmatch(text):
            raise ValueError("a branch is named as in main")
        return text

    @classmethod
    def parse(cls, text: str, repository_id: str | None = None, issuer: str = GITHUB) -> Self:
        """Return the binding that ``jo/letters@main`` names. Raises ``ValidationError``."""
        repository, _, branch = text.partition("@")
        return cls(issuer=issuer, repository=repository, branch=branch, repository_id=repository_id)

    @property
    def digest(self) -> str:
        """Return what a session remembers of the binding, so that it ends with it."""
        return sha256(self.model_dump_json().encode()).hexdigest()[:32]

    def __str__(self) -> str:
        return f"{self.repository}@{self.branch}"

    def reach_of(self, claims: "WorkflowClaims") -> "Reach | None":
        """Return what a workflow runs for; None if it is none of this binding's.

        Any event but these two is refused, among them ``pull_request_target``, which has the
        branch's name while it works on a stranger's text.
        """
        is_ours = (
            claims.iss == self.issuer
            # GitHub tells no names apart by their capitals.
            and claims.repository.lower() == self.repository.lower()
            and self.repository_id in {None, claims.repository_id}
        )
        if not is_ours:
            return None
        match claims.event_name:
            case "push" if claims.ref == f"refs/heads/{self.branch}":
                return Reach.BRANCH
            case "pull_request" if claims.base_ref == self.branch and claims.ref.startswith(
                "refs/pull/"
            ):
                return Reach.PULL_REQUEST
        return None


class Reach(StrEnum):
    """What a workflow runs for: the branch itself, or what somebody proposes for it."""

    BRANCH = "branch"
    PULL_REQUEST = "pull-request"


class WorkflowClaims(BaseModel):
    """What GitHub states of a workflow's run. ``jti``: of this token, and of no other.

    ``base_ref``: the branch that a pull request is for. The claim ``sub`` is not read: a
    repository's owner chooses what it is made of, and it says nothing that these don't.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    iss: str
    jti: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    iat: int
    exp: int
    repository: str
    repository_id: str
    ref: str
    event_name: str
    base_ref: str = ""
