"""The sender: whether SES and those who receive its mail can verify the domain."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from broadsheet.domain.dmarc import is_reserved, nearest
from operations.doctor.findings import Finding, Verdict
from operations.doctor.stack_under_test import Identity, StackUnderTest

SPF = "v=spf1 include:amazonses.com -all"


def identity(target: StackUnderTest) -> Iterator[Finding]:
    """Check the identity: SES sends only as one that it verified."""
    found = target.identity
    create = f"  aws sesv2 create-email-identity --email-identity {target.sender_domain}"
    verdict, fix = Verdict.BAD, tuple[str, ...]()
    if found is None:
        says = f"SES in {target.region} has no identity for {target.sender_domain}."
        fix = (
            f"Deploy with SenderDomain={target.sender_domain}, or create the identity and",
            "run this again for its DNS records:",
            create,
        )
    elif not found.answer.get("VerifiedForSendingStatus"):
        status = found.answer.get("VerificationStatus", "PENDING").lower()
        says = f"{found.name} is not verified yet; SES says: {status}."
        fix = (
            "Add the DKIM records below to DNS; SES looks for them for 72 hours."
            if found.is_domain
            else "Follow the link in the mail that SES sent there, within 24 hours.",
        )
    elif not found.is_domain:
        says = (
            f"Only the address {found.name} is verified: its mail isn't signed by its domain, "
            "and Gmail and Yahoo refuse bulk mail without that signature."
        )
        fix = (
            "Create an identity for the whole domain, and run this again for its DNS records:",
            create,
        )
    else:
        verdict, says = Verdict.GOOD, f"{found.name} is verified in {target.region}."
    yield Finding(check="identity", verdict=verdict, says=says, fix=fix)


def forwarding(target: StackUnderTest) -> Iterator[Finding]:
    """Look whether SES also mails bounces and complaints to the sender, as it does by default."""
    found = target.identity
    if found is None:
        yield Finding(
            check="forwarding", verdict=Verdict.SKIPPED, says="There is no identity to look at."
        )
    elif found.answer.get("FeedbackForwardingStatus"):
        yield Finding(
            check="forwarding",
            verdict=Verdict.ADVICE,
            says=f"SES also mails each bounce and complaint to {target.sender}.",
            fix=(
                "The stack hears of them by SES's events. To be spared the mails:",
                (
                    "  aws sesv2 put-email-identity-feedback-attributes "
                    f"--no-email-forwarding-enabled --email-identity {found.name}"
                ),
            ),
        )
    else:
        yield Finding(
            check="forwarding",
            verdict=Verdict.GOOD,
            says="Bounces and complaints come as SES's events alone.",
        )


def dkim(target: StackUnderTest) -> Iterator[Finding]:
    """Check the DNS names that hold the domain's signing keys, which are aliases to SES."""
    found = target.identity
    if found is None or not found.is_domain:
        yield Finding(
            check="dkim",
            verdict=Verdict.BAD,
            says="There is no identity of a domain that could sign.",
        )
        return
    attributes = found.answer["DkimAttributes"]
    if not attributes.get("SigningEnabled"):
        yield Finding(
            check="dkim",
            verdict=Verdict.BAD,
            says=f"SES does not sign the mail of {found.name}.",
            fix=(
                (
                    "  aws sesv2 put-email-identity-dkim-attributes --signing-enabled "
                    f"--email-identity {found.name}"
                ),
            ),
        )
        return
    if is_reserved(found.name):
        yield _no_dns("dkim", found.name)
        return
    yield _missing_keys(target, found) or _judge_keys(found)


