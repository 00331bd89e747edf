"""Where AWS is reached from a network that leads out over IPv6 only."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from broadsheet.aws import call_config

LAYER = Path(__file__).parents[2] / "layers" / "common" / "broadsheet"
CALLED = {
    service
    for file in LAYER.rglob("*.py")
    for service in re.findall(r'aws\.client\(\s*"(\w+)"', file.read_text())
}


@pytest.mark.parametrize("service", sorted(CALLED))
@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_every_service_that_is_called_has_an_address_for_ipv6(
    service: str, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")

    session: Any = boto3.Session()  # its stubs know services by literal names only
    client = session.client(service, region_name=region, config=call_config())

    host = str(urlsplit(client.meta.endpoint_url).hostname)
    # S3 has had both since before there was api.aws.
    of_s3 = f"s3.dualstack.{region}.amazonaws.com" if service == "s3" else ""
    assert host.endswith(f".{region}.api.aws") or host == of_s3


def test_there_are_services_to_look_at() -> None:
    assert {"sqs", "sesv2", "secretsmanager", "scheduler"} <= CALLED
