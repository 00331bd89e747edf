"""What a stack still needs before it can send is found, and said with its fix.

SES is our server of it, DNS a name server on this machine, the rest of AWS moto. Each test begins
with a stack and an account where all is well, and takes one thing away.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws

import ses_server
from operations import console, options
from operations.doctor import account_checks, dns
from operations.doctor import command as doctor
from operations.doctor.dns import Dns
from operations.doctor.findings import Finding, Verdict
from operations.doctor.stack_under_test import StackUnderTest
from operations.stack import DeployedStack, Resource
from ses_server import Server
from ses_server.account import dkim_tokens
from tests.operations import name_server
from tests.operations.command_line import run
from tests.operations.name_server import Zone

REGION = "eu-central-1"
DOMAIN = "page.press"
SENDER = f"news@{DOMAIN}"
QUEUES = ("Requests", "Delivery", "Feedback", "Dispatch")
JO = {"name": "Jo", "token_sha256": "0f", "created_at": "2026-11-22T12:00:00Z"}
EVENTS = sorted(account_checks.PUBLISHED)


def made(logical_id: str, kind: str, physical_id: str = "") -> Resource:
    return Resource(logical_id, physical_id, kind, "CREATE_COMPLETE")


def deploy() -> tuple[DeployedStack, list[Resource]]:
    """Make what the doctor looks at; CloudFormation's word for it is given to the target."""
    sqs, sns, cloudwatch = boto3.client("sqs"), boto3.client("sns"), boto3.client("cloudwatch")
    secret = boto3.client("secretsmanager").create_secret(
        Name="authors", SecretString=json.dumps({"authors": [JO]})
    )
    operator = sns.create_topic(Name="news-operator")["TopicArn"]
    sns.subscribe(TopicArn=operator, Protocol="email", Endpoint="operator@example.com")
    cloudwatch.put_metric_alarm(
        AlarmName="news-dead-letters",
        AlarmActions=[operator],
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        MetricName="ApproximateNumberOfMessagesVisible",
        Namespace="AWS/SQS",
        Period=60,
        Statistic="Maximum",
        Threshold=0,
    )
    cloudwatch.set_alarm_state(AlarmName="news-dead-letters", StateValue="OK", StateReason="a test")
    stack = DeployedStack(
        name="news",
        status="CREATE_COMPLETE",
        parameters={
            "SenderAddress": SENDER,
            "SendRateShare": "1",
            "PostalAddress": "Pier 3, 20457 Hamburg",
        },
        outputs={
            **{
                f"{name}DeadLetterQueueUrl": sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
                for name in QUEUES
            },
            "DispatchFunctionName": "news-dispatch",
            "FeedbackQueueUrl": sqs.create_queue(QueueName="feedback")["QueueUrl"],
            "SesEventsTopicArn": sns.create_topic(Name="news-ses-events")["TopicArn"],
            "AuthorsSecretArn": secret["ARN"],
            "SignUpUrl": f"https://news.{DOMAIN}/",
            "IssueConfigurationSetName": "news-issues",
            "ConfirmationConfigurationSetName": "news-confirmations",
        },
    )
    return stack, [
        made("SchemaMigration", "Custom::SchemaMigration"),
        made("DeadLettersAlarm", "AWS::CloudWatch::Alarm", "news-dead-letters"),
    ]


NOBODY: dict[str, Any] = {"asked": 0, "confirmed": 0, "by_way": {}}


