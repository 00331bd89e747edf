"""Changes a secret's value, unless somebody else does so at the same time."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from operations.errors import OperationFailed

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

PROPOSED = "BROADSHEET_PROPOSED"  # the staging label of a version that is not current yet
ATTEMPTS = 5


class SecretBusy(OperationFailed):
    """Others kept changing it."""


class Version(NamedTuple):
    """A secret's value, and since when it has it."""

    value: str
    version_id: str
    since: datetime


def current(client: "SecretsManagerClient", secret_arn: str) -> Version:
    """Read the value in force."""
    secret = client.get_secret_value(SecretId=secret_arn, VersionStage="AWSCURRENT")
    return Version(secret["SecretString"], secret["VersionId"], secret["CreatedDate"])


def change(
    client: "SecretsManagerClient", secret_arn: str, changed: Callable[[Version], str]
) -> None:
    """Replace the value, unless somebody else did so meanwhile: then look again.

    A plain PutSecretValue would overwrite what another operator added in between. Moving
    AWSCURRENT from the very version that was read is refused when that is no longer current.
    Raises ``SecretBusy``, and what ``changed`` raises.
    """
    for _ in range(ATTEMPTS):
        before = current(client, secret_arn)
        proposed = client.put_secret_value(
            SecretId=secret_arn, SecretString=changed(before), VersionStages=[PROPOSED]
        )
        try:
            client.update_secret_version_stage(
                SecretId=secret_arn,
                VersionStage="AWSCURRENT",
                MoveToVersionId=proposed["VersionId"],
                RemoveFromVersionId=before.version_id,
            )
        except (
            client.exceptions.InvalidParameterException,
            client.exceptions.InvalidRequestException,
        ):
            continue
        return
    raise SecretBusy("Others are changing the same secret at the same time; try again.")
