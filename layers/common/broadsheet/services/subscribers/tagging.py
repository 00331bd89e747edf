"""Stores the tags that an author gives somebody, and logs them with the author."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.database import consents_table, subscribers_table
from broadsheet.database.consents_table import Recorded
from broadsheet.domain.on_behalf import MAX_EVIDENCE_CHARACTERS
from broadsheet.domain.requests import now

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.subscribers import SubscriberId
    from broadsheet.domain.tags import Tags


def add(
    connection: Connection, subscriber_id: SubscriberId, tags: Tags, author: AuthorName
) -> None:
    """Add tags to those that a locked subscriber has."""
    if tags:
        former = subscribers_table.tags_of(connection, subscriber_id)
        store(connection, subscriber_id, tuple({*former, *tags}), author)


def store(
    connection: Connection, subscriber_id: SubscriberId, tags: Tags, author: AuthorName
) -> None:
    """Store all tags that a locked subscriber has from now on."""
    at, tags = now(), tuple(sorted(tags, key=str))
    subscribers_table.set_tags(connection, subscriber_id, tags, at)
    evidence = ", ".join(map(str, tags))[:MAX_EVIDENCE_CHARACTERS]
    recorded = Recorded("tags_changed", at, author, evidence)
    consents_table.record(connection, subscriber_id, recorded)