@dataclass(frozen=True)
class Practice:
    """A stack where all is well, and what a test can take away from it."""

    target: StackUnderTest
    ses: Server
    zone: Zone
    dispatch: dict[str, Any] = field(default_factory=dict)  # how a call of it is answered

    def dispatch_reports(self, **problems: Any) -> None:  # noqa: ANN401 - JSON
        """Let dispatch report this of the issues, and nothing else."""
        report = {
            "paused": [],
            "unresolved_mails": 0,
            "duplicate_mails": 0,
            "completion": {"days_30": NOBODY, "always": NOBODY},
        }
        report |= problems
        self.dispatch["Payload"] = BytesIO(json.dumps(report).encode())

    def findings(self, check: str) -> list[Finding]:
        return doctor.made(check, self.target)

    def finding(self, check: str) -> Finding:
        """Make one check."""
        (found,) = self.findings(check)
        assert found.check == check
        return found

    def bad(self, check: str) -> str:
        """Make one check, which finds what is in the way; give all it says."""
        found = self.finding(check)
        assert found.verdict is Verdict.BAD
        return "\n".join([found.says, *found.fix])

    def of(self, stack: DeployedStack, list_size: int = 10_000) -> "Practice":
        """Look at another stack, or with another list."""
        target = replace(self.target, stack=stack, list_size=list_size)
        for kept in ("cloudformation", "functions", "resources"):
            target.__dict__[kept] = self.target.__dict__[kept]
        return replace(self, target=target)

    def with_parameters(self, **parameters: str) -> "Practice":
        stack = self.target.stack
        return self.of(stack.model_copy(update={"parameters": stack.parameters | parameters}))

    def with_links(self, url: str) -> "Practice":
        stack = self.target.stack
        return self.of(stack.model_copy(update={"outputs": stack.outputs | {"SignUpUrl": url}}))


def answer(client: Any, operation: str, reply: dict[str, Any]) -> None:  # noqa: ANN401
    """Let a client be answered this, where moto has no state to answer from."""
    client.meta.events.register(
        f"before-call.*.{operation}", lambda **_: (SimpleNamespace(status_code=200), reply)
    )


@pytest.fixture
def practice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Practice]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setattr(dns, "PATIENCE_SECONDS", 1.0)
    with (
        mock_aws(config={"core": {"reset_boto3_session": False}}),  # its models take time to read
        ses_server.running(tmp_path, verified=[DOMAIN]) as ses,
        name_server.running() as zone,
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", ses.url)
        stack, resources = deploy()
        target = StackUnderTest(stack, Dns("127.0.0.1", zone.port), list_size=10_000)
        target.__dict__["resources"] = resources
        topic = target.stack.output("SesEventsTopicArn")
        queue_arn = target.sqs.get_queue_attributes(
            QueueUrl=target.stack.output("FeedbackQueueUrl"), AttributeNames=["QueueArn"]
        )["Attributes"]["QueueArn"]
        target.sns.subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=queue_arn,
            Attributes={"RawMessageDelivery": "true"},
        )
        client = target.ses
        client.put_email_identity_feedback_attributes(
            EmailIdentity=DOMAIN, EmailForwardingEnabled=False
        )
        client.put_email_identity_mail_from_attributes(
            EmailIdentity=DOMAIN, MailFromDomain=f"bounces.{DOMAIN}"
        )
        for name in ("news-issues", "news-confirmations"):
            client.create_configuration_set(ConfigurationSetName=name)
            tell(client, name, topic, EVENTS)
        for token in dkim_tokens(DOMAIN):
            zone.put(f"{token}._domainkey.{DOMAIN}", "CNAME", f"{token}.dkim.amazonses.com.")
        zone.put(f"bounces.{DOMAIN}", "MX", f"10 feedback-smtp.{REGION}.amazonses.com.")
        zone.put(f"bounces.{DOMAIN}", "TXT", '"v=spf1 include:amazonses.com -all"')
        zone.put(f"_dmarc.{DOMAIN}", "TXT", '"v=DMARC1; p=quarantine"')
        migrated = {"SchemaMigration": {"Properties": {"SchemaVersion": 2}}}
        answer(target.cloudformation, "GetTemplate", {"TemplateBody": {"Resources": migrated}})
        answer(
            target.functions,
            "GetAccountSettings",
            {"AccountLimit": {"ConcurrentExecutions": 10}},
        )
        practice = Practice(target, ses, zone)
        practice.dispatch_reports()
        answer(target.functions, "Invoke", practice.dispatch)
        yield practice


def tell(client: Any, configuration_set: str, topic: str, types: list[str]) -> None:  # noqa: ANN401
    client.create_configuration_set_event_destination(
        ConfigurationSetName=configuration_set,
        EventDestinationName="events",
        EventDestination={
            "Enabled": True,
            "MatchingEventTypes": types,
            "SnsDestination": {"TopicArn": topic},
        },
    )


