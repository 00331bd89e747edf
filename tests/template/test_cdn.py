"""A CDN before the stack keeps what is the same for everybody, and passes all the rest."""

import json
import re
import subprocess
from fnmatch import fnmatchcase
from typing import Any

import boto3
import pytest
from playwright._impl._driver import compute_driver_executable

from broadsheet.web.request import Request
from local.lambda_events import api_event
from operations import template_file
from tests.cloud import Edge
from tests.conftest import forget_what_was_read
from tests.template.transformation import ROOT, refusals, transformed, under

type Node = Any

CDN = {"CdnPriceClass": "PriceClass_100"}
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0a1b"
DOMAIN = {"DomainName": "news.page.example", "HostedZoneId": "Z0123456789"}
WITH_DOMAIN = CDN | DOMAIN | {"CdnCertificateArn": CERTIFICATE}
PEER, READER = "198.51.100.1", "2001:db8:1:2:3:4:5:6"
# Status codes that CloudFront keeps for ten seconds unless it is asked not to, whatever the origin
# says: its guide, "How CloudFront caches HTTP 4xx and 5xx status codes from your origin".
KEPT_ERRORS = {404, 414, 500, 501, 502, 503, 504}
SECRET_REFERENCE = "{{resolve:secretsmanager:${CdnSecretArn}}}"
MANAGED = {  # CloudFront's guide, "Use managed cache policies", "… origin request policies"
    "4135ea2d-6df8-44a3-9df3-4b5a84be39ad": "CachingDisabled",
    "b689b0a8-53d0-40ab-baf2-68738e2966ac": "AllViewerExceptHostHeader",
}


@pytest.fixture(scope="module")
def template() -> Node:
    return transformed()


def front(**parameters: str) -> dict[str, Node]:
    given = {"DomainName": "", "HostedZoneId": "", "CertificateArn": "", "CdnPriceClass": ""}
    nested = template_file.read(ROOT / "infra" / "front.yaml")
    return under(nested, **given | {"FirewallRequestsPerFiveMinutes": "0"} | parameters)


def distribution(**parameters: str) -> Node:
    return front(**CDN | parameters)["Cdn"]["Properties"]["DistributionConfig"]


def kinds(resources: dict[str, Node]) -> set[str]:
    return {node["Type"].removeprefix("AWS::") for node in resources.values()}


def routes(of_function: str | None = None) -> set[str]:
    """Return the paths of GET routes, with something in their variables' places."""
    resources = template_file.read(ROOT / "template.yaml")["Resources"]
    return {
        event["Properties"]["Path"].replace("{proxy+}", "x/y").replace("{", "").replace("}", "")
        for name, node in resources.items()
        if node["Type"] == "AWS::Serverless::Function" and of_function in {None, name}
        for event in node["Properties"].get("Events", {}).values()
        if event["Type"] == "Api" and event["Properties"]["Method"] == "GET"
    }


def run_function(event: Node) -> Node:
    """Run CloudFront's function by the Node that Playwright brings."""
    code = front(**CDN)["StateReaderAddress"]["Properties"]["FunctionCode"]
    node, _ = compute_driver_executable()
    script = f"{code}\nconsole.log(JSON.stringify(handler({json.dumps(event)})))"
    ran = subprocess.run([node, "-e", script], check=True, capture_output=True, text=True)
    return json.loads(ran.stdout)


def test_without_being_asked_for_there_is_none(template: Node) -> None:
    assert "Front" not in under(template)
    assert "CdnSecret" not in under(template, **DOMAIN)
    assert not [kind for kind in kinds(front(**DOMAIN)) if kind.startswith("CloudFront::")]


def test_what_is_public_is_kept_and_no_other_route_is() -> None:
    patterns = [each["PathPattern"] for each in distribution()["CacheBehaviors"]]

    kept = {path for path in routes() if any(fnmatchcase(path, each) for each in patterns)}

    # Nor is an old path of an issue, which any path may be, nor a link, whose every click counts.
    assert kept == routes("ArchiveFunction") - {"/x/y", "/go/issue/number"} | {"/embed.js"}
    assert "/images/file" in kept


def test_what_is_kept_depends_on_nothing_of_a_reader() -> None:
    resources = front(**CDN)
    policy = resources["PublicContent"]["Properties"]["CachePolicyConfig"]
    request = resources["FormatOnly"]["Properties"]["OriginRequestPolicyConfig"]
    key = policy["ParametersInCacheKeyAndForwardedToOrigin"]

    # Without Cache-Control nothing is kept; with a least time, even `no-store` would be.
    assert (policy["MinTTL"], policy["DefaultTTL"]) == (0, 0)
    for each in (key, request):
        assert each["CookiesConfig"] == {"CookieBehavior": "none"}
        assert each["QueryStringsConfig"] == {"QueryStringBehavior": "none"}
    assert key["HeadersConfig"] == {"HeaderBehavior": "none"}
    # Only the form of an error depends on it, and errors are not kept.
    assert request["HeadersConfig"] == {"HeaderBehavior": "whitelist", "Headers": ["Accept"]}
    for behavior in distribution()["CacheBehaviors"]:
        assert behavior["CachePolicyId"] == {"Ref": "PublicContent"}
        assert behavior["OriginRequestPolicyId"] == {"Ref": "FormatOnly"}
        assert "AllowedMethods" not in behavior  # GET and HEAD
        assert "FunctionAssociations" not in behavior  # each call of it would cost


def test_all_the_rest_passes_and_is_never_kept() -> None:
    behavior = distribution()["DefaultCacheBehavior"]

    assert MANAGED[behavior["CachePolicyId"]] == "CachingDisabled"
    assert MANAGED[behavior["OriginRequestPolicyId"]] == "AllViewerExceptHostHeader"
    assert {"POST", "PUT", "PATCH", "DELETE"} < set(behavior["AllowedMethods"])


