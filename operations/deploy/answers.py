"""What the six questions are answered with, and the parameters that follow from it."""

from pydantic import BaseModel, ConfigDict

QUESTIONED = {  # the template's parameters, each with the answer that sets it
    "NewsletterName": "newsletter_name",
    "SenderName": "sender_name",
    "SenderAddress": "sender_address",
    "SenderDomain": "sender_domain",
    "DomainName": "domain_name",
    "HostedZoneId": "hosted_zone_id",
    "CertificateArn": "certificate_arn",
    "OperatorAddress": "operator_address",
    "DatabaseUrlSecretArn": "database_secret_arn",
}


class Answers(BaseModel):
    """A first deployment's choices; an empty text is "none", as in the template."""

    model_config = ConfigDict(frozen=True)

    newsletter_name: str
    sender_name: str
    sender_address: str
    sender_domain: str = ""  # only when the stack makes the domain's identity in SES
    domain_name: str = ""
    hosted_zone_id: str = ""
    certificate_arn: str = ""
    region: str
    operator_address: str = ""
    database_secret_arn: str = ""  # empty, the stack makes its own database

    @property
    def makes_database(self) -> bool:
        """Whether the stack makes an Aurora of its own."""
        return not self.database_secret_arn

    def parameters(self) -> dict[str, str]:
        """Return the template's parameters; what is empty keeps the template's default."""
        values = {name: getattr(self, field) for name, field in QUESTIONED.items()}
        return {name: value for name, value in values.items() if value}