def test_a_healthy_stack_passes_every_check(
    practice: Practice, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = doctor.examine(practice.target)

    assert {finding.verdict for finding in findings} == {Verdict.GOOD}
    assert [finding.check for finding in findings] == list(doctor.CHECKS)
    doctor.show(findings)
    assert "This stack is ready to send." in capsys.readouterr().out


def test_a_program_reads_the_findings(
    practice: Practice, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = (
        practice.finding("sandbox"),
        Finding(check="quota", verdict=Verdict.UNKNOWN, says="It can't be known."),
    )

    assert doctor.document([good])["ready"] is True
    found = doctor.document([good, bad])
    assert found["ready"] is False
    assert [finding["verdict"] for finding in found["findings"]] == ["good", "unknown"]
    doctor.show([good, bad])
    assert "One thing is left to do before this stack can send." in capsys.readouterr().out


@pytest.mark.parametrize("verified", [True, False])
def test_the_exit_status_says_whether_a_stack_is_ready(
    practice: Practice, monkeypatch: pytest.MonkeyPatch, *, verified: bool
) -> None:
    monkeypatch.setattr(options, "chosen", lambda *_: practice.target.stack)
    monkeypatch.setattr(doctor, "StackUnderTest", lambda *_: practice.target)
    if not verified:
        practice.ses.control.change_identity(DOMAIN, verification="PENDING")

    result = run("doctor", "--stack", "news", "--json")

    assert json.loads(result.stdout)["ready"] is verified
    assert result.exit_code == (0 if verified else 1)


def test_a_fix_can_be_copied_from_a_narrow_terminal(
    practice: Practice, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "PIPED_WIDTH", 60)
    practice.zone.put(f"_dmarc.{DOMAIN}", "TXT")

    doctor.show([found := practice.finding("dmarc")])

    printed = capsys.readouterr().out
    assert printed.startswith("to do   dmarc        ")
    assert all(len(line) <= 60 for line in printed.split(found.fix[0])[0].splitlines())
    assert all(line in printed for line in found.fix)


def test_a_check_that_may_not_look_says_so_and_the_others_go_on(practice: Practice) -> None:
    practice.ses.control.refuse_calls(
        "AccessDeniedException", operations=frozenset({"GetEmailIdentity"}), status=403
    )

    verdicts = {finding.check: finding for finding in doctor.examine(practice.target)}

    assert verdicts["identity"].verdict is Verdict.UNKNOWN
    assert "may not call GetEmailIdentity" in verdicts["identity"].says
    assert verdicts["identity"].is_in_the_way
    assert verdicts["sandbox"].verdict is Verdict.GOOD


def test_a_name_server_that_does_not_answer_says_nothing_about_the_records(
    practice: Practice,
) -> None:
    practice.zone.refuses = True

    found = practice.finding("dmarc")

    assert found.verdict is Verdict.UNKNOWN
    assert "no name server answered" in found.says


# The sender


def test_a_sender_that_ses_does_not_know_is_to_be_made_an_identity(practice: Practice) -> None:
    practice.target.ses.delete_email_identity(EmailIdentity=DOMAIN)

    assert f"create-email-identity --email-identity {DOMAIN}" in practice.bad("identity")
    practice.bad("dkim")


def test_a_domain_that_is_not_verified_waits_for_its_records(practice: Practice) -> None:
    practice.ses.control.change_identity(DOMAIN, verification="PENDING")

    assert "not verified yet; SES says: pending" in practice.bad("identity")


def test_an_address_alone_is_not_enough(practice: Practice) -> None:
    practice.target.ses.delete_email_identity(EmailIdentity=DOMAIN)
    practice.target.ses.create_email_identity(EmailIdentity=SENDER)

    assert "Only the address" in practice.bad("identity")
    practice.bad("dkim")


def test_a_domain_above_the_senders_is_enough(practice: Practice) -> None:
    below = practice.with_parameters(SenderAddress=f"news@mail.{DOMAIN}")

    assert below.finding("identity").verdict is Verdict.GOOD


def test_the_missing_dkim_records_are_to_be_pasted(practice: Practice) -> None:
    first, second, third = dkim_tokens(DOMAIN)
    practice.zone.put(f"{second}._domainkey.{DOMAIN}", "CNAME", "elsewhere.example.com.")
    del practice.zone.records[f"{third}._domainkey.{DOMAIN}", "CNAME"]

    says = practice.bad("dkim")

    assert "2 of 3 DKIM records" in says
    assert f"  {third}._domainkey.{DOMAIN}.  CNAME  {third}.dkim.amazonses.com." in says
    assert first not in says


@pytest.mark.parametrize("status", ["PENDING", "FAILED"])
def test_records_that_ses_has_not_seen_do_not_sign_yet(practice: Practice, status: str) -> None:
    practice.ses.control.change_identity(DOMAIN, dkim=status)

    assert f"SES has not seen the DKIM records; it says: {status}" in practice.bad("dkim")


def test_bounces_to_sess_own_domain_are_advised_against(practice: Practice) -> None:
    practice.target.ses.put_email_identity_mail_from_attributes(
        EmailIdentity=DOMAIN, MailFromDomain=""
    )

    found = practice.finding("spf")

    assert found.verdict is Verdict.ADVICE
    assert f"  bounces.{DOMAIN}.  MX   10 feedback-smtp.{REGION}.amazonses.com." in found.fix


@pytest.mark.parametrize(
    ("kind", "values", "says"),
    [
        ("MX", ["10 mail.page.press."], "as its only mail server"),
        ("TXT", ['"v=spf1 -all"'], "one SPF record, which includes amazonses.com"),
        ("TXT", ['"v=spf1 include:amazonses.com -all"'] * 2, "SPF record"),
        ("TXT", [], "SPF record"),
    ],
)
def test_a_mail_from_domain_needs_its_two_records(
    practice: Practice, kind: str, values: list[str], says: str
) -> None:
    if len(values) == 2:  # a set has no value twice
        values[1] = '"v=spf1 include:amazonses.com ~all"'
    practice.zone.put(f"bounces.{DOMAIN}", kind, *values)

    told = practice.bad("spf")

    assert says in told
    assert f'  bounces.{DOMAIN}.  TXT  "v=spf1 include:amazonses.com -all"' in told


def test_a_mail_from_domain_that_ses_has_not_seen_is_not_used(practice: Practice) -> None:
    practice.ses.control.change_identity(DOMAIN, mail_from="FAILED")

    assert "it says: FAILED" in practice.bad("spf")


def test_a_missing_dmarc_record_is_to_be_pasted(practice: Practice) -> None:
    practice.zone.put(f"_dmarc.{DOMAIN}", "TXT")

    assert f'  _dmarc.{DOMAIN}.  TXT  "v=DMARC1; p=none;' in practice.bad("dmarc")


@pytest.mark.parametrize("record", ['"v=DMARC1"', '"v=DMARC1; p=maybe"', '"v=DMARC1; sp=none"'])
def test_a_dmarc_record_without_a_policy_counts_for_nothing(
    practice: Practice, record: str
) -> None:
    practice.zone.put(f"_dmarc.{DOMAIN}", "TXT", record)

    assert "without a valid policy" in practice.bad("dmarc")


def test_two_dmarc_records_count_as_none(practice: Practice) -> None:
    practice.zone.put(f"_dmarc.{DOMAIN}", "TXT", '"v=DMARC1; p=none"', '"v=DMARC1; p=reject"')

    assert "2 DMARC records" in practice.bad("dmarc")


def test_the_policy_of_a_domain_above_covers_the_sender(practice: Practice) -> None:
    found = practice.with_parameters(SenderAddress=f"news@mail.{DOMAIN}").finding("dmarc")

    assert found.verdict is Verdict.GOOD
    assert found.says == f"_dmarc.{DOMAIN} has the policy quarantine."


def test_links_without_tls_break_one_click(practice: Practice) -> None:
    assert "one-click needs https" in practice.with_links(f"http://news.{DOMAIN}/").bad("links")


def test_links_that_lead_past_a_cdn_are_advised_against(practice: Practice) -> None:
    outputs = practice.target.stack.outputs | {
        "CdnUrl": "https://d1a2b3.cloudfront.net",
        "SignUpUrl": "https://a1b2.execute-api.eu-central-1.amazonaws.com/prod/",
    }
    found = practice.of(practice.target.stack.model_copy(update={"outputs": outputs}))

    said = found.finding("links")

    assert said.verdict is Verdict.ADVICE
    assert "past the CDN" in said.says
    assert "PublicUrl=https://d1a2b3.cloudfront.net" in said.fix[0]


@pytest.mark.parametrize(
    "url", ["https://a1.execute-api.eu-central-1.amazonaws.com/prod", f"https://evil{DOMAIN}"]
)
def test_links_to_another_domain_are_advised_against(practice: Practice, url: str) -> None:
    found = practice.with_links(url).finding("links")

    assert found.verdict is Verdict.ADVICE
    assert f"not in {DOMAIN}" in found.says


def test_a_missing_postal_address_is_advised_against(practice: Practice) -> None:
    found = practice.with_parameters(PostalAddress="").finding("address")

    assert found.verdict is Verdict.ADVICE
    assert "Deploy with PostalAddress" in found.fix[0]


def test_a_domain_for_examples_is_not_looked_for_in_dns(practice: Practice) -> None:
    practice.target.ses.create_email_identity(EmailIdentity="page.example")
    local = practice.with_parameters(SenderAddress="news@page.example")

    for check in ("dkim", "spf", "dmarc"):
        assert local.finding(check).verdict is Verdict.SKIPPED, check
    assert practice.with_links("http://localhost:1/").finding("links").verdict is Verdict.SKIPPED


def test_feedback_that_is_also_mailed_to_the_sender_is_advised_against(practice: Practice) -> None:
    practice.target.ses.put_email_identity_feedback_attributes(
        EmailIdentity=DOMAIN, EmailForwardingEnabled=True
    )

    found = practice.finding("forwarding")

    assert found.verdict is Verdict.ADVICE
    assert found.fix[-1] == (
        "  aws sesv2 put-email-identity-feedback-attributes --no-email-forwarding-enabled"
        f" --email-identity {DOMAIN}"
    )


# The account


def test_the_sandbox_is_left_by_a_request_whose_text_is_given(practice: Practice) -> None:
    practice.ses.control.change_account(production_access=False)

    says = practice.bad("sandbox")

    assert "put-account-details --production-access-enabled" in says
    assert "10000 subscribers" in says
    assert f"https://news.{DOMAIN}/" in says


def test_a_review_by_ses_is_reported(practice: Practice) -> None:
    practice.ses.control.change_account(enforcement_status="PROBATION")

    assert "SES reviews the account: PROBATION" in practice.bad("review")


def test_a_paused_account_is_reported_with_the_way_out(practice: Practice) -> None:
    practice.ses.control.pause_sending()

    assert "put-account-sending-attributes --sending-enabled" in practice.bad("review")


def test_a_list_larger_than_a_days_quota_takes_days(practice: Practice) -> None:
    practice.ses.control.change_account(max_24_hour_send=4000)

    assert "An issue to 10,000 takes 3 days" in practice.bad("quota")


def test_a_rate_too_low_for_a_day_is_reported(practice: Practice) -> None:
    practice.ses.control.change_account(max_24_hour_send=-1, max_send_rate=1)

    larger = practice.of(practice.target.stack, list_size=200_000)
    assert "takes about 3 days" in larger.bad("quota")


def test_the_time_of_an_issue_counts_the_stacks_share_of_the_rate(practice: Practice) -> None:
    practice.ses.control.change_account(max_send_rate=14)
    assert "takes about 13 minutes" in practice.finding("quota").says

    halved = practice.with_parameters(SendRateShare="0.5")

    assert "takes about 25 minutes" in halved.finding("quota").says


@pytest.mark.parametrize("kept", [["COMPLAINT"], []])
def test_a_suppression_list_that_is_not_honoured_is_reported(
    practice: Practice, kept: list[Any]
) -> None:
    practice.target.ses.put_account_suppression_attributes(SuppressedReasons=kept)

    assert "--suppressed-reasons BOUNCE COMPLAINT" in practice.bad("suppression")


def test_the_issues_own_setting_goes_before_the_accounts(practice: Practice) -> None:
    practice.target.ses.put_configuration_set_suppression_options(
        ConfigurationSetName="news-issues", SuppressedReasons=["COMPLAINT"]
    )

    assert "earlier bounce" in practice.bad("suppression")


def test_events_that_are_not_published_are_named(practice: Practice) -> None:
    ses, topic = practice.target.ses, practice.target.stack.output("SesEventsTopicArn")
    ses.delete_configuration_set_event_destination(
        ConfigurationSetName="news-issues", EventDestinationName="events"
    )
    assert "does not publish BOUNCE, COMPLAINT" in practice.bad("events")

    tell(ses, "news-issues", topic, [kind for kind in EVENTS if kind != "SEND"])
    assert "does not publish SEND to" in practice.bad("events")


def test_events_to_another_topic_are_not_this_stacks(practice: Practice) -> None:
    ses = practice.target.ses
    ses.delete_configuration_set_event_destination(
        ConfigurationSetName="news-confirmations", EventDestinationName="events"
    )
    tell(ses, "news-confirmations", "arn:aws:sns:eu-central-1:1:another", EVENTS)

    assert "news-confirmations does not publish" in practice.bad("events")


def test_a_queue_that_is_not_subscribed_hears_no_events(practice: Practice) -> None:
    sns, topic = practice.target.sns, practice.target.stack.output("SesEventsTopicArn")
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]

    sns.set_subscription_attributes(
        SubscriptionArn=subscription["SubscriptionArn"],
        AttributeName="RawMessageDelivery",
        AttributeValue="false",
    )
    assert "wrapped by SNS" in practice.bad("events")

    sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    assert "is not subscribed" in practice.bad("events")


def test_queues_that_leave_no_room_for_the_pages_are_reported(practice: Practice) -> None:
    source = made("Source", "AWS::Lambda::EventSourceMapping", str(uuid4()))
    practice.target.resources.extend([source] * 3)
    answer(
        practice.target.functions,
        "GetEventSourceMapping",
        {"ScalingConfig": {"MaximumConcurrency": 2}},
    )
    assert "4 are left for the pages." in practice.finding("concurrency").says

    practice.target.resources.append(source)

    assert "use up to 8 of them. Too few are left" in practice.bad("concurrency")


# The stack


def test_a_queue_that_was_stopped_is_started_again_by_its_id(practice: Practice) -> None:
    source = made("DeliverFromDeliveryQueue", "AWS::Lambda::EventSourceMapping", str(uuid4()))
    practice.target.resources.append(source)
    answer(practice.target.functions, "GetEventSourceMapping", {"State": "Disabled"})

    says = practice.bad("queues")

    assert "Stopped: DeliverFromDeliveryQueue" in says
    assert f"--enabled --uuid {source.physical_id}" in says


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("UPDATE_COMPLETE", Verdict.GOOD),
        ("UPDATE_ROLLBACK_COMPLETE", Verdict.ADVICE),
        ("UPDATE_ROLLBACK_FAILED", Verdict.BAD),
        ("ROLLBACK_COMPLETE", Verdict.BAD),
        ("CREATE_IN_PROGRESS", Verdict.BAD),
    ],
)
def test_a_deployment_that_failed_is_reported(
    practice: Practice, status: str, verdict: Verdict
) -> None:
    stack = practice.target.stack.model_copy(update={"status": status})

    assert practice.of(stack).finding("stack").verdict is verdict