def _missing_keys(target: StackUnderTest, found: Identity) -> Finding | None:
    """Return which aliases of SES's keys DNS lacks; an operator's own key has no alias."""
    attributes = found.answer["DkimAttributes"]
    if attributes.get("SigningAttributesOrigin") == "EXTERNAL":
        return None
    zone = attributes.get("SigningHostedZone") or "dkim.amazonses.com"
    wanted = {
        f"{token}._domainkey.{found.name}": f"{token}.{zone}"
        for token in attributes.get("Tokens", [])
    }
    missing = {
        name: alias for name, alias in wanted.items() if alias not in target.dns.aliases(name)
    }
    if not missing:
        return None
    return Finding(
        check="dkim",
        verdict=Verdict.BAD,
        says=f"{len(missing)} of {len(wanted)} DKIM records are not in DNS.",
        fix=(
            "Add to DNS:",
            *(f"  {name}.  CNAME  {alias}." for name, alias in missing.items()),
        ),
    )


def _judge_keys(found: Identity) -> Finding:
    status = found.answer["DkimAttributes"].get("Status")
    if status == "SUCCESS":
        return Finding(check="dkim", verdict=Verdict.GOOD, says=f"Mail is signed by {found.name}.")
    return Finding(
        check="dkim",
        verdict=Verdict.BAD,
        says=f"SES has not seen the DKIM records; it says: {status}.",
        fix=("They are in DNS now: wait for SES to look again, up to 72 hours.",)
        if status == "PENDING"
        else ("Delete the identity and create it again, so that SES checks again.",),
    )


def spf(target: StackUnderTest) -> Iterator[Finding]:
    """Check the domain that bounces go to, which SPF is about: SES's own, until one is set."""
    found = target.identity
    domain = target.signing_domain
    attributes = found.answer.get("MailFromAttributes", {}) if found else {}
    if is_reserved(domain):
        yield _no_dns("spf", domain)
        return
    mail_from = attributes.get("MailFromDomain")
    if not mail_from:
        yield _no_mail_from(domain, target.region)
        return
    fault = _fault_of_mail_from(target, mail_from, attributes.get("MailFromDomainStatus"))
    if not fault:
        yield Finding(
            check="spf", verdict=Verdict.GOOD, says=f"Bounces go to {mail_from}, and SPF passes."
        )
        return
    yield Finding(
        check="spf",
        verdict=Verdict.BAD,
        says=fault,
        fix=(
            "Set in DNS, and nothing else for this name:",
            *_mail_from_records(mail_from, target.region),
        ),
    )


def _no_mail_from(domain: str, region: str) -> Finding:
    return Finding(
        check="spf",
        verdict=Verdict.ADVICE,
        says="Bounces go to amazonses.com: SPF passes for SES's domain and not for yours.",
        fix=(
            "Set a name of your own that is used for nothing else:",
            (
                "  aws sesv2 put-email-identity-mail-from-attributes "
                f"--email-identity {domain} --mail-from-domain bounces.{domain}"
            ),
            "and add to DNS:",
            *_mail_from_records(f"bounces.{domain}", region),
        ),
    )


def _fault_of_mail_from(target: StackUnderTest, mail_from: str, status: str | None) -> str | None:
    """Return what is wrong with the domain that bounces go to, in a sentence; else None."""
    server = f"feedback-smtp.{target.region}.amazonses.com"
    senders = [text for text in target.dns.texts(mail_from) if text.startswith("v=spf1")]
    if target.dns.mail_servers(mail_from) != [server]:
        return f"{mail_from} must have {server} as its only mail server."
    if len(senders) != 1 or "include:amazonses.com" not in senders[0].split():
        return f"{mail_from} must have one SPF record, which includes amazonses.com."
    if status != "SUCCESS":
        return f"SES has not seen the records of {mail_from}; it says: {status}."
    return None