def test_an_error_is_kept_for_nobody_else() -> None:
    errors = {
        each["ErrorCode"]: each["ErrorCachingMinTTL"]
        for each in distribution()["CustomErrorResponses"]
    }

    assert errors == dict.fromkeys(KEPT_ERRORS, 0)


def test_a_reader_s_address_is_believed_and_not_what_the_reader_states(
    template: Node, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = boto3.client("secretsmanager").create_secret(Name="cdn", SecretString="s3cret")["ARN"]
    function = under(template, **CDN)["SubscribeFunction"]["Properties"]
    variables = function["Environment"]["Variables"]
    (origin,) = distribution()["Origins"]
    (of_cloudfront,) = origin["OriginCustomHeaders"]
    assert variables["PROXY_SECRET_ARN"] == {"Ref": "CdnSecret"}
    assert of_cloudfront["HeaderValue"] == {"Fn::Sub": SECRET_REFERENCE}
    monkeypatch.setenv("PROXY_SECRET_ARN", arn)
    monkeypatch.setenv("PROXY_ADDRESS_HEADER", variables["PROXY_ADDRESS_HEADER"])
    forget_what_was_read()

    stated = {"x-reader-address": {"value": "203.0.113.66"}, "accept": {"value": "text/html"}}
    passed = run_function({"viewer": {"ip": READER}, "request": {"headers": stated}})
    headers = {name: header["value"] for name, header in passed["headers"].items()}
    through = Request.parse(
        api_event(
            "POST",
            "/subscriptions",
            headers=headers | {of_cloudfront["HeaderName"]: "s3cret"},
            source=PEER,
        )
    )
    past = Request.parse(api_event("POST", "/subscriptions", headers=headers, source=PEER))

    assert headers["accept"] == "text/html"
    assert through.origin.source_address.root == READER
    assert past.origin.source_address.root == PEER


def test_it_speaks_tls_to_both_sides_and_ipv6_to_readers() -> None:
    found = distribution(**WITH_DOMAIN)
    (origin,) = found["Origins"]

    assert found["ViewerCertificate"] == {
        "AcmCertificateArn": CERTIFICATE,
        "SslSupportMethod": "sni-only",
        "MinimumProtocolVersion": "TLSv1.2_2021",
    }
    assert origin["CustomOriginConfig"] == {
        "OriginProtocolPolicy": "https-only",
        "OriginSSLProtocols": ["TLSv1.2"],
    }
    assert origin["OriginPath"] == {"Fn::Sub": "/${StageName}"}
    assert (found["HttpVersion"], found["IPV6Enabled"]) == ("http2and3", True)
    behaviors = [found["DefaultCacheBehavior"], *found["CacheBehaviors"]]
    assert {each["ViewerProtocolPolicy"] for each in behaviors} == {"redirect-to-https"}


def test_the_domain_s_record_is_turned_to_it_and_back() -> None:
    before, after = front(**DOMAIN), front(**WITH_DOMAIN)

    # The same resource, or CloudFormation would make the second while the first still stands.
    for resources, target in ((before, "Domain.RegionalDomainName"), (after, "Cdn.DomainName")):
        record = resources["AddressRecord"]["Properties"]
        assert record["AliasTarget"]["DNSName"] == {"Fn::GetAtt": target.split(".")}
    assert after["AddressRecordOfIPv6"]["Properties"]["Type"] == "AAAA"
    assert after["Cdn"]["Properties"]["DistributionConfig"]["Aliases"] == ["news.page.example"]
    assert not kinds(after) & {"ApiGateway::DomainName", "CertificateManager::Certificate"}


def test_without_a_domain_it_has_cloudfront_s_name_and_certificate() -> None:
    found = distribution()

    assert "Aliases" not in found
    assert found["ViewerCertificate"] == {"CloudFrontDefaultCertificate": True}
    assert not [kind for kind in kinds(front(**CDN)) if kind.startswith("Route53::")]


@pytest.mark.parametrize(
    "parameters", [CDN, WITH_DOMAIN, WITH_DOMAIN | {"HostedZoneId": ""}], ids=["none", "own", "dns"]
)
def test_a_cdn_with_all_it_needs_is_taken(template: Node, parameters: dict[str, str]) -> None:
    assert refusals(template, **parameters) == []


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        (CDN | DOMAIN, "With CdnPriceClass, DomainName needs CdnCertificateArn"),
        (
            CDN | {"ProxySecretArn": "arn:aws:x", "ProxyAddressHeader": "X-Real-IP"},
            "CdnPriceClass makes a secret of its own",
        ),
        (CDN | {"FirewallRequestsPerFiveMinutes": "1000"}, "FirewallRequestsPerFiveMinutes counts"),
    ],
    ids=["no certificate", "another proxy", "a firewall"],
)
def test_a_cdn_that_could_not_work_is_refused_with_what_to_give(
    template: Node, parameters: dict[str, str], says: str
) -> None:
    (said,) = refusals(template, **parameters)

    assert said.startswith(says)


@pytest.mark.parametrize(
    ("arn", "taken"), [(CERTIFICATE, True), (CERTIFICATE.replace("us-east-1", "eu-west-1"), False)]
)
def test_a_certificate_of_another_region_is_refused(
    template: Node,
    arn: str,
    taken: bool,  # noqa: FBT001
) -> None:
    pattern = template["Parameters"]["CdnCertificateArn"]["AllowedPattern"]
    assert bool(re.search(pattern, arn)) == taken
