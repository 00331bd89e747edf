"""A request of somebody who is signed in, and how a screen is found for it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from broadsheet import settings
from broadsheet.database.connection import connected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import Role
    from broadsheet.domain.authors_secret import Author
    from broadsheet.domain.studio import StudioSession
    from broadsheet.studio.forms import Form
    from broadsheet.web.request import Request
    from broadsheet.web.response import Response


def address(path: str) -> str:
    """Return one of the studio's own paths below the newsletter's address.

    The first screen's has no slash at its end: API Gateway takes such a slash away.
    """
    return "/studio" if path == "/" else f"/studio{path}"


@dataclass(frozen=True)
class Visit:
    """What a screen is made from.

    ``author``: as the authors' secret has them now. ``path``: the parts of the path that the
    route names. ``form``: what was sent, empty for GET.
    """

    request: Request
    session: StudioSession
    author: Author
    path: Mapping[str, str]
    form: Form
    query: Mapping[str, str] = field(default_factory=dict)
    began_at: float = field(default_factory=time.monotonic)

    def link(self, path: str) -> str:
        """Return one of the studio's own paths, such as ``/issues``, as browsers see it."""
        return self.request.link(address(path))

    @property
    def wants_json(self) -> bool:
        """Return whether the studio's script asks, which shows the answer in the page it is in."""
        return "application/json" in self.request.headers.get("accept", "")

    def may(self, role: Role) -> bool:
        """Return whether the author's role allows what ``role`` allows."""
        return self.author.role.includes(role)

    def connected(self) -> AbstractContextManager[Connection]:
        """Return a connection to the database, for one ``with``.

        All of a visit wait for it as long as API Gateway waits for a page: while it is down, there
        is time left to give back what was typed.
        """
        timings = settings.timings()
        left = timings.publish_connect_timeout - (time.monotonic() - self.began_at)
        return connected(max(left, timings.preview_connect_timeout))


class Route(NamedTuple):
    """A screen, and the role that it needs."""

    screen: Callable[[Visit], Response]
    role: Role
