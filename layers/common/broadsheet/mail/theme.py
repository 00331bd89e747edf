"""Reads a theme: a folder with the looks of the newsletter's mails.

``theme.toml`` has its colours, fonts and logo. Its templates replace the default theme's of the
same path; its stylesheets follow the default's, whose rules they override.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from broadsheet.mail import contrast

DEFAULT = "default"
THEMES = Path(__file__).parent / "themes"
SETTINGS = "theme.toml"
DARK = "frame/dark.css"  # the stylesheet whose colours are those of the dark scheme
MAX_LOGO_WIDTH = 600  # the column's

type Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$", to_lower=True)]
type FontFamily = Annotated[str, StringConstraints(pattern=r"^[^;:{}<>\\]+$")]
type Scheme = Literal["light", "dark"]


class InvalidTheme(ValueError):
    """A theme that no mail can be made with, and why."""


class _Table(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=lambda name: name.replace("_", "-")
    )


class Fonts(_Table):
    """The families of fonts, each with those that stand in for it."""

    text: FontFamily
    headings: FontFamily
    code: FontFamily


class Colours(_Table):
    """The colours of one scheme, light or dark."""

    background: Colour
    text: Colour
    muted: Colour
    link: Colour
    line: Colour
    code_background: Colour
    button_background: Colour
    button_text: Colour
    masthead_background: Colour
    masthead_text: Colour


class Logo(_Table):
    """The picture that stands for the newsletter's name; its size is in CSS pixels."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s\"'<>]+$")]
    width: Annotated[int, Field(ge=1, le=MAX_LOGO_WIDTH)]
    height: Annotated[int, Field(ge=1)]


class Theme(_Table):
    """What ``theme.toml`` says."""

    fonts: Fonts
    light: Colours
    dark: Colours
    logo: Logo | None = None


# What is read on what.
_READ_ON = (
    ("text", "background"),
    ("muted", "background"),
    ("link", "background"),
    ("text", "code-background"),
    ("link", "code-background"),
    ("button-text", "button-background"),
    ("masthead-text", "masthead-background"),
)


def names() -> list[str]:
    """Return the names of all themes."""
    return sorted(folder.name for folder in THEMES.iterdir() if folder.is_dir())


@cache
def load(name: str) -> Theme:
    """Read a theme's settings; what it doesn't set is as in the default theme.

    Raises ``InvalidTheme`` for a name without a folder, and for settings that can't be understood.
    """
    if name not in names():
        raise InvalidTheme(f"there is no theme {name!r}: the themes are {', '.join(names())}")
    settings = _settings(DEFAULT)
    for table, values in _settings(name).items():
        below = settings.get(table)
        if isinstance(below, dict) and isinstance(values, dict):
            below.update(values)
        else:
            settings[table] = values
    try:
        return Theme.model_validate(settings)
    except ValidationError as error:
        sentences = [
            f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}"
            for detail in error.errors(include_url=False, include_input=False)
        ]
        raise InvalidTheme(f"{SETTINGS} of the theme {name!r}: {'; '.join(sentences)}") from None


@cache
def stylesheet(name: str, path: str) -> str:
    """Return a stylesheet of the default theme with that of the theme after it.

    Each ``var(--…)`` becomes the theme's value: most mail programs don't know custom properties.
    Raises ``InvalidTheme`` for a name that is no colour or font of a theme.
    """
    values = _values(load(name), "dark" if path == DARK else "light")

    def value(found: re.Match[str]) -> str:
        try:
            return values[found[1]]
        except KeyError:
            raise InvalidTheme(f"{path} of the theme {name!r}: {found[0]} is not set") from None

    return "".join(
        re.sub(r"var\(--([a-z-]+)\)", value, file.read_text(encoding="utf-8"))
        for file in dict.fromkeys((THEMES / DEFAULT / path, THEMES / name / path))
        if file.exists()
    )


def unreadable(theme: Theme) -> Iterator[str]:
    """Yield a sentence for each pair of the theme's colours with too little contrast."""
    schemes: tuple[Scheme, ...] = ("light", "dark")
    for scheme in schemes:
        values = _values(theme, scheme)
        for text, background in _READ_ON:
            found = contrast.ratio(values[text], values[background])
            if found < contrast.READABLE:
                yield (
                    f"{scheme}: {text} {values[text]} on {background} {values[background]} has a"
                    f" contrast of {found:.2f}:1, and needs {contrast.READABLE}:1"
                )


def _settings(name: str) -> dict[str, object]:
    try:
        return tomllib.loads((THEMES / name / SETTINGS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:  # not TOML, or not UTF-8
        raise InvalidTheme(f"{SETTINGS} of the theme {name!r}: {error}") from None


def _values(theme: Theme, scheme: Scheme) -> Mapping[str, str]:
    """Return what stands for each ``var(--…)``."""
    colours: Colours = getattr(theme, scheme)
    fonts = {f"{name}-font": family for name, family in theme.fonts}
    return colours.model_dump(by_alias=True) | fonts