def test_a_schema_that_was_never_migrated_is_reported(practice: Practice) -> None:
    practice.target.resources.clear()

    assert "never migrated" in practice.bad("database")


@pytest.mark.parametrize(
    ("cluster", "verdict", "says"),
    [
        ({"Status": "available", "DeletionProtection": True}, Verdict.GOOD, "7 days of backups"),
        (
            {"Status": "available", "DeletionProtection": False},
            Verdict.ADVICE,
            "not protected from deletion",
        ),
        ({"Status": "stopped", "DeletionProtection": True}, Verdict.BAD, "is stopped"),
    ],
)
def test_a_cluster_is_judged_by_what_rds_says_of_it(
    practice: Practice, cluster: dict[str, Any], verdict: Verdict, says: str
) -> None:
    practice.target.resources.append(made("Cluster", "AWS::RDS::DBCluster", "news-db"))
    answer(
        practice.target.rds,
        "DescribeDBClusters",
        {"DBClusters": [{"BackupRetentionPeriod": 7} | cluster]},
    )

    found = practice.finding("database")

    assert (found.verdict, says in found.says) == (verdict, True)


def test_an_issue_that_stopped_itself_is_reported_with_the_way_to_resume(
    practice: Practice,
) -> None:
    because = "of 400 mails, 40 bounced and 0 were complained of"
    practice.dispatch_reports(paused=[{"issue_id": "1234", "because": because}])

    says = practice.bad("issues")

    assert f"The issue 1234 stopped itself: {because}." in says
    assert "POST /issues/1234/resume" in says


