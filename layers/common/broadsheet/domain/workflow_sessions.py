"""The session of a workflow that has signed in, for some minutes."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from broadsheet.domain.authors import AuthorName, Role
from broadsheet.domain.times import Timestamp

WORKFLOW_PREFIX = "bw_"  # of a session's token: it makes a leaked one recognisable
MAX_TOKEN_CHARACTERS = 16_384  # GitHub's have about 2,000


class WorkflowSession(BaseModel):
    """As whom a workflow is signed in. ``binding``: the digest of its author's."""

    model_config = ConfigDict(frozen=True)

    author: AuthorName
    role: Role
    binding: str
    expires_at: Timestamp


class SignInRequest(BaseModel):
    """A workflow signs in. ``token``: GitHub's, for the newsletter's address as its audience."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: Annotated[str, Field(min_length=1, max_length=MAX_TOKEN_CHARACTERS)]


class SignedIn(BaseModel):
    """The token with which a workflow calls the authors' API until ``expires_at``."""

    model_config = ConfigDict(frozen=True)

    token: str
    author: AuthorName
    role: Role
    expires_at: datetime
