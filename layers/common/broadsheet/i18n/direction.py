"""Which languages are read from right to left."""

from typing import Literal

_RIGHT_TO_LEFT = frozenset(("ar", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"))
_RIGHT_TO_LEFT_SCRIPTS = frozenset(("adlm", "arab", "hebr", "nkoo", "rohg", "syrc", "thaa"))


def direction(tag: str) -> Literal["ltr", "rtl"]:
    """Return the direction in which a language, as BCP 47 writes it, is read."""
    primary, *subtags = tag.lower().split("-")
    if scripts := [each for each in subtags if len(each) == 4]:  # noqa: PLR2004 - BCP 47 §2.2.3
        return "rtl" if scripts[0] in _RIGHT_TO_LEFT_SCRIPTS else "ltr"
    return "rtl" if primary in _RIGHT_TO_LEFT else "ltr"
