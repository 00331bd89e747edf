"""Who the author is, at which newsletters: addresses in a file, tokens in the system's keyring.

Without a keyring, tokens are in the same file, which only its owner can read. The variables
``BROADSHEET_URL`` and ``BROADSHEET_TOKEN`` come before both: a script needs no file. A workflow at
GitHub needs no token either: it signs in by what GitHub states of it.
"""

from __future__ import annotations

import json
import os
from contextvars import ContextVar
from pathlib import Path
from typing import Self

import platformdirs
from pydantic import BaseModel, ValidationError

from broadsheet_cli.api import Address
from broadsheet_cli.errors import CommandFailed, NoAccess
from broadsheet_cli.files import replace
from broadsheet_cli.newsroom import identity

URL_VARIABLE, TOKEN_VARIABLE = "BROADSHEET_URL", "BROADSHEET_TOKEN"
FOLDER_VARIABLE = "BROADSHEET_CONFIG"
NAMED: ContextVar[str | None] = ContextVar("named", default=None)  # by --newsletter
SERVICE = "broadsheet"  # by which the keyring knows our tokens


class Login(BaseModel):
    """What is remembered of one newsletter. ``token``: only where there is no keyring."""

    token: str | None = None
    test_to: list[str] = []


class Logins(BaseModel):
    """All newsletters, and the one that commands mean."""

    current: str | None = None
    newsletters: dict[str, Login] = {}

    @classmethod
    def read(cls) -> Self:
        """Return what the file says; nothing if there is none. Raises ``CommandFailed``."""
        try:
            return cls.model_validate_json(_file().read_bytes())
        except FileNotFoundError:
            return cls()
        except ValidationError as error:
            raise CommandFailed(f"{_file()} can't be read: delete it, and log in again.") from error

    def write(self) -> None:
        """Store it where only its owner can read it."""
        _file().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace(_file(), json.dumps(self.model_dump(exclude_defaults=True), indent=2) + "\n")

    def sign_in(self, address: Address, token: str) -> bool:
        """Store a token, and return whether a keyring holds it."""
        in_keyring = _store(address, token)
        known = self.newsletters.get(address.url, Login())
        self.newsletters[address.url] = known.model_copy(
            update={"token": None if in_keyring else token}
        )
        self.current = address.url
        self.write()
        return in_keyring

    def sign_out(self, address: Address) -> bool:
        """Forget a newsletter and its token; return whether it was known."""
        was_known = self.newsletters.pop(address.url, None) is not None
        if self.current == address.url:
            self.current = next(iter(self.newsletters), None)
        self.write()
        _forget(address)
        return was_known

    def address(self, wanted: str | None = None) -> Address:
        """Return the newsletter that a command means. Raises ``NoAccess`` if there is none."""
        chosen = wanted or NAMED.get() or os.environ.get(URL_VARIABLE) or self.current
        if not chosen:
            raise NoAccess("Log in first: broadsheet login https://YOUR-NEWSLETTER")
        return Address.parse(chosen)

    def token(self, address: Address) -> str:
        """Return the token for a newsletter. Raises ``NoAccess`` if there is none."""
        given = os.environ.get(TOKEN_VARIABLE)
        # It is of the newsletter in the other variable, or of the current one: no other gets it.
        its_address = os.environ.get(URL_VARIABLE) or self.current
        if given and its_address and address.url == Address.parse(its_address).url:
            return given
        if not given and identity.is_there():
            return identity.sign_in(address).token
        known = self.newsletters.get(address.url)
        token = (known and known.token) or (_recall(address) if known else None)
        if not token:
            raise NoAccess(f"Log in first: broadsheet login {address}")
        return token


def _file() -> Path:
    folder = os.environ.get(FOLDER_VARIABLE) or platformdirs.user_config_dir("broadsheet")
    return Path(folder) / "newsletters.json"


# The keyring is imported where it is used: BROADSHEET_TOKEN needs none, and it takes its time.


def _store(address: Address, token: str) -> bool:
    import keyring  # noqa: PLC0415
    from keyring.errors import KeyringError  # noqa: PLC0415

    if keyring.get_keyring().priority <= 0:  # it has nowhere to store anything
        return False
    try:
        keyring.set_password(SERVICE, address.url, token)
    except KeyringError:  # locked, or nobody there to unlock it
        return False
    return True


def _recall(address: Address) -> str | None:
    import keyring  # noqa: PLC0415
    from keyring.errors import KeyringError  # noqa: PLC0415

    try:
        return keyring.get_password(SERVICE, address.url)
    except KeyringError as error:
        raise NoAccess(f"The keyring is closed: {error}") from error


def _forget(address: Address) -> None:
    import keyring  # noqa: PLC0415
    from keyring.errors import KeyringError  # noqa: PLC0415

    try:
        keyring.delete_password(SERVICE, address.url)
    except KeyringError:  # it has no token, or stores none
        return
