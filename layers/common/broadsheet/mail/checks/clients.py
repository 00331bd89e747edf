"""Checks what an issue uses that some mail clients lack, where its readers would miss something.

caniemail's table has much that fades gracefully, such as round corners; what is named here changes
the layout, or leaves a hole where there was text, a picture or a form.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from broadsheet.domain.findings import Findings
from broadsheet.mail import client_support
from broadsheet.mail.html_source import Source

if TYPE_CHECKING:
    from broadsheet.mail.checks.outline import Outline

_MISSED = frozenset(
    (
        *("css-at-import", "css-background-image", "css-clip-path", "css-column-count"),
        "css-display-flex",
        *("css-display-grid", "css-function-clamp", "css-function-light-dark", "css-function-max"),
        *("css-function-min", "css-left-right-top-bottom", "css-modern-color", "css-nesting"),
        *("css-position", "css-pseudo-element-after", "css-pseudo-element-before"),
        *("css-transform", "css-unit-calc", "css-variables", "css-writing-mode"),
        *("html-audio", "html-button-submit", "html-dialog", "html-form", "html-image-maps"),
        *("html-input-submit", "html-input-text", "html-object", "html-select", "html-svg"),
        *("html-textarea", "html-video"),
        *("image-avif", "image-base64", "image-heif", "image-mp4", "image-svg", "image-tiff"),
        *("image-webp", "image-hdr"),
    )
)


def check(outline: Outline, findings: Findings) -> None:
    """Report what some clients lack, once for each feature, with their names."""
    if outline.source:
        _report(outline.source, "", findings)
        return
    for image in outline.images:  # all that Markdown can have
        written = Source(f'<img src="{escape(image.address)}">', Findings())
        _report(written, image.where, findings)


def _report(source: Source, where: str, findings: Findings) -> None:
    for gap in client_support.gaps(source):
        if gap.feature in _MISSED:
            findings.add(
                "unsupported-css",
                where or gap.where,
                feature=gap.title,
                clients=", ".join(gap.clients),
            )
