"""A moment as it comes from outside: RFC 3339 with its zone, and nothing else."""

import re
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator

# §5.6; pydantic alone takes numbers, and text that is one, for seconds since 1970.
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _rfc_3339(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC_3339.fullmatch(value)):
        return value
    raise ValueError("give a time with its zone, as in 2026-12-01T08:00:00Z")


Timestamp = Annotated[AwareDatetime, BeforeValidator(_rfc_3339)]
