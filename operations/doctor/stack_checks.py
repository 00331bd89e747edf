"""The stack itself: whether it is complete, who may publish, and who gets its alarms."""

import json
from collections.abc import Iterator

from operations import stack
from operations.doctor.findings import Finding, Verdict
from operations.doctor.patient import Patient

WHOLE = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "IMPORT_COMPLETE",
}
DEAD_LETTERS = ("Requests", "Delivery", "Feedback", "Dispatch")
NOT_ASKED = "Whether it answers is not asked, as that would wake it: `make smoke` does."


def deployment(patient: Patient) -> Iterator[Finding]:
    """Check for a failed deployment: after a rollback the version before keeps serving."""
    status = patient.stack.status
    if status in WHOLE:
        yield Finding(
            check="stack", verdict=Verdict.GOOD, says=f"{patient.stack.name} is {status}."
        )
    elif status == "UPDATE_ROLLBACK_COMPLETE":
        yield Finding(
            check="stack",
            verdict=Verdict.ADVICE,
            says="The last deployment failed; the version before it keeps serving.",
            fix=(f"  aws cloudformation describe-stack-events --stack-name {patient.stack.name}",),
        )
    else:
        yield Finding(
            check="stack",
            verdict=Verdict.BAD,
            says=f"{patient.stack.name} is {status}.",
            fix=("docs/operations.md, “A deployment failed”, says what to do.",),
        )


def database(patient: Patient) -> Iterator[Finding]:
    """Check the schema and the cluster, without waking it."""
    migrations = [each for each in patient.resources if each.logical_id == "SchemaMigration"]
    if not migrations or not migrations[0].status.endswith("_COMPLETE"):
        yield Finding(
            check="database",
            verdict=Verdict.BAD,
            says="The schema was never migrated: nothing that needs the database works.",
            fix=("docs/operations.md, “A migration failed”, says what to do.",),
        )
        return
    deployed = stack.template(patient.cloudformation, patient.stack.name)
    version = deployed["Resources"]["SchemaMigration"]["Properties"]["SchemaVersion"]
    clusters = patient.resources_of("AWS::RDS::DBCluster")
    if not clusters:
        yield Finding(
            check="database",
            verdict=Verdict.GOOD,
            says=f"The schema is at {version}, in a PostgreSQL of your own. {NOT_ASKED}",
        )
        return
    found = patient.rds.describe_db_clusters(DBClusterIdentifier=clusters[0].physical_id)
    cluster = found["DBClusters"][0]
    if cluster["Status"] != "available":
        yield Finding(
            check="database",
            verdict=Verdict.BAD,
            says=f"The cluster {clusters[0].physical_id} is {cluster['Status']}.",
            fix=(
                "Look at its events in the RDS console; requests wait in their queues meanwhile.",
            ),
        )
    elif not cluster.get("DeletionProtection"):
        yield Finding(
            check="database",
            verdict=Verdict.ADVICE,
            says="The cluster is up, and not protected from deletion.",
            fix=("Deploy with DatabaseDeletionProtection=true.",),
        )
    else:
        days = cluster.get("BackupRetentionPeriod")
        yield Finding(
            check="database",
            verdict=Verdict.GOOD,
            says=f"The cluster is up, at schema {version}; it keeps {days} days of backups. "
            f"{NOT_ASKED}",
        )


def alarms(patient: Patient) -> Iterator[Finding]:
    """Check that somebody gets the alarms, and that none rings."""
    names = [each.physical_id for each in patient.resources_of("AWS::CloudWatch::Alarm")]
    if not names:
        yield Finding(
            check="alarms",
            verdict=Verdict.BAD,
            says="The stack has no alarms.",
            fix=("Deploy a newer version of it.",),
        )
        return
    found = patient.cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]
    ringing = sorted(each["AlarmName"] for each in found if each.get("StateValue") == "ALARM")
    silent = sorted(each["AlarmName"] for each in found if not each.get("ActionsEnabled", True))
    topics = {
        action for each in found for action in each.get("AlarmActions", []) if ":sns:" in action
    }
    listeners = [
        each["SubscriptionArn"].startswith("arn:")  # else it says that it waits for its owner
        for topic in sorted(topics)
        for page in patient.sns.get_paginator("list_subscriptions_by_topic").paginate(
            TopicArn=topic
        )
        for each in page["Subscriptions"]
    ]
    if patient.is_on_one_machine and not listeners:
        yield Finding(
            check="alarms",
            verdict=Verdict.SKIPPED,
            says="Nobody gets the alarms: this stack runs on one machine.",
        )
        return
    if silent:
        says = f"Somebody turned these alarms off: {', '.join(silent)}."
        fix = f"  aws cloudwatch enable-alarm-actions --alarm-names {' '.join(silent)}"
    elif not listeners:
        says, fix = "Nobody gets the alarms.", "Deploy with OperatorAddress=you@example.com."
    elif not any(listeners):
        says = "The address for the alarms isn't confirmed."
        fix = "Follow the link in the mail “AWS Notification - Subscription Confirmation”."
    elif ringing:
        says = f"These alarms ring now: {', '.join(ringing)}."
        fix = "docs/operations.md, “When an alarm comes”, says what each means and what to do."
    else:
        yield Finding(
            check="alarms",
            verdict=Verdict.GOOD,
            says=f"Somebody gets the {len(found)} alarms, and none rings.",
        )
        return
    yield Finding(check="alarms", verdict=Verdict.BAD, says=says, fix=(fix,))


def dead_letters(patient: Patient) -> Iterator[Finding]:
    """Check for messages that failed for good, which wait for an operator for 14 days."""
    counts = {
        name.lower(): int(
            patient.sqs.get_queue_attributes(
                QueueUrl=patient.stack.output(f"{name}DeadLetterQueueUrl"),
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
                f"  make dead-letters STACK={patient.stack.name}",
                f"  make dead-letters STACK={patient.stack.name} BACK=requests",
            ),
        )
    else:
        yield Finding(check="dead letters", verdict=Verdict.GOOD, says="No message failed.")


def queues(patient: Patient) -> Iterator[Finding]:
    """Check for queues without a function: a smoke test that was killed leaves one stopped."""
    stopped = [
        source
        for source in patient.resources_of("AWS::Lambda::EventSourceMapping")
        if not patient.functions.get_event_source_mapping(UUID=source.physical_id)[
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


def authors(patient: Patient) -> Iterator[Finding]:
    """Check for an author: without one nobody can publish."""
    secret = patient.secrets.get_secret_value(SecretId=patient.stack.output("AuthorsSecretArn"))
    count = len(json.loads(secret["SecretString"])["authors"])
    if count:
        yield Finding(
            check="authors", verdict=Verdict.GOOD, says=f"Authors who may publish: {count}."
        )
    else:
        yield Finding(
            check="authors",
            verdict=Verdict.BAD,
            says="Nobody may publish yet.",
            fix=(f"  make author NAME=jo STACK={patient.stack.name}",),
        )