def test_mails_that_are_unresolved_for_too_long_are_reported(practice: Practice) -> None:
    practice.dispatch_reports(unresolved_mails=1200)

    says = practice.bad("issues")

    assert "1,200 mails" in says
    assert "make dead-letters STACK=news" in says


def test_mails_that_went_out_twice_are_reported_as_advice(practice: Practice) -> None:
    practice.dispatch_reports(duplicate_mails=3)

    found = practice.finding("issues")

    assert (found.verdict, "3 mails a second time" in found.says) == (Verdict.ADVICE, True)


def test_owed_pages_are_reported_as_advice_with_what_writes_them(practice: Practice) -> None:
    practice.dispatch_reports(owed_pages=12)

    found = practice.finding("issues")

    assert (found.verdict, "12 issues wait" in found.says) == (Verdict.ADVICE, True)
    assert "aws lambda invoke" in "".join(found.fix)


def test_a_disabled_webhook_is_reported_as_advice_with_what_enables_it(practice: Practice) -> None:
    practice.dispatch_reports(disabled_webhooks={"0a1b": "it answers 410"})

    found = practice.finding("issues")

    assert (found.verdict, "0a1b is disabled: it answers 410." in found.says) == (
        Verdict.ADVICE,
        True,
    )
    assert "broadsheet webhooks enable 0a1b" in "".join(found.fix)


