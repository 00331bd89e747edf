"""How a domain type refuses a value: by a code of ours, whose sentence ``web`` makes."""

from typing import LiteralString

from pydantic_core import PydanticCustomError


def refusal(code: LiteralString, **parameters: object) -> PydanticCustomError:
    """Return why a value is refused; ``parameters``: what the code's sentence needs."""
    return PydanticCustomError(code, code, parameters)
