"""The account: whether it may send, how much, and whether SES's events arrive."""

from collections.abc import Iterator
from math import ceil

from broadsheet.domain.rates import ISSUES_SHARE
from operations.doctor.findings import Finding, Verdict
from operations.doctor.stack_under_test import StackUnderTest

SECONDS_A_DAY = 24 * 60 * 60
PUBLISHED = {
    "SEND",
    "DELIVERY",
    "DELIVERY_DELAY",
    "BOUNCE",
    "COMPLAINT",
    "REJECT",
    "RENDERING_FAILURE",
}
BOTH = {"BOUNCE", "COMPLAINT"}
LEAST_FOR_THE_EDGE = 4  # a page, its authorizer, publish and dispatch at the same moment


def sandbox(target: StackUnderTest) -> Iterator[Finding]:
    """Check for the sandbox, where SES sends to verified addresses only, 200 a day."""
    if target.account["ProductionAccessEnabled"]:
        yield Finding(
            check="sandbox", verdict=Verdict.GOOD, says="The account has production access."
        )
        return
    size = target.list_size or "some thousand"
    yield Finding(
        check="sandbox",
        verdict=Verdict.BAD,
        says=f"The account is in SES's sandbox in {target.region}: it sends to verified addresses "
        "only, 200 mails a day.",
        fix=(
            "Ask for production access; correct in this text what isn't true of your newsletter.",
            "People at AWS answer within about a day.",
            "  aws sesv2 put-account-details --production-access-enabled --mail-type MARKETING \\",
            f"    --website-url {target.links} --contact-language EN --use-case-description \\",
            f"    'We send a newsletter from {target.sender} to {size} subscribers. Each of them",
            f"    signed up at {target.links} and confirmed by a link in a mail (double opt-in).",
            "    Every issue has an unsubscribe link and one-click unsubscribe (RFC 8058), applied",
            "    within seconds. Bounces and complaints come back over SNS and stop all mail to",
            "    that address at once; an issue with over 5 % bounces or 0.1 % complaints stops",
            "    itself. We buy, rent and share no addresses.'",
        ),
    )


def review(target: StackUnderTest) -> Iterator[Finding]:
    """Check for a review, which SES begins at many bounces or complaints, and for a pause."""
    status = target.account["EnforcementStatus"]
    if not target.account["SendingEnabled"]:
        yield Finding(
            check="review",
            verdict=Verdict.BAD,
            says=f"Sending is paused for the whole account in {target.region} ({status}).",
            fix=(
                "If you paused it yourself, resume it:",
                "  aws sesv2 put-account-sending-attributes --sending-enabled",
                "If SES paused it, answer its case in the AWS Support Center.",
            ),
        )
    elif status != "HEALTHY":
        yield Finding(
            check="review",
            verdict=Verdict.BAD,
            says=f"SES reviews the account: {status}.",
            fix=("Find the cause in the SES console, Account dashboard, and answer its case.",),
        )
    else:
        yield Finding(
            check="review", verdict=Verdict.GOOD, says="SES reports the account as healthy."
        )


def quota(target: StackUnderTest) -> Iterator[Finding]:
    """Compute how long an issue takes, by the account's rate and its quota for 24 hours."""
    limits = target.account["SendQuota"]
    share = float(target.stack.parameters.get("SendRateShare") or 1)
    rate = limits["MaxSendRate"] * share * ISSUES_SHARE
    per_day = limits["Max24HourSend"]
    has_limit = per_day >= 0  # SES says "none" with -1
    says = f"{limits['MaxSendRate']:g} mails a second, of which {rate:.3g} are an issue's; " + (
        f"{per_day:,.0f} in 24 hours." if has_limit else "no limit for 24 hours."
    )
    size = target.list_size
    if size is None:
        hint = "LIST=10000 shows how long an issue to so many takes."
        yield Finding(check="quota", verdict=Verdict.GOOD, says=f"{says} {hint}")
        return
    seconds = size / rate
    if has_limit and size > per_day:
        taken = f"takes {ceil(size / per_day)} days"
        verdict, fix = Verdict.BAD, _higher_quota(target.region, size)
    else:
        taken = f"takes {_duration(seconds)}"
        verdict, fix = Verdict.GOOD, ()
        if seconds > SECONDS_A_DAY:
            verdict = Verdict.BAD
            fix = ("Ask for a higher sending rate, or raise this stack's SendRateShare.",)
    yield Finding(
        check="quota", verdict=verdict, says=f"{says} An issue to {size:,} {taken}.", fix=fix
    )


