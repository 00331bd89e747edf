"""What a command line may say of numbers: parsed where it comes in, with a clear answer if not."""

from argparse import ArgumentTypeError
from math import isfinite


def count(text: str) -> int:
    """Parse how many there are of something: 0 or more. Raises ``ArgumentTypeError``."""
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise ArgumentTypeError(f"{text!r} is no whole number of 0 or more")
    return number


def price(text: str) -> float:
    """Parse dollars: 0 or more. Raises ``ArgumentTypeError``."""
    number = _finite(text)
    if number is None or number < 0:
        raise ArgumentTypeError(f"{text!r} is no number of 0 or more")
    return number


def rate(text: str) -> float:
    """Parse how often a second: more than 0. Raises ``ArgumentTypeError``."""
    number = _finite(text)
    if number is None or number <= 0:
        raise ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None
