"""Computes the contrast of two colours, as WCAG 2.2 defines it."""

_LINEAR_UP_TO = 0.04045  # sRGB is linear below it (IEC 61966-2-1)
READABLE = 4.5  # WCAG 2.2 §1.4.3, of text that is not large


def ratio(one: str, other: str) -> float:
    """Return the contrast of two colours written as ``#rrggbb``, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    """Return a colour's relative luminance, from 0 to 1."""
    red, green, blue = (_linear(int(colour[place : place + 2], 16) / 255) for place in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= _LINEAR_UP_TO else ((channel + 0.055) / 1.055) ** 2.4
