"""Adds, changes and removes authors, for one who may manage.

Who acts is looked up in the very version of the secret that is changed: whoever was removed a
moment ago changes nothing more. The operator gets a notice of each change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from broadsheet import operator_notice, secret_versions, secrets, settings, signed_tokens
from broadsheet.domain import errors
from broadsheet.domain.all_authors import AllAuthors, NewToken, Rights
from broadsheet.domain.authors import Role, require
from broadsheet.domain.studio import Invitation
from broadsheet.domain.subscribers import StoredAddress
from broadsheet.services.authors import inviting
from broadsheet.telemetry import log_failure, logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from broadsheet.domain.all_authors import NewAuthor
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.publications import IdempotencyKey
    from broadsheet.domain.studio import StudioSession
    from broadsheet.domain.subscribers import EmailAddress
    from broadsheet.secret_versions import Version

# Of the some 100 versions of a secret that AWS stores in a day. The last are the operator's, who
# must be able to revoke tokens; those before are for what takes rights away.
_MOST_GIVING = 40
_MOST_TAKING = 80


class Added(NamedTuple):
    """The token of an author who was added, and whether a mail invites them."""

    token: str
    is_invited: bool


def find_all() -> AllAuthors:
    """Return the authors as they are now. Raises ``DependencyUnavailable``."""
    try:
        secret = secret_versions.current(secrets.client(), settings.authors_secret_arn())
    except (BotoCoreError, ClientError) as error:
        raise errors.DependencyUnavailable("the authors could not be read just now") from error
    return AllAuthors.parse(secret.value)


def add(by: StudioSession, wanted: NewAuthor, key: IdempotencyKey, site: str) -> Added:
    """Add an author, and mail them an invitation to the studio of ``site`` if they have an address.

    With the same ``key``, it is done once, and returns the same token, which is stored nowhere;
    only the mail may come twice.
    Raises ``AuthorExists``, ``AuthorsAddressTaken``, ``TooManyAuthors``, and as all below
    ``TooManyAuthorChanges``, ``RoleNeeded`` and ``DependencyUnavailable``.
    """
    made = _token(by, wanted.name, key)
    author = made.entry(wanted.name, Rights(role=wanted.role, email=_stored(wanted.email)))
    _change(
        by,
        lambda authors: authors.with_author(author),
        f"added the author {wanted.name}, who may {wanted.role}",
        _MOST_GIVING,
    )
    if not wanted.email:
        return Added(made.token, is_invited=False)
    invitation = Invitation(email=wanted.email, by=by.author, role=wanted.role, site=site)
    return Added(made.token, is_invited=inviting.ask_for_mail(invitation))


def change_role(by: StudioSession, name: AuthorName, was: Role, role: Role) -> None:
    """Change what an author may do; ``was``: what they might, as far as is known.

    Raises ``OwnRights``, ``AuthorNotFound``, ``AuthorChanged`` and ``WorkflowNeverManages``.
    """
    refuse_own(by, name)
    _change(
        by,
        lambda authors: authors.expecting(name, role=was).changed(name, role=role),
        f"changed what {name} may do: {role}",
        _MOST_GIVING,
    )


def change_address(
    by: StudioSession, name: AuthorName, was: str, email: EmailAddress | None, site: str
) -> None:
    """Change where an author's links go, and invite them there; their sessions end.

    ``was``: the address as far as is known, or "". Raises ``AuthorNotFound``, ``AuthorChanged`` and
    ``AuthorsAddressTaken``.
    """
    before = StoredAddress(was) if was else None
    roles = list[Role]()

    def changed(authors: AllAuthors) -> AllAuthors:
        roles.append(authors.entries_of(name)[-1].role)
        return authors.expecting(name, email=before).changed(name, email=_stored(email))

    is_new = _change(by, changed, f"changed the address of {name}", _MOST_GIVING)
    if email and is_new and name != by.author:
        inviting.ask_for_mail(Invitation(email=email, by=by.author, role=roles[-1], site=site))


def make_token(by: StudioSession, name: AuthorName, key: IdempotencyKey) -> str:
    """Return one more token of an author; with the same ``key``, the same.

    Raises ``AuthorNotFound``, ``WorkflowHasNoToken`` and ``TooManyAuthors``.
    """
    made = _token(by, name, key)
    _change(
        by,
        lambda authors: authors.with_token(name, made),
        f"made another token for {name}",
        _MOST_GIVING,
    )
    return made.token


def end_older_tokens(by: StudioSession, name: AuthorName) -> None:
    """Leave an author their newest token. Raises ``AuthorNotFound`` and ``NoOlderToken``."""
    _change(
        by,
        lambda authors: authors.without_older(name),
        f"ended the older tokens of {name}",
        _MOST_TAKING,
    )


def remove(by: StudioSession, name: AuthorName) -> None:
    """Remove an author with all their tokens. Raises ``OwnRights`` and ``AuthorNotFound``."""
    refuse_own(by, name)
    _change(by, lambda authors: authors.without(name), f"removed the author {name}", _MOST_TAKING)


def _token(by: StudioSession, name: AuthorName, key: IdempotencyKey) -> NewToken:
    return NewToken.make(signed_tokens.author_token(f"{by.author}\n{name}\n{key}"))


def _stored(email: EmailAddress | None) -> StoredAddress | None:
    return StoredAddress.of(email) if email else None


def refuse_own(by: StudioSession, name: AuthorName) -> None:
    """Raise ``OwnRights`` if an author acts on themselves."""
    if name == by.author:
        raise errors.OwnRights


def _change(
    by: StudioSession, changed: Callable[[AllAuthors], AllAuthors], what: str, most: int
) -> bool:
    """Change the authors, and return whether that was needed; ``most``: versions in a day."""

    def value_after(before: Version) -> str:
        authors = AllAuthors.parse(before.value)
        acting = next((entry for entry in authors.readable if by.is_of(entry)), None)
        require(Role.MANAGE, acting.role if acting else None)
        after = changed(authors)
        if after == authors:
            return before.value
        if secret_versions.count_kept(client, arn) >= most:
            raise errors.TooManyAuthorChanges
        return after.text

    client, arn = secrets.client(), settings.authors_secret_arn()
    try:
        if not secret_versions.change(client, arn, value_after):
            return False
    except errors.SecretChangeUnknown as error:
        log_failure("the authors may have been changed", error)
        _notify(f"{by.author} may have {what}; AWS gave no answer.")
        raise
    except (BotoCoreError, ClientError, errors.SecretBusy) as error:
        log_failure("the authors could not be changed", error)
        raise errors.DependencyUnavailable("the authors could not be changed just now") from error
    finally:
        secrets.forget(arn)
    logger.info("authors changed", author=str(by.author), change=what)
    _notify(f"{by.author} has {what}.")
    return True


def _notify(sentence: str) -> None:
    operator_notice.publish(
        f"{settings.stack_name()}: authors were changed"[:100],
        f"{sentence}\n\n"
        "It was done in the studio. `make authors` lists who may do what. `make revoke NAME=…` "
        "ends all tokens of an author; `make author` and `make change-author` undo the rest.\n",
    )
