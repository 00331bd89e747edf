"""Deploy the application to the local stack with the real ``sam deploy``."""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import psycopg
from botocore.exceptions import ClientError, WaiterError
from psycopg.errors import DuplicateObject

from local import isolation
from local.aws import Aws
from local.build import SAM
from local.isolation import REGION
from local.processes import tail
from local.state import Deployment, KeptSecrets, State, write_private
from operations import authors, themes
from ses_server.control import Control
from ses_server.publishing import Topic
from ses_server.server import REPUBLISHED_HOURS

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

STACK = "broadsheet"
APPLICATION_ROLE = "broadsheet"
FIRST_AUTHOR = "first author"
SENDER = "newsletter@broadsheet.example"
PARAMETERS = {
    "NewsletterName": "The Local Broadsheet",
    "SenderName": "The Local Broadsheet",
    "CallsAnywhere": "true",  # a webhook's receiver is on this machine, too
    "SenderAddress": SENDER,
    "Description": "A newsletter on this machine. All of its mails come to the local inbox.",
    "Frequency": "Whenever you publish",
    "AskForName": "true",
    "ConfirmationsPerSourcePerHour": "1000",  # all readers are one source here: this machine
}
CONFIGURATION_SETS = {  # by their resource: the output that has their name
    "IssueConfigurationSet": "IssueConfigurationSetName",
    "ConfirmationConfigurationSet": "ConfirmationConfigurationSetName",
}
DELETE_POLL_SECONDS = 1


class DeploymentError(Exception):
    """``sam deploy`` failed, even for a new stack."""


def deploy(
    state: State, aws: Aws, template: Path, *, database_url: str, say: Callable[[str], None]
) -> Deployment:
    """Deploy a built template, and make it ready to be called.

    If the emulator can't update the stack, it is deleted and deployed again, and ``say`` is called
    with a message. The signing keys and authors always stay the same. What a lost queue held is
    sent again, as far as it is known elsewhere.
    """
    _make_application_role(database_url)
    parameters = PARAMETERS | database_parameters(aws, database_url)
    parameters |= {"PublicUrl": state.public_url, "Theme": theme()}
    if issuer := os.environ.get("WORKFLOW_ISSUER"):  # a stand-in for GitHub's
        parameters["WorkflowIssuer"] = issuer
    parameters |= {"PseudoLanguage": os.environ.get("PSEUDO_LANGUAGE") or "false"}
    parameters |= {"CountLinks": os.environ.get("COUNT_LINKS") or "false"}
    state.roles.unlink(
        missing_ok=True
    )  # the functions may need calls that the last deployment didn't
    _create_or_update(state, aws, template, parameters, say)
    write_private(state.roles, json.dumps(roles(aws)))
    outputs = _outputs(aws)
    stage = outputs["ApiUrl"].rsplit("/", 1)[-1]
    resources = _deployed_resources(aws)
    _put_gateway_responses(aws, resources, outputs["ApiId"], stage)
    _put_concurrencies(aws)
    _restore_secrets(state, aws, outputs)
    _restore_content(aws, outputs["ContentBucketName"])
    keep_first_author(state, aws.secrets, outputs["AuthorsSecretArn"])
    keep_secrets(state, aws, outputs)
    _prepare_ses(state, aws, resources, outputs)
    ticks: list[dict[str, str]] = [{}]  # starts the clock of every open issue
    if state.has_lost_queues:
        ticks += [{"issue_id": issue_id} for issue_id in clear_releases(database_url)]
        Control(state.ses_url).republish_events(REPUBLISHED_HOURS)
        state.forget_lost_queues()
    for tick in ticks:
        aws.functions.invoke(
            FunctionName=outputs["DispatchFunctionName"],
            InvocationType="Event",
            Payload=json.dumps(tick),
        )
    return Deployment(
        api_id=outputs["ApiId"], stage=stage, database_url=database_url, outputs=outputs
    )


