"""Posts as files of other newsletters hold them, for the archive."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class PostsFormat(StrEnum):
    """A format of files with posts."""

    SUBSTACK = "substack-posts"
    GHOST = "ghost-posts"
    BUTTONDOWN = "buttondown-posts"
    BEEHIIV = "beehiiv-posts"


class Post(NamedTuple):
    """A post that everybody could read. Its text is a stranger's: nothing in it is safe.

    ``id``: what the peer calls it, for good. ``text``: HTML, or Markdown if ``is_markdown``.
    ``path``: where it was on the old site, as in ``/p/november``. ``image``: the address or the
    name of a picture beside the text.
    """

    id: str
    title: str
    subtitle: str
    slug: str
    published_at: datetime
    text: str
    path: str
    image: str = ""
    is_markdown: bool = False