@pytest.mark.parametrize(
    ("since", "kept", "says"),
    [
        ("2026-11-22T12:00:00Z", {}, "since 2026-11-22T12:00:00Z, sign-ups need proof"),
        (None, {"unproven": 1200, "domain": 3}, "1,203 suspicious sign-ups"),
    ],
)
def test_strict_mode_and_kept_sign_ups_are_reported_as_advice(
    practice: Practice, since: str | None, kept: dict[str, int], says: str
) -> None:
    practice.dispatch_reports(strict_since=since, suspicious_sign_ups=kept)

    found = practice.finding("issues")

    assert found.verdict is Verdict.ADVICE
    assert says in found.says
    assert "make sign-ups STACK=news" in "".join(found.fix)


def test_how_many_readers_confirm_is_shown_by_way(practice: Practice) -> None:
    always = {
        "asked": 1200,
        "confirmed": 1000,
        "by_way": {"code": 600, "same-browser": 250, "button": 149, "api": 1},
    }
    practice.dispatch_reports(completion={"days_30": NOBODY, "always": always})

    found = practice.finding("confirming")

    assert found.verdict is Verdict.GOOD
    assert found.says == (
        "In the last 30 days, nobody was asked to confirm. "
        "Since the beginning, 1,000 of 1,200 readers confirmed (83%): 600 by code, "
        "250 in the browser that signed up, 149 by the button, 1 by a program."
    )


