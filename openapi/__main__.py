"""Writes the document, the copy that is served, and the page: ``python -m openapi``."""

import json
from pathlib import Path

from openapi.document import document
from openapi.page import page

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "openapi.json"
SERVED = ROOT / "functions" / "archive" / "openapi.json"
PAGE = ROOT / "docs" / "api.md"


def files() -> dict[Path, str]:
    """Return what each file should hold."""
    made = document()
    text = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    served = json.dumps(made, ensure_ascii=False, separators=(",", ":")) + "\n"
    return {DOCUMENT: text, SERVED: served, PAGE: page(made)}


if __name__ == "__main__":
    for file, content in files().items():
        file.write_text(content, encoding="utf-8")
