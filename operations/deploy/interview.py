"""The six questions of a first deployment, with what is known before each and checked after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer
from pydantic import ValidationError
from rich.table import Table

from broadsheet.domain.newsletter import Newsletter
from broadsheet.domain.subscribers import MailAddress
from broadsheet.web import sentences
from broadsheet.web.body import invalid_fields
from operations.console import console
from operations.deploy import account, expected_bill, regions
from operations.deploy.account import Unchecked
from operations.deploy.answers import Answers
from operations.deploy.parameters import Refused, checked
from operations.deploy.questions import Question, ask, of_parameter
from operations.deploy.regions import Region

if TYPE_CHECKING:
    from collections.abc import Mapping

    from operations.deploy.account import Zone

NEW_DATABASE = "new"
NO_DOMAIN = "none"
PREFERRED_REGION = "eu-central-1"


@dataclass(frozen=True)
class Given:
    """What flags answer already; ``None`` is asked for."""

    newsletter_name: str | None = None
    sender_name: str | None = None
    sender_address: str | None = None
    domain: str | None = None
    hosted_zone_id: str | None = None
    certificate_arn: str | None = None
    region: str | None = None
    operator_address: str | None = None
    database: str | None = None


def interview(given: Given, before: Mapping[str, str], region: str | None, readers: int) -> Answers:
    """Ask what ``given`` leaves open. Raises ``Refused``.

    ``before``: the parameters of an earlier attempt, which become the defaults; ``region``: the one
    that the environment names; ``readers``: whom the regions' prices are for.
    """
    newsletter, sender_name = _newsletter(given, before)
    address = _sender_address(given, before)
    sender_name = _fitting_sender_name(given, newsletter, sender_name, address)
    domain, zone_id, certificate = _domain(given, before, address.rpartition("@")[2].lower())
    region = _region(given, certificate, region, readers)
    sender_domain = _missing_identity(address, region)
    operator = _operator(given, before)
    secret = _database(given, before, region)
    return Answers(
        newsletter_name=newsletter,
        sender_name=sender_name,
        sender_address=address,
        sender_domain=sender_domain,
        domain_name=domain,
        hosted_zone_id=zone_id,
        certificate_arn=certificate,
        region=region,
        operator_address=operator,
        database_secret_arn=secret,
    )


def _newsletter(given: Given, before: Mapping[str, str]) -> tuple[str, str]:
    _head(1, "The newsletter", "Its name is on the pages and in the mails.")
    name = ask(
        Question(
            "What is it called?",
            "--newsletter-name",
            of_parameter("NewsletterName"),
            before.get("NewsletterName", ""),
        ),
        given.newsletter_name,
    )
    sender = ask(
        Question(
            "Whose name do inboxes show beside the address?",
            "--sender-name",
            of_parameter("SenderName"),
            before.get("SenderName", name),
        ),
        given.sender_name,
    )
    return name, sender


def _sender_address(given: Given, before: Mapping[str, str]) -> str:
    _head(2, "The sender's address", "In a domain whose DNS you can edit, as letters@example.com.")

    def parse(text: str) -> str:
        address = checked("SenderAddress", text)
        checked("SenderDomain", address.rpartition("@")[2].lower())
        try:
            MailAddress(address)
        except ValidationError as error:
            raise _refused(error) from error
        return address

    question = Question(
        "Which address does the mail come from?",
        "--sender-address",
        parse,
        before.get("SenderAddress", ""),
    )
    return ask(question, given.sender_address)


def _fitting_sender_name(given: Given, newsletter: str, sender_name: str, address: str) -> str:
    """Return a sender's name that fits into a From together with the address.

    Only migrate checks it after this, when the database is made already.
    """

    def parse(text: str) -> str:
        name = checked("SenderName", text)
        try:
            Newsletter(name=newsletter, sender=MailAddress(address), sender_name=name)
        except ValidationError as error:
            raise _refused(error) from error
        return name

    try:
        return parse(sender_name)
    except Refused as error:
        if given.sender_name is None:
            _warn(f"{error}.")
        return ask(
            Question("Which shorter name do inboxes show?", "--sender-name", parse),
            given.sender_name,
        )


def _refused(error: ValidationError) -> Refused:
    return Refused("; ".join(sentences.of_fields(invalid_fields(error).fields).values()))


def _domain(given: Given, before: Mapping[str, str], sender_domain: str) -> tuple[str, str, str]:
    """Return the pages' domain, with its zone or its certificate."""
    _head(
        3,
        "The domain of the pages and links",
        "Mail filters trust links to the sender's own domain. It needs a zone in Route 53, or a\n"
        f"certificate of ACM. “{NO_DOMAIN}” is API Gateway's own address, which can change later.",
    )
    zones = _zones()
    is_ours = account.most_exact(zones or [], sender_domain)
    offered = f"news.{sender_domain}" if is_ours else NO_DOMAIN

    def parse(text: str) -> str:
        return checked("DomainName", "" if text == NO_DOMAIN else text)

    question = Question("Which domain?", "--domain", parse, before.get("DomainName", offered))
    domain = ask(question, given.domain)
    if not domain:
        return "", "", ""
    if given.hosted_zone_id is not None:
        return domain, _zone_id(given.hosted_zone_id, zones, domain), ""
    zone = account.most_exact(zones or [], domain)
    if zone and not given.certificate_arn:
        _good(
            f"The zone {zone.name} ({zone.zone_id}) is in this account: "
            "certificate and records are made for you."
        )
        return domain, zone.zone_id, ""
    return domain, "", _certificate(given, before, domain)


