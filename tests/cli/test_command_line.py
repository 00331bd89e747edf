"""The command as a program: its help, its statuses, what a pipe gets, and how it is installed."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from broadsheet_cli.app import app
from local.state import REPOSITORY
from tests.cli.commands import ran, run
from tests.cli.press import Press

COMMANDS = (
    *("login", "logout", "new", "preview", "check", "ask", "test", "publish", "schedule", "edit"),
    *("status", "pause", "resume", "cancel", "retry", "archive", "links", "correct", "issues"),
    *("images", "segments", "subscribers", "trace", "statement", "statistics", "import", "export"),
    *("imports", "webhooks", "studio", "newsroom"),
)


def test_every_command_and_option_is_explained_and_speaks_json() -> None:
    group = get_command(app)

    commands = dict(group.commands)  # type: ignore[attr-defined]
    assert sorted(commands) == sorted(COMMANDS)
    newsroom = commands.pop("newsroom")  # by itself, it does nothing
    assert newsroom.help
    commands |= newsroom.commands
    for name, command in commands.items():
        assert command.help, name
        assert "--json" in [option for each in command.params for option in each.opts], name
        for option in command.params:
            assert option.name == "help" or option.help, (name, option.name)


def test_the_help_says_how_commands_end() -> None:
    shown = " ".join(ran("--help").split())

    assert "Exit status: 0 done; 1 refused" in shown
    assert "130 interrupted." in shown


@pytest.mark.parametrize(
    ("arguments", "status"),
    [((), 2), (("nothing",), 2), (("publish",), 2), (("publish", "--acept", "x"), 2)],
)
def test_wrong_arguments_end_with_2(arguments: tuple[str, ...], status: int) -> None:
    assert run(*arguments).exit_code == status


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_its_commands(shell: str) -> None:
    environment = os.environ | {"_BROADSHEET_COMPLETE": f"source_{shell}"}

    ended = subprocess.run(
        [Path(sys.executable).with_name("broadsheet")],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "_BROADSHEET_COMPLETE" in ended.stdout


def listed(*, at_a_terminal: bool, **environment: str) -> str:
    """Return how issues are listed at a terminal or in a pipe."""
    ours, theirs = pty.openpty() if at_a_terminal else os.pipe()
    subprocess.run(
        [sys.executable, "-m", "broadsheet_cli", "issues"],
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "40"} | environment,
        stdout=theirs,
        check=True,
    )
    try:
        return os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)


def test_colours_are_for_a_terminal_that_wants_them(press: Press, november: Path) -> None:
    ran("publish", "november.md", "--yes")

    assert "\x1b[36m" in listed(at_a_terminal=True)
    assert "\x1b[36m" not in listed(at_a_terminal=True, NO_COLOR="1")
    piped = listed(at_a_terminal=False)
    assert "\x1b" not in piped
    assert re.search(rf"November +scheduled .* {press.only.id} *\n", piped)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, installed by pipx from a wheel, with nothing else around."""
    folder = tmp_path_factory.mktemp("pipx")
    programs = Path(sys.executable).parent
    options = ("--wheel", "--offline", "--quiet")
    subprocess.run(
        [programs / "uv", "build", "--python", sys.executable, *options, "-o", folder, "cli"],
        cwd=REPOSITORY,
        check=True,
    )
    (wheel,) = folder.glob("*.whl")
    pins = (REPOSITORY / "requirements" / "cli.txt").read_text()
    constraints = folder / "constraints.txt"  # without hashes, which the wheel has none of
    constraints.write_text("\n".join(re.findall(r"^[a-z][^ \\\n]*==[^\\\n]*", pins, re.MULTILINE)))
    environment = {
        "HOME": str(folder),
        "PIP_CACHE_DIR": _pip_cache(),
        "PATH": "/usr/bin:/bin",
        "PIPX_HOME": str(folder / "home"),
        "PIPX_BIN_DIR": str(folder / "bin"),
        "PIPX_MAN_DIR": str(folder / "man"),
    }
    kept = ("PIP_", "SSL_", "http", "HTTP", "no_", "NO_")
    environment |= {name: os.environ[name] for name in os.environ if name.startswith(kept)}
    pip_arguments = f"--pip-args=--constraint={constraints} --only-binary=:all:"
    subprocess.run(
        [programs / "pipx", "install", "--python", sys.executable, wheel, pip_arguments],
        env=environment,
        check=True,
    )
    return folder / "bin" / "broadsheet"


def _pip_cache() -> str:
    asked = [sys.executable, "-m", "pip", "cache", "dir"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def test_pipx_installs_it_with_all_it_needs(
    press: Press, november: Path, installed: Path, tmp_path: Path
) -> None:
    november.write_text(november.read_text() + "![A cup](cup.png)\n")
    (november.parent / "cup.png").write_bytes(
        bytes.fromhex(
            "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
            "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
        )
    )
    environment = {name: os.environ[name] for name in os.environ if name.startswith("BROADSHEET_")}

    for arguments in (["--version"], ["publish", "november.md", "--yes"], ["status"]):
        subprocess.run(
            [installed, *arguments], env=environment, check=True, capture_output=True, text=True
        )

    assert press.only.status == "scheduled"
    assert len(press.images) == 1