def test_of_a_stack_that_does_not_count_who_confirms_nothing_is_said(practice: Practice) -> None:
    practice.dispatch_reports(completion=None)

    assert practice.finding("confirming").verdict is Verdict.SKIPPED


@pytest.mark.parametrize("reply", [{"FunctionError": "Unhandled"}, {}])
def test_a_database_that_does_not_answer_leaves_the_issues_unknown(
    practice: Practice, reply: dict[str, Any]
) -> None:
    practice.dispatch.update({"Payload": BytesIO(b"null")} | reply)

    found = practice.finding("issues")

    assert found.verdict is Verdict.UNKNOWN
    assert "/aws/lambda/news-dispatch" in found.fix[0]


def test_a_stack_without_alarms_is_reported(practice: Practice) -> None:
    practice.target.resources.clear()

    assert "no alarms" in practice.bad("alarms")


def test_an_alarm_that_tells_nobody_is_named(practice: Practice) -> None:
    practice.target.cloudwatch.disable_alarm_actions(AlarmNames=["news-dead-letters"])

    told = practice.bad("alarms")

    assert "turned these alarms off: news-dead-letters" in told
    assert "aws cloudwatch enable-alarm-actions --alarm-names news-dead-letters" in told


def test_alarms_that_nobody_hears_are_reported(practice: Practice) -> None:
    sns = practice.target.sns
    for subscription in sns.list_subscriptions()["Subscriptions"]:
        if subscription["Protocol"] == "email":
            sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])

    assert "Nobody gets the alarms" in practice.bad("alarms")
    on_one_machine = practice.with_links("http://localhost:1/")
    assert on_one_machine.finding("alarms").verdict is Verdict.SKIPPED


