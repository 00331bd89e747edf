"""Why an issue is paused, as it is stored: the sentence that the API, the logs and webhooks have.

``find`` reads a stored one again, so that ``web/sentences.py`` can say it in another language.
"""

from __future__ import annotations

import re
from typing import Any

BY_AUTHOR = "the author paused it"
SEGMENT_GONE = "there is no segment {segment} any more"
BREAKER = "of {accepted} mails, {bounced} bounced and {complained} were complained of"
BAD_SAMPLE = (
    "of the first {sample:,} mails, {bounced:,} bounced and {complained:,} were complained of; "
    "the other {held:,} were not sent"
)
SILENT_SAMPLE = "SES has reported nothing about the first {sample:,} mails"
# As ``database/everything.py`` writes them.
EXPORTED_SCHEDULED = "it was scheduled when it was exported"
EXPORTED_SENDING = "it was being sent when it was exported"

KNOWN = {
    "by-author": BY_AUTHOR,
    "segment-gone": SEGMENT_GONE,
    "breaker": BREAKER,
    "bad-sample": BAD_SAMPLE,
    "silent-sample": SILENT_SAMPLE,
    "exported-scheduled": EXPORTED_SCHEDULED,
    "exported-sending": EXPORTED_SENDING,
}
_VALUE = re.compile(r"\\\{(\w+)(?::,)?\\\}")


def find(stored: str) -> tuple[str, dict[str, Any]]:
    """Return the code and the parameters of a stored reason; any other is SES's refusal."""
    for code, template in KNOWN.items():
        pattern = _VALUE.sub(r"(?P<\1>[^ ;]+)", re.escape(template))
        if found := re.fullmatch(pattern, stored):
            return code, {name: _value(name, text) for name, text in found.groupdict().items()}
    return "refused", {"reason": stored}


def _value(name: str, text: str) -> int | str:
    return text if name == "segment" else int(text.replace(",", ""))
