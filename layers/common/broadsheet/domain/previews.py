"""What authors ask to see before readers do: previews, and test mails."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from broadsheet.domain.issue_requests import PublishRequest
from broadsheet.domain.issues import IssueId
from broadsheet.domain.subscribers import EmailAddress, SubscriberName

MOST_ADDRESSES = 5  # of one test
TEST_MAILS_A_DAY = 50  # of one author


def _each_once(addresses: list[EmailAddress]) -> list[EmailAddress]:
    return list(dict.fromkeys(addresses))


AddressesOfTest = Annotated[
    list[EmailAddress],
    Field(min_length=1, max_length=MOST_ADDRESSES),
    AfterValidator(_each_once),
]


class PreviewRequest(PublishRequest):
    """An issue as for ``POST /issues``.

    ``name``: of the reader to show it as. ``issue``: the stored issue of which this is the text,
    which it may resemble.
    """

    name: SubscriberName | None = None
    issue: IssueId | None = None


class IssueTestRequest(PreviewRequest):
    """An issue, and where to send it as a test."""

    to: AddressesOfTest


class StoredIssueTestRequest(BaseModel):
    """Where to send an issue that is stored as a test."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: AddressesOfTest
    name: SubscriberName | None = None