def test_an_address_that_has_not_agreed_hears_no_alarms(practice: Practice) -> None:
    answer(
        practice.target.sns,
        "ListSubscriptionsByTopic",
        {"Subscriptions": [{"SubscriptionArn": "PendingConfirmation"}]},
    )

    assert "isn't confirmed" in practice.bad("alarms")


def test_an_alarm_that_rings_is_named(practice: Practice) -> None:
    practice.target.cloudwatch.set_alarm_state(
        AlarmName="news-dead-letters", StateValue="ALARM", StateReason="a test"
    )

    assert "ring now: news-dead-letters" in practice.bad("alarms")


@pytest.mark.parametrize("name", QUEUES)
def test_what_was_put_aside_is_counted(practice: Practice, name: str) -> None:
    practice.target.sqs.send_message(
        QueueUrl=practice.target.stack.output(f"{name}DeadLetterQueueUrl"), MessageBody="{}"
    )

    says = practice.bad("dead letters")

    assert f"1 of {name.lower()}" in says
    assert "make dead-letters STACK=news" in says


def test_a_stack_without_authors_says_how_to_add_one(practice: Practice) -> None:
    practice.target.secrets.put_secret_value(
        SecretId=practice.target.stack.output("AuthorsSecretArn"), SecretString='{"authors": []}'
    )

    assert "make author NAME=jo STACK=news" in practice.bad("authors")


def test_a_stack_whose_only_author_writes_drafts_has_nobody_to_publish_them(
    practice: Practice,
) -> None:
    practice.target.secrets.put_secret_value(
        SecretId=practice.target.stack.output("AuthorsSecretArn"),
        SecretString=json.dumps({"authors": [JO | {"role": "write"}]}),
    )

    assert "Nobody may publish yet" in practice.bad("authors")


def test_an_author_whose_entry_can_not_be_read_is_counted_and_not_named(
    practice: Practice,
) -> None:
    practice.target.secrets.put_secret_value(
        SecretId=practice.target.stack.output("AuthorsSecretArn"),
        SecretString=json.dumps({"authors": [JO, {"name": "Canary"}]}),
    )

    said = practice.bad("authors")

    assert "can't be read: 1" in said
    assert "Canary" not in said


def test_a_first_deployment_that_failed_is_reported_though_it_has_no_outputs(
    practice: Practice,
) -> None:
    failed = {"status": "ROLLBACK_COMPLETE", "outputs": {}}
    of_it = practice.of(practice.target.stack.model_copy(update=failed))

    assert "news is ROLLBACK_COMPLETE" in of_it.bad("stack")
    links = of_it.finding("links")
    assert (links.verdict, links.says) == (
        Verdict.UNKNOWN,
        "The stack news has no output SignUpUrl: is it Broadsheet's? It is ROLLBACK_COMPLETE.",
    )


def test_another_s_stack_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    another = DeployedStack(name="other", status="CREATE_COMPLETE", parameters={}, outputs={})
    monkeypatch.setattr(options, "chosen", lambda *_: another)

    result = run("doctor", "--stack", "other")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "The stack other has no parameter SenderAddress: is it Broadsheet's?" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--list", "-5"], "should be greater than or equal to 0"),
        (["--list", "many"], "unable to parse string as an integer"),
        (["--dns", "resolver.example"], "'resolver.example' is not an address"),
        (["--dns", "127.0.0.1:domain"], "'127.0.0.1:domain' is not an address"),
        (["--dns", "1.1.1.1:0"], "'1.1.1.1:0' is not an address"),
        (["--dns", "1.1.1.1:65536"], "'1.1.1.1:65536' is not an address"),
    ],
)
def test_what_can_t_be_asked_about_is_refused_in_words(arguments: list[str], says: str) -> None:
    result = run("doctor", "--stack", "news", *arguments)

    assert result.exit_code == 2
    assert says in " ".join(result.stderr.replace("│", "").split())


@pytest.mark.parametrize(
    ("text", "server"),
    [("1.1.1.1", Dns("1.1.1.1", 53)), ("127.0.0.1:5353", Dns("127.0.0.1", 5353))],
)
def test_a_name_server_is_its_address_with_or_without_a_port(text: str, server: Dns) -> None:
    assert doctor.name_server(text) == server
