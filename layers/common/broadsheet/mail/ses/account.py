"""The SES account: its limits, and its suppression list."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict, Field

from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.mail.ses.client import asking_client
from broadsheet.mail.ses.results import result_of, would_be_refused_again
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.domain.subscribers import EmailAddress, MailAddress


_SENDER_KNOWN = 600  # seconds; DNS changes as slowly


class SendQuota(BaseModel):
    """The account's limits. ``max_per_second`` and ``max_per_day`` count recipients."""

    model_config = ConfigDict(frozen=True)

    max_per_second: float = Field(ge=0)
    max_per_day: float | None
    sent_last_day: float

    @property
    def is_spent(self) -> bool:
        """Return whether SES accepts nothing now: its rate is 0, or the day's quota is sent."""
        return self.max_per_second == 0 or (
            self.max_per_day is not None and self.sent_last_day >= self.max_per_day
        )


def send_quota() -> SendQuota:
    """Return the account's limits as they are now. SES answers about one such call a second.

    Raises ``DependencyUnavailable``.
    """
    try:
        quota = asking_client().get_account()["SendQuota"]
    except (ClientError, BotoCoreError) as error:
        raise DependencyUnavailable("SES did not report its quota") from error
    unlimited = quota["Max24HourSend"] < 0
    return SendQuota(
        max_per_second=quota["MaxSendRate"],
        max_per_day=None if unlimited else quota["Max24HourSend"],
        sent_last_day=quota["SentLast24Hours"],
    )


def lacks_of_sender(sender: MailAddress) -> str:
    """Return what SES lacks to send as the sender with a signature; empty if nothing.

    SES uses the most exact identity that it has. Its answer counts for up to ten minutes. When
    SES does not answer, the result is empty, too.
    """
    try:
        return _ask_about(str(sender), int(time.monotonic() / _SENDER_KNOWN))
    except (ClientError, BotoCoreError) as error:
        logger.warning("SES did not describe the sender", reason=result_of(error).reason)
        return ""


@lru_cache(maxsize=1)
def _ask_about(sender: str, _period: int) -> str:
    labels = sender.rpartition("@")[2].lower().split(".")
    parents = [".".join(labels[level:]) for level in range(len(labels) - 1)]
    client = asking_client()
    for name in (*parents, sender):
        try:
            identity = client.get_email_identity(EmailIdentity=name)
        except client.exceptions.NotFoundException:
            continue
        if not identity.get("VerifiedForSendingStatus"):
            return f"SES has not verified {name}"
        dkim = identity.get("DkimAttributes", {})
        is_signed = dkim.get("SigningEnabled") and dkim.get("Status") == "SUCCESS"
        return "" if is_signed else f"DKIM does not sign as {name}"
    return "SES has no identity of the sender"


def lift_bounce_suppression(email: EmailAddress) -> None:
    """Take an address off the account's suppression list, if a bounce put it there.

    A complaint's entry stays. A permanent refusal by SES is logged and ends it, since a stranger
    chooses the address. Raises ``DependencyUnavailable`` for any other.
    """
    _lift_suppression(email, ("BOUNCE",))


def lift_suppression(email: EmailAddress) -> None:
    """Take an address off the account's suppression list, whatever put it there; as above."""
    _lift_suppression(email, ("BOUNCE", "COMPLAINT"))


def _lift_suppression(email: EmailAddress, reasons: Sequence[str]) -> None:
    client = asking_client()
    try:
        entry = client.get_suppressed_destination(EmailAddress=str(email))
        if entry["SuppressedDestination"]["Reason"] in reasons:
            client.delete_suppressed_destination(EmailAddress=str(email))
    except client.exceptions.NotFoundException:
        return
    except (ClientError, BotoCoreError) as error:
        if not would_be_refused_again(error):
            raise DependencyUnavailable("SES's suppression list did not answer") from error
        logger.warning("SES refused to lift a suppression", reason=result_of(error).reason)