def keep_first_author(state: State, secrets: "SecretsManagerClient", secret_arn: str) -> None:
    """Give the first author a token that `make up` can print, if the one before was ended."""
    listed = authors.listed(secrets, secret_arn)
    if state.author_token is not None:
        digest = sha256(state.author_token.encode()).hexdigest()
        if any(author.token_sha256 == digest for author in listed):
            return
    is_there = any(str(author.name) == FIRST_AUTHOR for author in listed)
    give = authors.renew if is_there else authors.add
    state.keep_author_token(give(secrets, secret_arn, FIRST_AUTHOR))


def clear_releases(database_url: str) -> set[str]:
    """Clear the marks of batches whose pointers were lost with their queue; return their issues.

    Dispatch then releases them at once, and not as late as it takes a pointer for lost.
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        cleared = connection.execute(
            "UPDATE delivery_batches SET released_at = NULL"
            " WHERE state = 'waiting' AND released_at IS NOT NULL RETURNING issue_id"
        )
        return {str(issue_id) for (issue_id,) in cleared}


def theme() -> str:
    """Return the name of the theme that ``THEME`` chooses."""
    return os.environ.get("THEME") or themes.DEFAULT


def database_parameters(aws: Aws, database_url: str) -> dict[str, str]:
    """Store the database's URLs in secrets outside the stack; return the parameters for them."""
    as_application = database_url.replace("//postgres@", f"//{APPLICATION_ROLE}@")
    return {
        "DatabaseUrlSecretArn": _put_secret(aws, "database", as_application),
        "MigrationUrlSecretArn": _put_secret(aws, "database-of-migrations", database_url),
    }


def _make_application_role(database_url: str) -> None:
    """Create the role for the functions, which owns nothing, as in an operator's database."""
    with psycopg.connect(database_url, autocommit=True) as connection, suppress(DuplicateObject):
        connection.execute(f"CREATE ROLE {APPLICATION_ROLE} LOGIN")


def _put_secret(aws: Aws, name: str, value: str) -> str:
    """Store a secret outside the stack, as an operator does; return its ARN."""
    name = f"{STACK}-{name}"
    try:
        return aws.secrets.put_secret_value(SecretId=name, SecretString=value)["ARN"]
    except aws.secrets.exceptions.ResourceNotFoundException:
        return aws.secrets.create_secret(Name=name, SecretString=value)["ARN"]


def keep_secrets(state: State, aws: Aws, outputs: dict[str, str]) -> None:
    """Copy the stack's secrets to the state folder, because a killed emulator loses them."""
    state.keep_secrets(
        KeptSecrets(
            signing_keys=_secret(aws, outputs["SigningKeysSecretArn"]),
            authors=_secret(aws, outputs["AuthorsSecretArn"]),
        )
    )


def _create_or_update(
    state: State,
    aws: Aws,
    template: Path,
    parameters: dict[str, str],
    say: Callable[[str], None],
) -> None:
    log = state.logs / "deploy.log"
    existed = _status(aws) is not None
    if _sam_deploy(state, template, parameters, log):
        return
    # An invalid template leaves the stack unchanged, and would be refused again.
    if existed and "ROLLBACK" in (_status(aws) or ""):
        say("the emulator can't update the stack: deleting it and deploying it again")
        state.withdraw_deployment()
        _delete(aws)
        state.note_lost_queues()
        if _sam_deploy(state, template, parameters, log):
            return
    raise DeploymentError(f"sam deploy failed; the whole output is in {log}\n{tail(log, 30)}")


