"""Applies the numbered migrations when the stack is deployed: a CloudFormation custom resource.

CloudFormation calls when one of its properties changes: ``SchemaVersion``, the last migration's
number, ``Database``, which identifies the database, or ``Newsletter``, the parameters of
every mail. Parameters that SES would refuse, or a theme that isn't in the layer, fail the
deployment before anything is changed: CloudFormation's own patterns can't compute how long an
encoded name is. A rollback calls with an older version and changes nothing, as does a delete.
"""

import json
from pathlib import Path
from typing import Any

import urllib3
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import ValidationError

from broadsheet import settings
from broadsheet.database import application_role
from broadsheet.database.connection import Connection, connect, connected
from broadsheet.database.migrations import migrate, numbered_files
from broadsheet.domain.newsletter import Newsletter
from broadsheet.mail import theme
from broadsheet.telemetry import kind_of, log_failure, logger
from broadsheet.web import sentences
from broadsheet.web.body import invalid_fields

MIGRATIONS = Path(__file__).parent / "migrations"
PHYSICAL_ID = "schema"  # fixed: another one would make CloudFormation delete the old
SECONDS_FOR_A_DATABASE_TO_WAKE = 90
S3_RETRIES = urllib3.Retry(5, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504])


class UnsendableNewsletter(Exception):
    """The stack's parameters are such that no mail could be rendered, or SES would refuse all."""


def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Do what CloudFormation asks, and report the outcome to it, whatever it is."""
    try:
        if event["RequestType"] != "Delete":
            properties = event["ResourceProperties"]
            _check_newsletter(properties.get("Newsletter"))  # an older template has none
            _migrate_to(int(properties["SchemaVersion"]))
    except UnsendableNewsletter as error:
        _answer(event, "FAILED", str(error))
    except Exception as error:  # noqa: BLE001 - unanswered, CloudFormation waits for an hour
        log_failure("migration failed", error)
        _answer(event, "FAILED", f"{kind_of(error)}: see the log {context.log_stream_name}")
    else:
        _answer(event, "SUCCESS", "")


def _check_newsletter(parameters: dict[str, str] | None) -> None:
    """Raise ``UnsendableNewsletter`` when no mail of this newsletter could be sent."""
    if parameters is None:
        return
    try:
        theme.load(parameters.get("Theme", theme.DEFAULT))  # an older template has none
        Newsletter.model_validate(
            {
                "name": parameters["Name"],
                "sender": parameters["SenderAddress"],
                "sender_name": parameters["SenderName"],
                "reply_to": parameters["ReplyToAddress"] or None,
            }
        )
    except theme.InvalidTheme as error:
        raise UnsendableNewsletter(str(error)) from None
    except ValidationError as error:
        faults = sentences.of_fields(invalid_fields(error).fields).items()
        said = [
            text[:1].upper() + text[1:] if name == "request" else f"{name}: {text}"
            for name, text in faults
        ]
        raise UnsendableNewsletter("; ".join(said)) from None


def _migrate_to(version: int) -> None:
    if version > max(numbered_files(MIGRATIONS)):
        raise ValueError("SchemaVersion names a migration that is not in this package")
    with connected(SECONDS_FOR_A_DATABASE_TO_WAKE) as connection:
        # Not above it: a rollback may still find the newer code, with the migration that failed.
        applied = migrate(connection, MIGRATIONS, version)
        _let_the_application_in(connection)
    logger.info("schema is up to date", version=version, applied=applied)


def _let_the_application_in(connection: Connection) -> None:
    """Prepare the functions' role: created here in Aurora, otherwise the operator's own."""
    wanted = settings.application_role()
    if role := wanted.name:
        application_role.create(connection, role)
        application_role.admit(connection, role)
        timeouts = application_role.TIMEOUTS | application_role.IN_AURORA
        application_role.set_timeouts(connection, role, timeouts)
    elif wanted.url_secret_arn:
        with connect(SECONDS_FOR_A_DATABASE_TO_WAKE, wanted.url_secret_arn) as application:
            role = application_role.name(application)
            application_role.set_timeouts(application, role)
        if role != application_role.name(connection):
            application_role.admit(connection, role)
    else:
        application_role.set_timeouts(connection, application_role.name(connection))


def _answer(event: dict[str, Any], status: str, reason: str) -> None:
    answer = {
        "Status": status,
        "Reason": reason,
        "PhysicalResourceId": PHYSICAL_ID,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    urllib3.request(
        "PUT",
        event["ResponseURL"],
        body=json.dumps(answer).encode(),
        headers={"Content-Type": ""},  # the URL is signed without one
        timeout=10,
        retries=S3_RETRIES,
    )
