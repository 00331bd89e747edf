"""The repository: which files a pull request or a push changed, and what a branch holds now."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from broadsheet_cli.errors import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIXES = frozenset((".md", ".markdown", ".html", ".htm"))
NOTHING = "0" * 40  # what GitHub calls the state before a branch was made


def changed(before: str, after: str, folder: Path) -> list[Path]:
    """Return the issues' files that differ between two commits, by their paths from the top."""
    names = _git("diff", "--name-only", "-z", "--no-renames", before, after, "--", str(folder))
    return [Path(name) for name in names.split("\0") if _is_issue(Path(name))]


def common(one: str, other: str) -> str:
    """Return the commit at which two lines of work parted."""
    return _git("merge-base", one, other).strip()


def fetch_branch(branch: str) -> str:
    """Return the commit that a branch is at now, at GitHub, with all that led to it."""
    _git("fetch", "--quiet", "origin", f"+refs/heads/{branch}")
    return _git("rev-parse", "FETCH_HEAD").strip()


def fetch_commit(commit: str) -> bool:
    """Return whether a commit can be had, also one that a forced push left behind."""
    if commit == NOTHING:
        return False
    has_it = ("cat-file", "-e", f"{commit}^{{commit}}")
    return _succeeds(*has_it) or (_succeeds("fetch", "--quiet", "origin", commit))


def times_added(path: Path, tip: str) -> int:
    """Return how often the branch got this file: again after it was removed. At least 1."""
    if _git("rev-parse", "--is-shallow-repository").strip() == "true":
        raise CommandFailed("The whole history is needed: check out with `fetch-depth: 0`.")
    added = _git(
        *("log", "--first-parent", "-m", "--no-renames", "--diff-filter=A", "--format=%H"),
        *(tip, "--", str(path)),
    )
    return max(1, len(added.split()))


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """Give a folder with what a commit holds; the work tree stays as it is."""
    with tempfile.TemporaryDirectory(prefix="broadsheet-") as parent:
        folder = Path(parent) / "tree"
        _git("worktree", "add", "--quiet", "--detach", str(folder), commit)
        try:
            yield folder
        finally:
            _git("worktree", "remove", "--force", str(folder))


def issues_in(tree: Path, folder: Path) -> list[Path]:
    """Return the issues' files in a tree, by their paths from its top."""
    return sorted(
        path.relative_to(tree)
        for path in (tree / folder).rglob("*")
        if path.is_file() and _is_issue(path.relative_to(tree))
    )


def _is_issue(path: Path) -> bool:
    is_hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not is_hidden and path.stem.lower() != "readme"


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(
            ["git", *arguments],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    except subprocess.CalledProcessError as error:
        raise CommandFailed(f"git {arguments[0]}: {error.stderr.strip()}") from error


def _succeeds(*arguments: str) -> bool:
    try:
        _git(*arguments)
    except CommandFailed:
        return False
    return True
