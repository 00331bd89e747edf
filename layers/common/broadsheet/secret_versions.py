"""Changes a secret's value, unless somebody else does so at the same time."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from broadsheet.domain.errors import SecretBusy, SecretChangeUnknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_secretsmanager.type_defs import ListSecretVersionIdsRequestTypeDef

PROPOSED = "BROADSHEET_PROPOSED"  # the staging label of a version that is not current yet
ATTEMPTS = 5
_LONGEST_PAUSE = 0.2  # seconds, times the attempts so far
_KEPT = timedelta(days=1)  # every version for so long; of older ones, AWS keeps the newest


class Version(NamedTuple):
    """A secret's value, and since when it has it."""

    value: str
    version_id: str
    since: datetime


def current(client: SecretsManagerClient, secret_arn: str) -> Version:
    """Return the value in force."""
    secret = client.get_secret_value(SecretId=secret_arn, VersionStage="AWSCURRENT")
    return Version(secret["SecretString"], secret["VersionId"], secret["CreatedDate"])


def count_kept(client: SecretsManagerClient, secret_arn: str) -> int:
    """Return how many versions AWS can't delete yet; it stores about 100 in all."""
    oldest, count = datetime.now(UTC) - _KEPT, 0
    request: ListSecretVersionIdsRequestTypeDef = {
        "SecretId": secret_arn,
        "IncludeDeprecated": True,
    }
    while True:
        page = client.list_secret_version_ids(**request)
        count += sum(each["CreatedDate"] > oldest for each in page["Versions"])
        if not page.get("NextToken"):
            return count
        request["NextToken"] = page["NextToken"]


def change(
    client: SecretsManagerClient, secret_arn: str, changed: Callable[[Version], str]
) -> bool:
    """Replace the value, and return whether that was needed: ``changed`` may return it as it is.

    A plain PutSecretValue would overwrite what somebody else added in between. Moving AWSCURRENT
    from the very version that was read is refused when that is no longer current; then the new one
    is read. An answer that is lost is found out the same way.

    Raises ``SecretBusy`` when others were faster ``ATTEMPTS`` times; ``SecretChangeUnknown`` when
    AWS stopped answering after the change was asked for; what ``changed`` raises, and botocore's
    errors: then nothing has changed.
    """
    proposals = set[str]()
    for attempt in range(ATTEMPTS + 1):
        before = _look(client, secret_arn, proposals)
        if before is None:
            return True
        if attempt == ATTEMPTS:
            break
        time.sleep(random.uniform(0, _LONGEST_PAUSE) * attempt)  # noqa: S311 - apart from others
        value = changed(before)
        if value == before.value:
            return False
        proposed = client.put_secret_value(
            SecretId=secret_arn, SecretString=value, VersionStages=[PROPOSED]
        )["VersionId"]
        proposals.add(proposed)
        try:
            client.update_secret_version_stage(
                SecretId=secret_arn,
                VersionStage="AWSCURRENT",
                MoveToVersionId=proposed,
                RemoveFromVersionId=before.version_id,
            )
        except (
            client.exceptions.InvalidParameterException,
            client.exceptions.InvalidRequestException,
            client.exceptions.ResourceNotFoundException,  # another's proposal took its label
            client.exceptions.InternalServiceError,
            BotoCoreError,  # no answer
        ):
            continue
        return True
    raise SecretBusy


def _look(client: SecretsManagerClient, secret_arn: str, proposals: set[str]) -> Version | None:
    """Return the value in force; None if one of ours is, or was before it."""
    try:
        found = current(client, secret_arn)
        if proposals and proposals & {found.version_id, _previous(client, secret_arn)}:
            return None
    except (BotoCoreError, ClientError) as error:
        if proposals:
            raise SecretChangeUnknown from error
        raise
    return found


def _previous(client: SecretsManagerClient, secret_arn: str) -> str:
    try:
        found = client.get_secret_value(SecretId=secret_arn, VersionStage="AWSPREVIOUS")
    except client.exceptions.ResourceNotFoundException:
        return ""
    return found["VersionId"]
