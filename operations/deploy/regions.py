"""AWS's regions: in which ones SES and Broadsheet's own database work, and what speaks for some."""

from functools import cache
from typing import NamedTuple

import boto3

from operations.deploy.parameters import REPOSITORY, Refused

# The authorities that sign the databases' certificates, a file for each region that has one.
CERTIFICATES = REPOSITORY / "layers" / "common" / "broadsheet" / "database" / "certificates"


class Region(NamedTuple):
    """A region, where it is, and what speaks for it."""

    name: str
    place: str
    reason: str


WORTH_A_LOOK = (
    Region("eu-central-1", "Frankfurt", "readers in Europe; data stays in the EU (GDPR)"),
    Region("eu-west-1", "Ireland", "the same"),
    Region("eu-north-1", "Stockholm", "the same"),
    Region("eu-west-2", "London", "readers in the UK; data stays in the UK (UK GDPR)"),
    Region("us-east-1", "Virginia", "readers in America"),
    Region("us-west-2", "Oregon", "readers on the Pacific"),
    Region("ca-central-1", "Montreal", "readers in Canada; data stays there"),
    Region("sa-east-1", "São Paulo", "readers in South America"),
    Region("ap-south-1", "Mumbai", "readers in India"),
    Region("ap-southeast-2", "Sydney", "readers in Australia; data stays there"),
    Region("ap-northeast-1", "Tokyo", "readers in Japan; data stays there"),
)


@cache
def with_ses() -> set[str]:
    """Return the regions that have SES, in all of AWS's partitions, as botocore knows them."""
    session = boto3.Session()
    return {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("sesv2", partition)
    }


def checked(region: str) -> str:
    """Return a region that has SES. Raises ``Refused``."""
    if region not in with_ses():
        raise Refused(f"there is no SES in {region or 'nowhere'}: give a region such as eu-west-1")
    return region


def require_certificates(region: str) -> None:
    """Raise ``Refused`` where the stack's own database could not be verified."""
    if not (CERTIFICATES / f"{region}.pem").exists():
        raise Refused(
            f"Broadsheet has no certificates for databases in {region} yet: fetch them as "
            "docs/operations-appendix.md says under “In a new region”, or give a database of yours"
        )