def _sam_deploy(state: State, template: Path, parameters: dict[str, str], log: Path) -> bool:
    # A samconfig.toml in the repository is for the operator's stack on AWS.
    no_config = state.folder / "samconfig.toml"
    no_config.write_text("version = 0.1\n")
    environment = isolation.without_aws(dict(os.environ)) | {
        "AWS_ENDPOINT_URL": state.emulator_url,
        "SAM_CLI_TELEMETRY": "0",
    }
    command: list[str | Path] = [
        *(SAM, "deploy", "--template-file", template),
        *("--config-file", no_config),
        *("--stack-name", STACK),
        *("--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"),
        *("--resolve-s3", "--no-confirm-changeset", "--no-fail-on-empty-changeset"),
        *("--no-progressbar",),
        "--parameter-overrides",
        *(f'{name}="{value}"' for name, value in parameters.items()),
    ]
    with (
        tempfile.TemporaryDirectory(prefix="deploy-", dir=state.folder) as temporary,
        log.open("ab") as output,
    ):
        ended = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment | {"TMPDIR": temporary},  # sam leaves a folder there for each function
        )
    return ended.returncode == 0


def _status(aws: Aws) -> str | None:
    try:
        described = aws.cloudformation.describe_stacks(StackName=STACK)
    except ClientError:
        return None
    return described["Stacks"][0]["StackStatus"]


def _delete(aws: Aws) -> None:
    aws.cloudformation.delete_stack(StackName=STACK)
    waiter = aws.cloudformation.get_waiter("stack_delete_complete")
    try:
        waiter.wait(StackName=STACK, WaiterConfig={"Delay": DELETE_POLL_SECONDS})
    except WaiterError as error:
        raise DeploymentError(
            "The emulator can't delete the stack. End everything with `make down`, delete "
            "emulator/ in the state folder, and `make up` again: nothing of yours is in there."
        ) from error


def _outputs(aws: Aws) -> dict[str, str]:
    described = aws.cloudformation.describe_stacks(StackName=STACK)
    outputs = described["Stacks"][0].get("Outputs", [])
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


def _secret(aws: Aws, arn: str) -> str:
    return aws.secrets.get_secret_value(SecretId=arn)["SecretString"]


def _restore_secrets(state: State, aws: Aws, outputs: dict[str, str]) -> None:
    kept = state.secrets
    if kept is None:
        return
    for arn, value in (
        (outputs["SigningKeysSecretArn"], kept.signing_keys),
        (outputs["AuthorsSecretArn"], kept.authors),
    ):
        if _secret(aws, arn) != value:
            aws.secrets.put_secret_value(SecretId=arn, SecretString=value)


def _restore_content(aws: Aws, bucket: str) -> None:
    """Move public content into the stack's bucket from those of earlier deployments.

    A bucket outlives its stack, and the next one makes another; mails still show its images.
    """
    for earlier in aws.s3.list_buckets()["Buckets"]:
        name = earlier["Name"]
        if not name.startswith(f"{STACK}-storage-") or name == bucket:
            continue
        for page in aws.s3.get_paginator("list_objects_v2").paginate(Bucket=name):
            for key in (each["Key"] for each in page.get("Contents", [])):
                content = aws.s3.get_object(Bucket=name, Key=key)
                aws.s3.put_object(
                    Bucket=bucket,
                    Key=key,
                    Body=content["Body"].read(),
                    ContentType=content["ContentType"],
                )
                aws.s3.delete_object(Bucket=name, Key=key)


def _deployed_resources(aws: Aws) -> dict[str, Any]:
    """Return the deployed resources, after SAM's transform."""
    processed = aws.cloudformation.get_template(StackName=STACK, TemplateStage="Processed")
    body = processed["TemplateBody"]
    template: dict[str, Any] = json.loads(body) if isinstance(body, str) else body
    resources: dict[str, Any] = template["Resources"]
    return resources


def _put_gateway_responses(aws: Aws, resources: dict[str, Any], api_id: str, stage: str) -> None:
    """Set the template's answers to API Gateway's own errors, which the emulator ignores.

    They apply from the API's next deployment.
    """
    answers = resources["Api"]["Properties"]["Body"]["x-amazon-apigateway-gateway-responses"]
    for kind, answer in answers.items():
        aws.apigateway.put_gateway_response(
            restApiId=api_id,
            responseType=kind,
            responseParameters=answer.get("responseParameters", {}),
            responseTemplates=answer.get("responseTemplates", {}),
            **({"statusCode": str(answer["statusCode"])} if "statusCode" in answer else {}),
        )
    aws.apigateway.create_deployment(restApiId=api_id, stageName=stage)


