"""Checks a theme before it is built and deployed."""

from broadsheet.mail import theme, theme_check
from operations.errors import OperationFailed

DEFAULT = theme.DEFAULT


class UnusableTheme(OperationFailed):
    """A theme that mails can't be made with, or whose text can't be read."""


def check(name: str) -> None:
    """Render every kind of mail, and measure the contrast of the colours.

    Raises ``UnusableTheme`` with what is wrong.
    """
    try:
        faults = theme_check.unreadable(name)
    except theme.InvalidTheme as error:
        raise UnusableTheme(f"Theme: {error}. See docs/themes.md.") from error
    if faults:
        raise UnusableTheme(
            f"Readers couldn't read mails of the theme {name!r} (WCAG 2.2 §1.4.3):\n  "
            + "\n  ".join(faults)
        )
