"""A sabotage breaks its rule where the product keeps it."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from broadsheet import settings
from broadsheet.domain.deliveries import Recipient
from broadsheet.domain.issues import IssueId, RenderedIssue
from broadsheet.mail.links import links_to
from broadsheet.mail.ses.results import Accepted, Refusal, Refused, SendResult
from broadsheet.mail.ses.sending import bulk_mail, send_issue
from broadsheet.mail.substitutions import Tokens
from tests.cloud import Cloud
from tests.faults import plans, sabotage

URSULA = "ursula@example.com"


def send_too_late() -> SendResult:
    """Make a call a second after its claim's deadline."""
    rendered = RenderedIssue(subject="Number one", html="<p>Dear reader</p>", text="Dear reader")
    issue = IssueId.new()
    reader = Recipient(uuid4(), 1, 1, URSULA, "Ursula", "en")
    mail = bulk_mail(settings.newsletter(), issue, 1, rendered, links_to("one", issue))
    deadline = datetime.now(UTC) - timedelta(seconds=1)
    (result,) = send_issue(mail, [reader], lambda _: Tokens("leave", "manage"), deadline)
    return result


def test_a_call_leaves_after_its_deadline_only_without_the_check(cloud: Cloud) -> None:
    kept = send_too_late()
    assert kept == Refused(refusal=Refusal.NOT_BEGUN, reason="PAST_DEADLINE")
    assert cloud.mails_to(URSULA) == []

    sabotage.apply(plans.DEADLINE_IGNORED)

    assert isinstance(send_too_late(), Accepted)
    assert len(cloud.mails_to(URSULA)) == 1
