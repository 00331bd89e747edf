"""Which requests come from robots, as far as a request says so. docs/readers.md has the rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broadsheet.web.request import Request

# What programs call themselves that follow links for nobody: crawlers, link previews, scanners of
# mails, and HTTP libraries. Cubot makes telephones.
_ROBOT = re.compile(
    r"(?<!cu)bot\b|crawl|spider|slurp|scan|preview|proxy|monitor|validator|headless|phantom"
    r"|externalhit|embed|lighthouse|barracuda|mimecast|proofpoint|trendmicro|symantec|fortinet"
    r"|cloudmark|safelinks|curl|wget|python|aiohttp|httpx|java/|okhttp|httpclient|go-http|libwww"
    r"|ruby|perl|php|node-fetch|axios|undici|winhttp",
    re.IGNORECASE,
)
# A browser that loads a page before anybody asks for it.
_PURPOSES = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_AHEAD = ("prefetch", "preview", "prerender")


def is_robot(request: Request) -> bool:
    """Return whether a request says that no person made it."""
    headers = request.headers
    agent = headers.get("user-agent", "")
    purposes = (headers.get(name, "").lower() for name in _PURPOSES)
    return (
        request.method != "GET"
        or not agent
        or _ROBOT.search(agent) is not None
        or any(word in purpose for purpose in purposes for word in _AHEAD)
        # A person's click navigates; browsers of before 2020 don't say.
        or headers.get("sec-fetch-mode", "navigate") != "navigate"
    )