def _zones() -> list[Zone] | None:
    """Return the account's zones; None when they can't be looked for."""
    try:
        return account.zones()
    except Unchecked as error:
        _warn(f"Zones in Route 53 can't be looked for; --hosted-zone-id names one. {error}.")
        return None


def _zone_id(given: str, zones: list[Zone] | None, domain: str) -> str:
    def parse(text: str) -> str:
        zone_id = of_parameter("HostedZoneId", is_required=True)(text)
        if zones is not None:
            account.require_zone(zones, zone_id, domain)
        return zone_id

    return ask(Question("", "--hosted-zone-id", parse), given)


def _certificate(given: Given, before: Mapping[str, str], domain: str) -> str:
    if given.certificate_arn is None:
        _warn(f"No zone that is known holds {domain}, so that it needs a certificate of ACM.")

    def parse(text: str) -> str:
        arn = of_parameter("CertificateArn", is_required=True)(text)
        try:
            account.require_certificate(arn, domain)
        except Unchecked as error:
            _warn(f"The certificate could not be looked at: {error}.")
        return arn

    question = Question(
        "Which certificate (its ARN)?",
        "--certificate-arn",
        parse,
        before.get("CertificateArn", ""),
    )
    return ask(question, given.certificate_arn)


def _region(given: Given, certificate: str, environment: str | None, readers: int) -> str:
    _head(4, "The region", "Identities, quotas and production access of SES are a region's own.")
    at_hand = certificate.split(":")[3] if certificate else environment
    if at_hand not in regions.with_ses():
        at_hand = None
    if given.region is None:
        _show_regions(at_hand, readers)

    def parse(text: str) -> str:
        region = regions.checked(text)
        if certificate and certificate.split(":")[3] != region:
            raise Refused(
                f"the certificate is in {certificate.split(':')[3]}, and no other will do"
            )
        return region

    question = Question("Which region?", "--region", parse, at_hand or PREFERRED_REGION)
    region = ask(question, given.region)
    _good(f"SES is in {region}.")
    return region


def _show_regions(at_hand: str | None, readers: int) -> None:
    table = Table(box=None, show_header=False)
    reasons = {each.name: each for each in regions.WORTH_A_LOOK}
    first = reasons.pop(at_hand, Region(at_hand, "", "")) if at_hand else None
    for each in filter(None, [first, *reasons.values()]):
        reason = f"at hand; {each.reason}" if each is first else each.reason
        table.add_row(
            each.name, each.place, expected_bill.monthly(readers, each.name), reason.rstrip("; ")
        )
    console().print(table)


def _missing_identity(address: str, region: str) -> str:
    """Return the domain whose identity the stack makes; none when SES knows the sender already."""
    domain = address.rpartition("@")[2].lower()
    try:
        found = account.identity_of(address, region)
    except Unchecked as error:
        # An identity that exists would fail the deployment, where a missing one only delays mail.
        _warn(f"{error}. SES is taken to know {domain}; doctor looks again afterwards.")
        return ""
    if found and found.is_domain:
        _good(f"SES in {region} knows {found.name} already: the stack leaves it as it is.")
        return ""
    if found:
        _warn(f"SES in {region} knows only the address {found.name}, which nothing signs.")
    _good(f"The stack makes SES's identity for {domain}; its DNS records are shown at the end.")
    return checked("SenderDomain", domain)


def _operator(given: Given, before: Mapping[str, str]) -> str:
    _head(
        5,
        "Your own address",
        "Alarms go there, and a warning when the month's bill grows. Empty, nobody is warned.",
    )
    question = Question(
        "Which address?",
        "--operator-address",
        of_parameter("OperatorAddress"),
        before.get("OperatorAddress", ""),
    )
    return ask(question, given.operator_address)


def _database(given: Given, before: Mapping[str, str], region: str) -> str:
    """Return the secret of an existing database, or nothing for a new one."""
    _head(
        6,
        "The database",
        f"“{NEW_DATABASE}” is an Aurora that sleeps when nobody asks. Or the ARN of a secret that\n"
        "holds the address of a PostgreSQL of yours (16 or later).",
    )

    def parse(text: str) -> str:
        if text == NEW_DATABASE:
            regions.require_certificates(region)
            return ""
        arn = of_parameter("DatabaseUrlSecretArn", is_required=True)(text)
        try:
            account.require_secret(arn, region)
        except Unchecked as error:
            _warn(f"The secret could not be looked at: {error}.")
        return arn

    default = before.get("DatabaseUrlSecretArn", NEW_DATABASE)
    return ask(Question("Which database?", "--database", parse, default), given.database)


def _head(number: int, title: str, text: str) -> None:
    typer.echo(f"\n{number}/6  {title}\n{text}")


def _good(text: str) -> None:
    typer.echo(f"  ok  {text}")


def _warn(text: str) -> None:
    typer.echo(f"  !   {text}")
