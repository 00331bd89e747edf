"""Makes the table of what mail clients can do, from caniemail's data.

    make client-support

``git`` brings the data's newest commit, or ``CANIEMAIL=`` names a clone that is there already.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from broadsheet.mail import client_support

SOURCE = "https://github.com/hteumeuleu/caniemail"
CLIENTS = {  # caniemail's family and platform, by the name that an author reads
    "Gmail (web)": ("gmail", "desktop-webmail"),
    "Gmail (iOS)": ("gmail", "ios"),
    "Gmail (Android)": ("gmail", "android"),
    "Gmail (mobile web)": ("gmail", "mobile-webmail"),
    "Outlook (Windows)": ("outlook", "windows"),
    "Outlook (.com)": ("outlook", "outlook-com"),
    "Outlook (Mac)": ("outlook", "macos"),
    "Apple Mail (Mac)": ("apple-mail", "macos"),
    "Apple Mail (iOS)": ("apple-mail", "ios"),
    "Yahoo (web)": ("yahoo", "desktop-webmail"),
    "Yahoo (iOS)": ("yahoo", "ios"),
    "Yahoo (Android)": ("yahoo", "android"),
}
# Beside features of a mail's HTML, caniemail has a template of its own and what isn't HTML.
NO_FEATURES = {"_template", "amp", "bimi"}
UNKNOWN = "u"


def main(clone: str = "") -> int:
    """Write the table. ``clone``: a clone of caniemail's repository."""
    with tempfile.TemporaryDirectory() as folder:
        if not clone:
            clone = folder
            subprocess.run(["git", "clone", "--quiet", "--depth=1", SOURCE, folder], check=True)
        table = _table(clone)
    lines = [
        f"    {json.dumps(name)}: {json.dumps(row)}" for name, row in table["features"].items()
    ]
    features = ",\n".join(lines)
    head = json.dumps({key: table[key] for key in table if key != "features"}, indent=2)
    written = head.removesuffix("\n}") + f',\n  "features": {{\n{features}\n  }}\n}}\n'
    client_support._TABLE.write_text(written, encoding="utf-8")
    print(f"{len(lines)} features of {len(CLIENTS)} clients, as of {table['date']}")
    return 0


def _table(clone: str) -> dict[str, Any]:
    def git(*arguments: str) -> str:
        command = ["git", "-C", clone, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    paths = [Path(line) for line in git("ls-tree", "--name-only", "HEAD", "_features/").split()]
    return {
        "source": SOURCE,
        "commit": git("rev-parse", "HEAD").strip(),
        "date": git("show", "--no-patch", "--format=%cs", "HEAD").strip(),
        "license": git("show", "HEAD:LICENSE").strip().splitlines(),
        "levels": {"y": "supported", "a": "partly or with bugs", "n": "lacking", "u": "unknown"},
        "clients": list(CLIENTS),
        "features": {
            path.stem: row
            for path in sorted(paths)
            if path.stem not in NO_FEATURES and (row := _row(git("show", f"HEAD:{path}")))
        },
    }


def _row(page: str) -> list[str] | None:
    """Return a feature's title, and a letter for each client: what its newest version can do."""
    front_matter = re.match(r"---\n(.*?)\n---", page, re.DOTALL)
    if front_matter is None:
        return None
    described = yaml.safe_load(front_matter[1].replace("\t", "  "))
    letters = ""
    for family, platform in CLIENTS.values():
        versions = described["stats"].get(family, {}).get(platform) or {"": UNKNOWN}
        letters += str(list(versions.values())[-1]).strip()[0]
    return [" ".join(described["title"].split()), letters]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
