"""A sabotage breaks its rule where the product keeps it."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from broadsheet import settings
from broadsheet.domain.deliveries import Recipient
from broadsheet.domain.issues import IssueId, RenderedIssue
from broadsheet.mail import ses_mailer
from broadsheet.mail.ses_mailer import Accepted, Addressee, Letter, Refusal, Refused, SendResult
from tests.cloud import Cloud
from tests.faults import plans, sabotage

URSULA = "ursula@example.com"


def send_too_late() -> SendResult:
    """Make a call a second after its claim's deadline."""
    rendered = RenderedIssue(subject="Number one", html="<p>Dear reader</p>", text="Dear reader")
    reader = Recipient(uuid4(), 1, 1, URSULA, "Ursula")
    (result,) = ses_mailer.send_issue(
        settings.newsletter(),
        Letter(issue_id=IssueId.new(), rendered=rendered),
        [Addressee(reader, "token")],
        datetime.now(UTC) - timedelta(seconds=1),
    )
    return result


def test_a_call_leaves_after_its_deadline_only_without_the_check(cloud: Cloud) -> None:
    kept = send_too_late()
    assert kept == Refused(refusal=Refusal.NOT_BEGUN, reason="PAST_DEADLINE")
    assert cloud.mails_to(URSULA) == []

    sabotage.apply(plans.DEADLINE_IGNORED)

    assert isinstance(send_too_late(), Accepted)
    assert len(cloud.mails_to(URSULA)) == 1
