"""Addresses at domains whose mailboxes are thrown away, if the operator wants none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet import settings

if TYPE_CHECKING:
    from broadsheet.domain.subscribers import EmailAddress


def is_refused(email: EmailAddress) -> bool:
    """Return whether sign-ups with this address are refused: also with a domain below a listed one.

    The list is the package's ``disposable_email_domains``, which a new release brings up to date.
    """
    if not settings.refuses_disposable_domains():
        return False
    # 5,000 domains: only who wants them pays for loading them.
    from disposable_email_domains import blocklist  # noqa: PLC0415

    labels = email.domain.split(".")
    return any(".".join(labels[level:]) in blocklist for level in range(len(labels) - 1))
