"""A repository at GitHub that is a newsroom, and what a runner does there, on this machine.

GitHub is a bare repository, an issuer of tokens, and the event that it would describe. The Action's
steps run as they are written, but for the index of packages: see ``Repository.install``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped]

from local.state import REPOSITORY
from tests.cli.commands import Ended, run
from tests.issuer import PULL_REQUEST, PUSH, Issuer

if TYPE_CHECKING:
    import pytest

ISSUE = "---\ntitle: {title}\nslug: {slug}\n---\n\nDear [[name]],\n\n{text}\n"
NO_INDEX = Path(__file__).with_name("no_index.py")
_GIVEN = re.compile(r"\$\{\{ ([\w.-]+) \}\}")


def git(*arguments: str, folder: Path | None = None) -> str:
    return subprocess.run(
        ["git", *arguments],  # noqa: S607
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


@dataclass
class Repository:
    """A clone, and what GitHub says of the runs in it."""

    folder: Path
    issuer: Issuer
    reviewer: str
    monkeypatch: pytest.MonkeyPatch = field(repr=False)

    def git(self, *arguments: str) -> str:
        return git(*arguments, folder=self.folder)

    def write(self, slug: str = "november", text: str = "it is November.", **front: str) -> Path:
        path = self.folder / "issues" / f"{slug}.md"
        path.parent.mkdir(exist_ok=True)
        written = ISSUE.format(title=slug.title(), slug=slug, text=text)
        lines = "".join(f"{name}: {value}\n" for name, value in front.items())
        path.write_text(written.replace("\n---\n", f"\n{lines}---\n", 1))
        return path.relative_to(self.folder)

    def commit(self, message: str = "Write") -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def propose(self) -> str:
        """Begin a branch for a pull request; return where main is."""
        self.git(
            "switch", "--quiet", "--create", f"pull-{self.git('rev-parse', '--short', 'HEAD')}"
        )
        return self.git("rev-parse", "main")

    def review(self, *options: str, is_fork: bool = False, by_action: bool = False) -> Ended:
        """Run the review of the branch's pull request, on GitHub's own merge of it."""
        base = self.git("rev-parse", "main")
        branch = self.git("rev-parse", "--abbrev-ref", "HEAD")
        self.git("switch", "--quiet", "--detach", "main")
        self.git("merge", "--quiet", "--no-ff", "--no-edit", branch)
        self._set_run("pull_request", PULL_REQUEST, {"pull_request": {"base": {"sha": base}}})
        if is_fork:
            self.monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_URL")
        ended = (
            self._act("Review the pull request")
            if by_action
            else run("newsroom", "review", *options)
        )
        self.git("switch", "--quiet", branch)
        return ended

    def merge(self, *how: str) -> tuple[str, str]:
        """Merge the pull request's branch, and push; return main before and after."""
        branch = self.git("rev-parse", "--abbrev-ref", "HEAD")
        self.git("switch", "--quiet", "main")
        before = self.git("rev-parse", "HEAD")
        self.git("merge", "--quiet", "--no-edit", *(how or ("--no-ff",)), branch)
        if "--squash" in how:
            self.git("commit", "--quiet", "--message", "Squash")
        return before, self.push()

    def push(self, *how: str) -> str:
        self.git("push", "--quiet", *how, "origin", "main")
        return self.git("rev-parse", "HEAD")

    def revert(self) -> tuple[str, str]:
        before = self.git("rev-parse", "HEAD")
        parents = self.git("rev-list", "--parents", "--max-count=1", "HEAD").split()
        mainline = ("--mainline", "1") if len(parents) > 2 else ()
        self.git("revert", "--no-edit", *mainline, "HEAD")
        return before, self.push()

    def publish(self, pushed: tuple[str, str], *, by_action: bool = False) -> Ended:
        """Run the job of a push, in the checkout that GitHub makes for it."""
        before, after = pushed
        self._set_run("push", PUSH, {"before": before, "after": after})
        if by_action:
            return self._act("Publish what was merged, cancel what was reverted")
        return run("newsroom", "publish")

    def install(self) -> Ended:
        """Run the step that installs the command line, with no index of packages.

        Of it, ``python -m venv`` and ``pip`` are stand-ins: they make an environment with what this
        machine has, if that is what the Action's list of packages pins.
        """
        program = self.runner / "bin" / "python"
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {NO_INDEX} "$@"\n')
        program.chmod(0o755)
        (self.runner / "environment").touch()
        return self._act("Install the command line")

    def _act(self, name: str) -> Ended:
        """Run a step of the Action as a runner does."""
        action = yaml.safe_load((REPOSITORY / "newsroom" / "action.yml").read_text())
        (step,) = [each for each in action["runs"]["steps"] if each.get("name") == name]
        given = {
            **{key: each.get("default", "") for key, each in action["inputs"].items()},
            "newsletter": os.environ["BROADSHEET_URL"],
            "reviewers": self.reviewer,
        }
        given = {f"inputs.{key}": value for key, value in given.items()}
        given["github.action_path"] = str(REPOSITORY / "newsroom")
        environment = {
            variable: _GIVEN.sub(lambda found: given[found[1]], value)
            for variable, value in step["env"].items()
        }
        kept = self.runner / "environment"  # what earlier steps leave to later ones
        ended = subprocess.run(
            ["/bin/bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder,
            env={
                **os.environ,
                **dict(line.split("=", 1) for line in kept.read_text().splitlines()),
                **environment,
                "PATH": f"{self.runner / 'bin'}:{os.environ['PATH']}",
                "RUNNER_TEMP": str(self.runner),
                "GITHUB_ENV": str(kept),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    @property
    def runner(self) -> Path:
        return self.folder.parent / "runner"

    def _set_run(self, name: str, claims: dict[str, str], event: dict[str, Any]) -> None:
        self.issuer.run = claims
        file = self.folder.parent / "event.json"
        file.write_text(json.dumps(event))
        for variable, value in {
            "GITHUB_EVENT_NAME": name,
            "GITHUB_EVENT_PATH": str(file),
            "GITHUB_REF_NAME": "main" if name == "push" else "7/merge",
            "GITHUB_WORKSPACE": str(self.folder),
            "GITHUB_STEP_SUMMARY": str(self.folder.parent / "summary.md"),
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.issuer.url}/token?api-version=2",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "runner",
        }.items():
            self.monkeypatch.setenv(variable, value)

    @property
    def summary(self) -> str:
        return (self.folder.parent / "summary.md").read_text()


def cloned(
    folder: Path, issuer: Issuer, reviewer: str, monkeypatch: pytest.MonkeyPatch
) -> Repository:
    """Return a clone of a bare repository whose branch main has a file that is no issue."""
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Jo")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "jo@example.com")
    origin, clone = folder / "origin.git", folder / "clone"
    git("init", "--quiet", "--bare", "--initial-branch", "main", str(origin))
    git("clone", "--quiet", str(origin), str(clone))
    made = Repository(clone, issuer, reviewer, monkeypatch)
    made.git("switch", "--quiet", "--create", "main")
    (clone / "README.md").write_text("Letters\n")
    made.commit("Begin")
    made.push()
    monkeypatch.chdir(clone)
    return made