def dmarc(target: StackUnderTest) -> Iterator[Finding]:
    """Check for a DMARC record, which Gmail and Yahoo require of bulk senders."""
    domain = target.sender_domain
    if is_reserved(domain):
        yield _no_dns("dmarc", domain)
        return
    name, records = nearest(domain, target.dns.texts)
    if len(records) > 1:
        yield Finding(
            check="dmarc",
            verdict=Verdict.BAD,
            says=f"{name} has {len(records)} DMARC records, so that receivers ignore them all.",
            fix=("Keep only one of:", *(f"  {name}.  TXT  {record!r}" for record in records)),
        )
        return
    if records:
        yield _judge_policy(name, records[0])
        return
    yield Finding(
        check="dmarc",
        verdict=Verdict.BAD,
        says=f"{domain} has no DMARC record, and Gmail and Yahoo refuse bulk mail without one.",
        fix=(
            "Add to DNS; make it stricter when its reports show that nothing else sends as you:",
            f'  _dmarc.{domain}.  TXT  "v=DMARC1; p=none; rua=mailto:dmarc@{domain}"',
        ),
    )


def _judge_policy(name: str, record: str) -> Finding:
    pairs = (part.partition("=") for part in record.split(";") if "=" in part)
    tags = {name.strip(): value.strip() for name, _, value in pairs}
    if tags.get("p") not in {"none", "quarantine", "reject"}:
        return Finding(
            check="dmarc",
            verdict=Verdict.BAD,
            says=f"{name} has a DMARC record without a valid policy: {record}",
            fix=(
                "Set p=none, p=quarantine or p=reject:",
                f'  {name}.  TXT  "v=DMARC1; p=none"',
            ),
        )
    return Finding(check="dmarc", verdict=Verdict.GOOD, says=f"{name} has the policy {tags['p']}.")


def postal_address(target: StackUnderTest) -> Iterator[Finding]:
    """Check for a postal address at the foot of mails, which some countries' laws ask for."""
    if target.stack.parameters.get("PostalAddress"):
        yield Finding(check="address", verdict=Verdict.GOOD, says="Mails have a postal address.")
    else:
        yield Finding(
            check="address",
            verdict=Verdict.ADVICE,
            says="Mails have no postal address; CAN-SPAM, for example, asks for one.",
            fix=("Deploy with PostalAddress, one line for the foot of each mail.",),
        )


def links(target: StackUnderTest) -> Iterator[Finding]:
    """Check where links lead: filters trust the sender's own domain, and one-click needs TLS."""
    if target.is_on_one_machine:
        yield Finding(
            check="links", verdict=Verdict.SKIPPED, says="This stack runs on one machine."
        )
        return
    address = urlsplit(target.links)
    host, home = address.hostname or "", target.signing_domain
    if address.scheme != "https":
        yield Finding(
            check="links",
            verdict=Verdict.BAD,
            says=f"Links in mails begin with {target.links}, and one-click needs https.",
            fix=("Deploy with a PublicUrl that begins with https://.",),
        )
    elif (cdn := target.stack.outputs.get("CdnUrl")) and ".execute-api." in host:
        yield Finding(
            check="links",
            verdict=Verdict.ADVICE,
            says=f"Links in mails lead past the CDN, to {host}.",
            fix=(f"Deploy with PublicUrl={cdn}, or with a DomainName and its CdnCertificateArn.",),
        )
    elif host != home and not host.endswith(f".{home}"):
        yield Finding(
            check="links",
            verdict=Verdict.ADVICE,
            says=f"Links in mails lead to {host}, which is not in {home}.",
            fix=(
                f"Deploy with a DomainName in it, news.{home} for example, and its HostedZoneId or",
                "CertificateArn. Links in mails already sent keep working.",
            ),
        )
    else:
        yield Finding(check="links", verdict=Verdict.GOOD, says=f"Links in mails lead to {host}.")


def _mail_from_records(domain: str, region: str) -> tuple[str, ...]:
    return (
        f"  {domain}.  MX   10 feedback-smtp.{region}.amazonses.com.",
        f'  {domain}.  TXT  "{SPF}"',
    )


def _no_dns(check: str, domain: str) -> Finding:
    return Finding(
        check=check,
        verdict=Verdict.SKIPPED,
        says=f"{domain} is a domain for examples, which has no DNS.",
    )