def _put_concurrencies(aws: Aws) -> None:
    """Set the concurrencies as numbers: the emulator keeps a parameter as text."""
    for source in aws.functions.list_event_source_mappings()["EventSourceMappings"]:
        aws.functions.update_event_source_mapping(
            UUID=source["UUID"],
            ScalingConfig={
                "MaximumConcurrency": int(source["ScalingConfig"]["MaximumConcurrency"])
            },
        )


def roles(aws: Aws) -> dict[str, Any]:
    """Return what each function may do by its role's policies, for ``local.iam.gate``."""
    return {
        name: _role(aws, function["Role"], name)
        for function in aws.functions.list_functions()["Functions"]
        if (name := function["FunctionName"]).startswith(f"{STACK}-")
    }


def _role(aws: Aws, arn: str, function: str) -> dict[str, Any]:
    account, name = arn.split(":")[4], arn.rpartition("/")[2]
    documents = [
        cast(
            "dict[str, Any]",
            aws.iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"],
        )
        for policy in aws.iam.list_role_policies(RoleName=name)["PolicyNames"]
    ]
    return {
        "arn": f"arn:aws:sts::{account}:assumed-role/{name}/{function}",
        "statements": [one for document in documents for one in document["Statement"]],
    }


def _prepare_ses(
    state: State, aws: Aws, resources: dict[str, Any], outputs: dict[str, str]
) -> None:
    """Configure the SES server like the emulator's own SES, and verify the sender."""
    domain = SENDER.rpartition("@")[2]
    with suppress(aws.ses.exceptions.AlreadyExistsException):  # the SES server verifies it at once
        aws.ses.create_email_identity(EmailIdentity=domain)
    aws.ses.put_email_identity_feedback_attributes(  # as the template has it
        EmailIdentity=domain, EmailForwardingEnabled=False
    )
    # As on AWS: to the topic, and from there by its subscription to FeedbackQueue.
    events = Topic(
        topic_arn=outputs["SesEventsTopicArn"], endpoint_url=state.emulator_url, region=REGION
    )
    for resource, output in CONFIGURATION_SETS.items():
        options = resources[resource]["Properties"].get("SuppressionOptions")
        with suppress(aws.ses.exceptions.AlreadyExistsException):
            aws.ses.create_configuration_set(
                ConfigurationSetName=outputs[output],
                **({"SuppressionOptions": options} if options else {}),
            )
        Control(state.ses_url).publish_to(events, outputs[output])
    for resource in resources.values():
        if resource["Type"] == "AWS::SES::ConfigurationSetEventDestination":
            _show_event_destination(aws, resource["Properties"], outputs)


def _show_event_destination(aws: Aws, properties: dict[str, Any], outputs: dict[str, str]) -> None:
    """Create an event destination in the SES server, which returns it as SES does."""
    destination = properties["EventDestination"]
    with suppress(aws.ses.exceptions.AlreadyExistsException):
        aws.ses.create_configuration_set_event_destination(
            ConfigurationSetName=outputs[
                CONFIGURATION_SETS[properties["ConfigurationSetName"]["Ref"]]
            ],
            EventDestinationName="events",
            EventDestination={
                "Enabled": destination["Enabled"],
                # CloudFormation writes renderingFailure where the API says RENDERING_FAILURE.
                "MatchingEventTypes": [
                    cast("Any", re.sub("([A-Z])", r"_\1", kind).upper())
                    for kind in destination["MatchingEventTypes"]
                ],
                "SnsDestination": {"TopicArn": outputs["SesEventsTopicArn"]},
            },
        )
