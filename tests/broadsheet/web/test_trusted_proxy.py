"""A request has its peer's address, or the one that a proxy with the secret gives."""

from collections.abc import Callable

import boto3
import pytest

from broadsheet.web.request import Request
from local.lambda_events import api_event
from tests.cloud import Edge
from tests.conftest import forget_what_was_read

SECRET = "a-long-random-text-that-only-the-proxy-knows"
PROXY = "198.51.100.1"
READER = "203.0.113.7"


@pytest.fixture
def trust(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Trust a proxy that states the reader's address in a header; return its secret's ARN."""

    def trust_header(header: str, text: str = SECRET) -> str:
        arn = boto3.client("secretsmanager").create_secret(Name="proxy", SecretString=text)["ARN"]
        monkeypatch.setenv("PROXY_SECRET_ARN", arn)
        monkeypatch.setenv("PROXY_ADDRESS_HEADER", header)
        forget_what_was_read()
        return arn

    return trust_header


def source(**headers: str) -> str:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request.parse(api_event("POST", "/subscriptions", headers=sent, source=PROXY))
    return str(request.origin.source_address)


@pytest.mark.parametrize(
    ("header", "stated", "reader"),
    [
        ("CloudFront-Viewer-Address", "203.0.113.7:46532", READER),
        ("CloudFront-Viewer-Address", "2001:db8:1:2:3:4:5:6:443", "2001:db8:1:2:3:4:5:6"),
        ("CloudFront-Viewer-Address", "2001:db8::7:4653", "2001:db8::7"),
        ("CF-Connecting-IP", "203.0.113.7", READER),
        ("CF-Connecting-IP", "2001:db8::7", "2001:db8::7"),
        ("X-Real-IP", " 203.0.113.7 ", READER),
    ],
)
def test_a_proxy_with_the_secret_is_trusted(
    trust: Callable[[str], str], header: str, stated: str, reader: str
) -> None:
    trust(header)

    assert source(**{"X-Proxy-Secret": SECRET, header.upper(): stated}) == reader


@pytest.mark.parametrize(
    "stated",
    [
        *("", "unknown", "203.0.113.7, 198.51.100.9", "203.0.113.7:443", "203.0.113.256"),
        *("fe80::1%eth0", "'; DROP TABLE sign_ups", "203.0.113.7\n"[:4], "[2001:db8::7]"),
    ],
)
def test_an_address_that_can_not_be_parsed_counts_as_none(
    trust: Callable[[str], str], stated: str, output: Callable[[], str]
) -> None:
    trust("X-Real-IP")

    assert source(X_Proxy_Secret=SECRET, X_Real_IP=stated) == PROXY

    written = output()
    assert "could not parse the address in the proxy's header" in written
    assert SECRET not in written
    assert not stated or stated not in written


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Proxy-Secret": ""},
        {"X-Proxy-Secret": SECRET[:-1]},
        {"X-Proxy-Secret": f"{SECRET}x"},
        {"X-Proxy-Secret": "sécret"},
        {"Authorization": SECRET},
    ],
)
def test_without_the_secret_the_header_is_ignored(
    trust: Callable[[str], str], headers: dict[str, str]
) -> None:
    trust("X-Real-IP")

    assert source(**{"X-Real-IP": READER, "X-Forwarded-For": READER} | headers) == PROXY


def test_an_empty_secret_is_never_right(trust: Callable[..., str]) -> None:
    trust("X-Real-IP", " \n")

    assert source(X_Proxy_Secret=" \n", X_Real_IP=READER) == PROXY


def test_without_a_trusted_proxy_all_address_headers_are_ignored(edge: Edge) -> None:
    assert (
        source(
            **{"X-Forwarded-For": READER, "Forwarded": f"for={READER}", "X-Real-IP": READER},
            X_Proxy_Secret=SECRET,
        )
        == PROXY
    )


def test_while_the_secret_can_not_be_read_the_peers_address_is_used(
    trust: Callable[[str], str], output: Callable[[], str]
) -> None:
    arn = trust("X-Real-IP")
    boto3.client("secretsmanager").delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)

    assert source(X_Proxy_Secret=SECRET, X_Real_IP=READER) == PROXY
    assert "could not read the proxy's secret" in output()
