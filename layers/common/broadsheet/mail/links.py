"""Where the links of a mail lead, on this stack."""

from broadsheet import settings
from broadsheet.domain.issues import IssueId
from broadsheet.mail.substitutions import Links


def links_to(slug: str | None, issue_id: IssueId) -> Links:
    """Return a mail's links. ``slug``: of its page in the archive, if it has one."""
    return Links(
        unsubscribe=settings.unsubscribe_link(""),
        manage=settings.manage_link(""),
        archive=settings.archive_link(slug) if slug else "",
        counted=settings.counted_link(issue_id, ""),
    )
