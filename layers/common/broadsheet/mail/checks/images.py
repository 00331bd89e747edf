"""Checks images: their descriptions, their size, and whether they are all there is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broadsheet.domain.findings import Findings
    from broadsheet.mail.checks.outline import Outline

WIDEST = 1200  # pixels: twice the width of a mail, for dense screens
LARGEST_DATA = 100_000  # bytes within the mail itself, which Gmail clips at 102,000
LEAST_TEXT = 50  # characters without spaces; mail that is only images looks like spam to filters
_DEFAULT = re.compile(
    r"""
    \S+\.(?:jpe?g|png|gif|webp|svg|heic|bmp|tiff?|avif)                      # a file's name
  | (?:img|dsc[nf]?|pxl|p|mvimg|vid|wp)[_-]?\d{3,}[\w-]*                     # a camera's
  | (?:image|img|photo|picture|pic|figure|screen[ ]?shot|untitled|bild|foto|bildschirmfoto)
    [\s_-]*(?:\d[\d\s.,_:-]*)?(?:(?:at|um)[\s\d.:]+(?:[ap]m)?)?              # a program's
  | (?:alt|alt[ ]?text|description|image[ ]description|placeholder|logo[ ]placeholder)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_PIXELS = re.compile(r"\s*(\d{1,6})(?:px)?\s*", re.IGNORECASE)


def check(outline: Outline, findings: Findings) -> None:
    """Report images without a real description, large ones, and mails of images alone."""
    for image in outline.images:
        if image.description is None:
            findings.add("missing-alt", image.where, address=_shown(image.address))
        elif _DEFAULT.fullmatch(image.description.strip()):
            findings.add("alt-looks-default", image.where, text=image.description)
        width = _PIXELS.fullmatch(image.width)
        if width and int(width[1]) > WIDEST:
            findings.add("large-image", image.where, variant="width", width=int(width[1]))
        elif image.address.lower().startswith("data:") and len(image.address) > LARGEST_DATA:
            findings.add("large-image", image.where, bytes=len(image.address))
    text = sum(len("".join(passage.text.split())) for passage in outline.passages)
    if outline.images and text < LEAST_TEXT:
        findings.add("image-only", outline.images[0].where, characters=text)


def _shown(address: str) -> str:
    return "data:…" if address.lower().startswith("data:") else address
