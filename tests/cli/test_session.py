"""Who is logged in, and where the token is."""

import stat
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

from tests.cli.commands import documented, failed, ran, run
from tests.cli.press import TOKEN, Press


class Keys(KeyringBackend):
    """A keyring in memory."""

    priority = 1

    def __init__(self) -> None:
        self.keys: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.keys.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.keys[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if not self.keys.pop((service, username), None):
            raise PasswordDeleteError


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Keys:
    keys = Keys()
    monkeypatch.setattr(keyring, "get_keyring", lambda: keys)
    for name in ("get_password", "set_password", "delete_password"):
        monkeypatch.setattr(keyring, name, getattr(keys, name))
    return keys


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_token_goes_into_the_keyring(
    press: Press, nobody: Path, keys: Keys, tmp_path: Path
) -> None:
    said = ran("login", press.url, given=f"{TOKEN}\n")

    assert "the token is in the system's keyring" in said
    assert keys.keys == {("broadsheet", press.url): TOKEN}
    assert all(TOKEN not in path.read_text() for path in files(tmp_path))
    assert documented("issues") == []


def test_without_a_keyring_it_is_in_a_file_that_only_its_owner_can_read(
    press: Press, nobody: Path, tmp_path: Path
) -> None:
    said = ran("login", press.url, given=f"{TOKEN}\n")

    assert "a file that only you can read" in said
    (file,) = files(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert documented("issues") == []


def test_address_and_token_can_be_typed(press: Press, nobody: Path) -> None:
    result = run("login", press.url, given=f"{TOKEN}\n")

    assert result.exit_code == 0
    assert TOKEN not in result.stdout + result.stderr


def test_a_token_that_isn_t_valid_is_not_stored(
    press: Press, nobody: Path, keys: Keys, tmp_path: Path
) -> None:
    status, said = failed("login", press.url, given="bs_wrong\n")

    assert status == 4
    assert "the token isn't valid" in said
    assert keys.keys == {}
    assert files(tmp_path) == []


def test_logging_out_forgets_the_token(press: Press, nobody: Path, keys: Keys) -> None:
    ran("login", press.url, given=f"{TOKEN}\n")

    ran("logout")

    assert keys.keys == {}
    status, said = failed("issues")
    assert status == 4
    assert "Log in first: broadsheet login https://YOUR-NEWSLETTER" in said


def test_commands_use_the_newsletter_of_the_last_login_unless_another_is_named(
    press: Press, nobody: Path
) -> None:
    ran("login", press.url, given=f"{TOKEN}\n")
    other = press.url.replace("localhost", "127.0.0.1")
    ran("login", other, given=f"{TOKEN}\n")

    assert documented("logout")["newsletter"] == other
    assert documented("issues") == []
    status, said = failed("--newsletter", other, "issues")
    assert (status, said) == (4, f"Log in first: broadsheet login {other}\n")


def test_variables_log_a_script_in_and_write_nothing(
    press: Press, author: Path, tmp_path: Path
) -> None:
    assert documented("issues") == []

    assert files(tmp_path) == []


def test_a_variables_token_is_not_sent_to_another_newsletter(press: Press, author: Path) -> None:
    other = press.url.replace("localhost", "127.0.0.1")

    status, _ = failed("--newsletter", other, "issues")

    assert status == 4
    assert press.requests == []


def test_a_variables_token_goes_to_the_current_newsletter_only(
    press: Press, nobody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_TOKEN", TOKEN)
    status, _ = failed("--newsletter", press.url, "issues")
    assert (status, press.requests) == (4, [])

    ran("login", press.url)

    assert documented("issues") == []
    asked = len(press.requests)
    other = press.url.replace("localhost", "127.0.0.1")
    assert failed("--newsletter", other, "issues")[0] == 4
    assert len(press.requests) == asked


def test_a_token_is_no_argument_that_others_could_see(press: Press, nobody: Path) -> None:
    status, _ = failed("login", press.url, "--token", TOKEN)

    assert (status, press.requests) == (2, [])


def test_what_is_no_newsletter_is_said(press: Press, nobody: Path) -> None:
    status, said = failed("login", f"{press.url}/blog", given=f"{TOKEN}\n")

    assert status == 3
    assert f"{press.url}/blog is no Broadsheet newsletter." in said


def test_a_damaged_file_of_logins_is_said(press: Press, nobody: Path, tmp_path: Path) -> None:
    ran("login", press.url, given=f"{TOKEN}\n")
    (file,) = files(tmp_path)
    file.write_text("[]")

    status, said = failed("issues")

    assert status == 1
    assert "delete it, and log in again" in said