def _higher_quota(region: str, size: int) -> tuple[str, ...]:
    return (
        (
            f"Ask for a sending quota above {size:,} a day and a rate of "
            f"{max(1, ceil(size / 3600))} a second (an hour an issue):"
        ),
        f"  https://{region}.console.aws.amazon.com/servicequotas/home/services/ses/quotas",
    )


def suppression(target: StackUnderTest) -> Iterator[Finding]:
    """Check that issues honour SES's own list of addresses that bounced or complained."""
    account = set(target.account.get("SuppressionAttributes", {}).get("SuppressedReasons", []))
    issues = target.ses.get_configuration_set(
        ConfigurationSetName=target.stack.output("IssueConfigurationSetName")
    )
    of_set = issues.get("SuppressionOptions", {}).get("SuppressedReasons")
    honoured = account if of_set is None else set(of_set)
    if honoured >= BOTH:
        yield Finding(
            check="suppression",
            verdict=Verdict.GOOD,
            says="SES sends no issue to addresses that bounced or complained.",
        )
        return
    missing = " and ".join(sorted(reason.lower() for reason in BOTH - honoured))
    yield Finding(
        check="suppression",
        verdict=Verdict.BAD,
        says=f"SES sends issues also to addresses with an earlier {missing}.",
        fix=(
            "  aws sesv2 put-account-suppression-attributes --suppressed-reasons BOUNCE COMPLAINT",
        ),
    )


def events(target: StackUnderTest) -> Iterator[Finding]:
    """Check that SES's events arrive: without them no bounce counts, and no crash is settled."""
    topic = target.stack.output("SesEventsTopicArn")
    for output in ("IssueConfigurationSetName", "ConfirmationConfigurationSetName"):
        name = target.stack.output(output)
        destinations = target.ses.get_configuration_set_event_destinations(
            ConfigurationSetName=name
        )["EventDestinations"]
        published = {
            kind
            for each in destinations
            if each.get("Enabled") and each.get("SnsDestination", {}).get("TopicArn") == topic
            for kind in each["MatchingEventTypes"]
        }
        if PUBLISHED - published:
            yield _deploy_again(
                f"{name} does not publish {', '.join(sorted(PUBLISHED - published))} to the "
                "stack's topic."
            )
            return
    queue = target.stack.output("FeedbackQueueUrl")
    arn = target.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    subscribed = [
        each["SubscriptionArn"]
        for page in target.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        for each in page["Subscriptions"]
        if each["Protocol"] == "sqs" and each["Endpoint"] == arn["Attributes"]["QueueArn"]
    ]
    if not subscribed:
        yield _deploy_again("The stack's queue for SES's events is not subscribed to their topic.")
        return
    raw = target.sns.get_subscription_attributes(SubscriptionArn=subscribed[0])["Attributes"]
    if raw.get("RawMessageDelivery", "").lower() != "true":
        yield _deploy_again("SES's events arrive wrapped by SNS, which the stack can't read.")
        return
    yield Finding(check="events", verdict=Verdict.GOOD, says="SES's events reach this stack.")


def concurrency(target: StackUnderTest) -> Iterator[Finding]:
    """Check that the queues' functions leave room for the pages."""
    limit = target.functions.get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    by_queues = sum(
        target.functions.get_event_source_mapping(UUID=source.physical_id)
        .get("ScalingConfig", {})
        .get("MaximumConcurrency", limit)
        for source in target.resources_of("AWS::Lambda::EventSourceMapping")
    )
    left = limit - by_queues
    says = f"{limit} functions may run at once; the queues use up to {by_queues} of them."
    if left < LEAST_FOR_THE_EDGE:
        yield Finding(
            check="concurrency",
            verdict=Verdict.BAD,
            says=f"{says} Too few are left for the pages.",
            fix=(
                "Ask for more (it costs nothing), or lower the queues' concurrency:",
                "  aws service-quotas request-service-quota-increase --service-code lambda \\",
                "    --quota-code L-B99A9384 --desired-value 1000",
            ),
        )
    else:
        yield Finding(
            check="concurrency", verdict=Verdict.GOOD, says=f"{says} {left} are left for the pages."
        )


def _deploy_again(says: str) -> Finding:
    return Finding(
        check="events",
        verdict=Verdict.BAD,
        says=says,
        fix=("Somebody changed what the stack made: look at its drift, and deploy it again.",),
    )


def _duration(seconds: float) -> str:
    for unit, length in (("days", SECONDS_A_DAY), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"about {ceil(seconds / length)} {unit}"
    return f"about {max(1, ceil(seconds))} s"
