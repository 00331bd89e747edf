"""The script that puts the bare form into somebody else's page, as a frame.

It loads nothing but the frame, and sets no style attribute and evaluates nothing: the page's own
Content-Security-Policy needs ``script-src`` and ``frame-src`` with the newsletter's address.
"""

import json
from functools import cache
from pathlib import Path

_SCRIPT = Path(__file__).with_name("embed.js")


@cache
def script(newsletter_name: str) -> str:
    """Return the script; the frame's accessible name is the newsletter's."""
    return _SCRIPT.read_text(encoding="utf-8").replace("TITLE", json.dumps(newsletter_name), 1)
