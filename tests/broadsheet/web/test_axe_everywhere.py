"""Every page in every language passes all that axe knows, by day and by night.

``test_accessibility.py`` does the same in less time: contrast in one language only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from tests.broadsheet.web.test_accessibility import (
    LEVELS,
    every_page,
    in_each_language,
    narrow,
    show,
)
from tests.browser import violations

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from broadsheet.i18n import Language

__all__ = ["narrow"]  # a fixture


@every_page
@in_each_language
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_passes_axe_in_each_language_by_day_and_by_night(
    narrow: Page, name: str, language: Language, scheme: Literal["light", "dark"]
) -> None:
    show(narrow, name, language)
    narrow.emulate_media(color_scheme=scheme)
    assert violations(narrow, runOnly=LEVELS) == {}
