"""The stack itself: whether it is complete, who may publish, and who gets its alarms."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from broadsheet.domain.authors import Role
from broadsheet.domain.authors_secret import Authors
from operations import stack
from operations.doctor.findings import Finding, Verdict
from operations.doctor.stack_under_test import StackUnderTest

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import MetricAlarmTypeDef

WHOLE = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "IMPORT_COMPLETE",
}
DEAD_LETTERS = ("Requests", "Delivery", "Feedback", "Dispatch")
WAYS = {  # to confirm, in words
    "code": "by code",
    "same-browser": "in the browser that signed up",
    "button": "by the button",
    "api": "by a program",
    "unknown": "before the way was stored",
}


def deployment(target: StackUnderTest) -> Iterator[Finding]:
    """Check for a failed deployment: after a rollback the version before keeps serving."""
    status = target.stack.status
    if status in WHOLE:
        yield Finding(check="stack", verdict=Verdict.GOOD, says=f"{target.stack.name} is {status}.")
    elif status == "UPDATE_ROLLBACK_COMPLETE":
        yield Finding(
            check="stack",
            verdict=Verdict.ADVICE,
            says="The last deployment failed; the version before it keeps serving.",
            fix=(f"  aws cloudformation describe-stack-events --stack-name {target.stack.name}",),
        )
    else:
        yield Finding(
            check="stack",
            verdict=Verdict.BAD,
            says=f"{target.stack.name} is {status}.",
            fix=("docs/operations.md, “A deployment failed”, says what to do.",),
        )


def database(target: StackUnderTest) -> Iterator[Finding]:
    """Check the schema and the cluster, without waking it."""
    migrations = [each for each in target.resources if each.logical_id == "SchemaMigration"]
    if not migrations or not migrations[0].status.endswith("_COMPLETE"):
        yield Finding(
            check="database",
            verdict=Verdict.BAD,
            says="The schema was never migrated: nothing that needs the database works.",
            fix=("docs/operations.md, “A migration failed”, says what to do.",),
        )
        return
    deployed = stack.template(target.cloudformation, target.stack.name)
    version = deployed["Resources"]["SchemaMigration"]["Properties"]["SchemaVersion"]
    clusters = target.resources_of("AWS::RDS::DBCluster")
    if clusters:
        yield _cluster(target, clusters[0].physical_id, version)
    else:
        yield Finding(
            check="database",
            verdict=Verdict.GOOD,
            says=f"The schema is at {version}, in a PostgreSQL of your own.",
        )


def _cluster(target: StackUnderTest, cluster_id: str, version: str) -> Finding:
    found = target.rds.describe_db_clusters(DBClusterIdentifier=cluster_id)
    cluster = found["DBClusters"][0]
    if cluster["Status"] != "available":
        return Finding(
            check="database",
            verdict=Verdict.BAD,
            says=f"The cluster {cluster_id} is {cluster['Status']}.",
            fix=(
                "Look at its events in the RDS console; requests wait in their queues meanwhile.",
            ),
        )
    if not cluster.get("DeletionProtection"):
        return Finding(
            check="database",
            verdict=Verdict.ADVICE,
            says="The cluster is up, and not protected from deletion.",
            fix=("Deploy with DatabaseDeletionProtection=true.",),
        )
    days = cluster.get("BackupRetentionPeriod")
    return Finding(
        check="database",
        verdict=Verdict.GOOD,
        says=f"The cluster is up, at schema {version}; it keeps {days} days of backups.",
    )


def issues(target: StackUnderTest) -> Iterator[Finding]:
    """Ask the database which problems are still open: an alarm on a single event goes quiet."""
    problems = target.report
    if problems is None:
        function = target.stack.output("DispatchFunctionName")
        yield Finding(
            check="issues",
            verdict=Verdict.UNKNOWN,
            says="The database did not say whether an issue needs you.",
            fix=(f"See the newest lines of the log /aws/lambda/{function}.",),
        )
        return
    found = [
        *_paused(problems["paused"]),
        *_uncertain(target, problems),
        *_sign_ups(target, problems),
        *_archive(target, problems.get("owed_pages", 0)),  # an older stack has no archive
        *_webhooks(problems.get("disabled_webhooks", {})),  # nor webhooks
    ]
    yield from found or [
        Finding(check="issues", verdict=Verdict.GOOD, says="No issue has stopped itself.")
    ]


def _archive(target: StackUnderTest, owed: int) -> Iterator[Finding]:
    """Report issues whose pages have not been written for an hour."""
    if owed:
        function = target.stack.output("DispatchFunctionName")
        yield Finding(
            check="issues",
            verdict=Verdict.ADVICE,
            says=f"{owed:,} issues wait for their pages in the archive.",
            fix=(
                "After an update from a release without an archive, the daily look writes them;",
                "this does it now. If they still wait, the function's log says why.",
                f"  aws lambda invoke --function-name {function} --payload e30= /dev/null",
            ),
        )


def _webhooks(disabled: dict[str, str]) -> Iterator[Finding]:
    for webhook_id, because in disabled.items():
        yield Finding(
            check="issues",
            verdict=Verdict.ADVICE,
            says=f"The webhook {webhook_id} is disabled: {because}.",
            fix=(
                "Once its receiver answers, or delete it:",
                f"  broadsheet webhooks enable {webhook_id}",
            ),
        )


def _sign_ups(target: StackUnderTest, problems: dict[str, Any]) -> Iterator[Finding]:
    """Report strict mode, and what was kept without a mail."""
    kept = sum(problems.get("suspicious_sign_ups", {}).values())  # an older stack has neither
    if since := problems.get("strict_since"):
        yield Finding(
            check="issues",
            verdict=Verdict.ADVICE,
            says=f"Somebody is signing up strangers: since {since}, sign-ups need proof.",
            fix=(
                "It ends by itself. What is kept meanwhile can be looked at and released:",
                f"  make sign-ups STACK={target.stack.name}",
            ),
        )
    elif kept:
        yield Finding(
            check="issues",
            verdict=Verdict.ADVICE,
            says=f"{kept:,} suspicious sign-ups are kept without a mail.",
            fix=(f"  make sign-ups STACK={target.stack.name}",),
        )


def confirming(target: StackUnderTest) -> Iterator[Finding]:
    """Show how many readers confirm, and by which way."""
    completion = (target.report or {}).get("completion")
    if completion is None:
        says, verdict = "The database did not say how many readers confirm.", Verdict.SKIPPED
    else:
        verdict = Verdict.GOOD
        says = (
            f"In the last 30 days, {_completed(completion['days_30'])}. "
            f"Since the beginning, {_completed(completion['always'])}."
        )
    yield Finding(check="confirming", verdict=verdict, says=says)


def _completed(completion: dict[str, Any]) -> str:
    asked, confirmed = completion["asked"], completion["confirmed"]
    if not asked:
        return "nobody was asked to confirm"
    ways = ", ".join(f"{number:,} {WAYS[way]}" for way, number in completion["by_way"].items())
    share = f"{confirmed:,} of {asked:,} readers confirmed ({confirmed / asked:.0%})"
    return f"{share}: {ways}" if ways else share


def _paused(paused: list[dict[str, str]]) -> Iterator[Finding]:
    for issue in paused:
        yield Finding(
            check="issues",
            verdict=Verdict.BAD,
            says=f"The issue {issue['issue_id']} stopped itself: {issue['because']}.",
            fix=(
                "Correct the cause; then, as an author:",
                f"  POST /issues/{issue['issue_id']}/resume, or …/cancel",
            ),
        )


def _uncertain(target: StackUnderTest, problems: dict[str, int]) -> Iterator[Finding]:
    """Report the mails whose outcome is unknown, and those that were sent twice."""
    if unresolved := problems["unresolved_mails"]:
        yield Finding(
            check="issues",
            verdict=Verdict.BAD,
            says=f"{unresolved:,} mails have been unresolved longer than the grace period.",
            fix=(
                "They settle within the hour, unless SES's events don't arrive or can't be read:",
                f"  make dead-letters STACK={target.stack.name}",
            ),
        )
    if duplicates := problems["duplicate_mails"]:
        yield Finding(
            check="issues",
            verdict=Verdict.ADVICE,
            says=f"SES took {duplicates:,} mails a second time in the last 14 days.",
            fix=("docs/operations.md, “When an alarm comes”, says what that means.",),
        )


def alarms(target: StackUnderTest) -> Iterator[Finding]:
    """Check that somebody gets the alarms, and that none rings."""
    names = [each.physical_id for each in target.resources_of("AWS::CloudWatch::Alarm")]
    if not names:
        yield Finding(
            check="alarms",
            verdict=Verdict.BAD,
            says="The stack has no alarms.",
            fix=("Deploy a newer version of it.",),
        )
        return
    found = target.cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]
    listeners = _listeners(target, found)
    if target.is_on_one_machine and not listeners:
        yield Finding(
            check="alarms",
            verdict=Verdict.SKIPPED,
            says="Nobody gets the alarms: this stack runs on one machine.",
        )
    elif fault := _fault_of_alarms(found, listeners):
        says, fix = fault
        yield Finding(check="alarms", verdict=Verdict.BAD, says=says, fix=(fix,))
    else:
        yield Finding(
            check="alarms",
            verdict=Verdict.GOOD,
            says=f"Somebody gets the {len(found)} alarms, and none rings.",
        )


def _listeners(target: StackUnderTest, found: "list[MetricAlarmTypeDef]") -> list[bool]:
    """Return whether each address for the alarms is confirmed."""
    topics = {
        action for each in found for action in each.get("AlarmActions", []) if ":sns:" in action
    }
    return [
        each["SubscriptionArn"].startswith("arn:")  # else it says that it waits for its owner
        for topic in sorted(topics)
        for page in target.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        for each in page["Subscriptions"]
    ]


def _fault_of_alarms(
    found: "list[MetricAlarmTypeDef]", listeners: list[bool]
) -> tuple[str, str] | None:
    """Return what is wrong with the alarms and what to do; else None."""
    ringing = sorted(each["AlarmName"] for each in found if each.get("StateValue") == "ALARM")
    silent = sorted(each["AlarmName"] for each in found if not each.get("ActionsEnabled", True))
    if silent:
        return (
            f"Somebody turned these alarms off: {', '.join(silent)}.",
            f"  aws cloudwatch enable-alarm-actions --alarm-names {' '.join(silent)}",
        )
    if not listeners:
        return "Nobody gets the alarms.", "Deploy with OperatorAddress=you@example.com."
    if not any(listeners):
        return (
            "The address for the alarms isn't confirmed.",
            "Follow the link in the mail “AWS Notification - Subscription Confirmation”.",
        )
    if ringing:
        return (
            f"These alarms ring now: {', '.join(ringing)}.",
            "docs/operations.md, “When an alarm comes”, says what each means and what to do.",
        )
    return None


def dead_letters(target: StackUnderTest) -> Iterator[Finding]:
    """Check for messages that failed for good, which wait for an operator for 14 days."""
    counts = {
        name.lower(): int(
            target.sqs.get_queue_attributes(
                QueueUrl=target.stack.output(f"{name}DeadLetterQueueUrl"),
                AttributeNames=["ApproximateNumberOfMessages"],
            )["Attributes"]["ApproximateNumberOfMessages"]
        )
        for name in DEAD_LETTERS
    }
    if any(counts.values()):
        lying = ", ".join(f"{count} of {name}" for name, count in counts.items() if count)
        yield Finding(
            check="dead letters",
            verdict=Verdict.BAD,
            says=f"Messages failed for good: {lying}.",
            fix=(
                "Look why, fix the cause, and retry them:",
                f"  make dead-letters STACK={target.stack.name}",
                f"  make dead-letters STACK={target.stack.name} BACK=requests",
            ),
        )
    else:
        yield Finding(check="dead letters", verdict=Verdict.GOOD, says="No message failed.")


def queues(target: StackUnderTest) -> Iterator[Finding]:
    """Check for queues without a function: a smoke test that was killed leaves one stopped."""
    stopped = [
        source
        for source in target.resources_of("AWS::Lambda::EventSourceMapping")
        if not target.functions.get_event_source_mapping(UUID=source.physical_id)[
            "State"
        ].startswith("Enabl")
    ]
    if stopped:
        yield Finding(
            check="queues",
            verdict=Verdict.BAD,
            says=f"Stopped: {', '.join(source.logical_id for source in stopped)}.",
            fix=tuple(
                f"  aws lambda update-event-source-mapping --enabled --uuid {source.physical_id}"
                for source in stopped
            ),
        )
    else:
        yield Finding(check="queues", verdict=Verdict.GOOD, says="Every queue has its function.")


def authors(target: StackUnderTest) -> Iterator[Finding]:
    """Check for an author who may publish, and for entries that authorize nobody."""
    secret = target.secrets.get_secret_value(SecretId=target.stack.output("AuthorsSecretArn"))
    found = Authors.parse(secret["SecretString"])
    if found.malformed:
        yield Finding(
            check="authors",
            verdict=Verdict.BAD,
            says=f"Entries of the authors' secret that can't be read: {found.malformed}.",
            fix=("Correct or remove them in Secrets Manager; whoever they name is locked out.",),
        )
    elif count := sum(author.role.includes(Role.PUBLISH) for author in found.entries):
        yield Finding(
            check="authors", verdict=Verdict.GOOD, says=f"Authors who may publish: {count}."
        )
    else:
        yield Finding(
            check="authors",
            verdict=Verdict.BAD,
            says="Nobody may publish yet.",
            fix=(f"  make author NAME=jo STACK={target.stack.name}",),
        )
