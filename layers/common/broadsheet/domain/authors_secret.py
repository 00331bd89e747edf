"""The authors' secret: the authors' names and roles, and the digests of their tokens."""

import json
from collections.abc import Sequence
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from broadsheet.domain.authors import AuthorName, Role
from broadsheet.domain.subscribers import StoredAddress
from broadsheet.domain.times import Timestamp
from broadsheet.domain.workflows import Reach, WorkflowBinding, WorkflowClaims


class Author(BaseModel):
    """An entry of the authors' secret: of somebody with a token, or of a repository's workflows.

    ``token_sha256``: in hexadecimals; the token is nowhere. ``oidc``: whose workflows sign in.
    ``role``: entries from before roles have none, and allow everything. ``email``: where links to
    the studio and requests for approval go. ``test_addresses``: where this author may send test
    mails, beside ``email``.
    """

    model_config = ConfigDict(frozen=True)

    name: AuthorName
    token_sha256: str = ""
    created_at: Timestamp
    role: Role = Role.MANAGE
    email: StoredAddress | None = None
    test_addresses: tuple[StoredAddress, ...] = ()
    oidc: WorkflowBinding | None = None

    @model_validator(mode="after")
    def _has_one_way_in(self) -> Self:
        if bool(self.token_sha256) == bool(self.oidc):
            raise ValueError("an author has either a token or a repository")
        return self

    @classmethod
    def read(cls, entry: object) -> "Author | None":
        """Return what an entry says; None if it is malformed."""
        try:
            return cls.model_validate(entry)
        except ValidationError:
            return None

    def role_of_workflow(self, claims: WorkflowClaims) -> Role | None:
        """Return what a workflow may do as this author; None if it is none of theirs.

        A pull request may write, whatever its author may: it runs what nobody has agreed to yet.
        A push to the branch may do what its author may, but never manage readers.
        """
        match self.oidc and self.oidc.reach_of(claims):
            case Reach.BRANCH:
                return self.role.at_most(Role.PUBLISH)
            case Reach.PULL_REQUEST:
                return Role.WRITE
            case _:
                return None


class Authors(NamedTuple):
    """The entries of the secret that can be read, and how many can't."""

    entries: Sequence[Author]
    malformed: int

    @classmethod
    def parse(cls, secret: str) -> "Authors":
        """Parse the secret; one malformed entry doesn't lock out the other authors."""
        stored = json.loads(secret)["authors"]
        entries = [author for entry in stored if (author := Author.read(entry))]
        return cls(entries, len(stored) - len(entries))
