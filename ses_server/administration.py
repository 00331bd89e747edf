"""The operations that send nothing: account, identities, suppressions, configuration sets."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from multidict import MultiMapping

from ses_server import account, addresses, mails
from ses_server.account import ALL_REASONS, ConfigurationSet, Proof
from ses_server.caller import Caller
from ses_server.errors import SesError, already_exists, bad_request, not_found
from ses_server.requests import (
    CreateConfigurationSet,
    CreateEmailIdentity,
    CreateEventDestination,
    ListPage,
    PutEmailIdentityFeedback,
    PutEmailIdentityMailFrom,
    PutSuppressedDestination,
    SendingOptions,
    SuppressionOptions,
)

MAX_PAGE = 1000


def get_account(caller: Caller) -> dict[str, object]:
    is_sending_enabled = account.is_sending_enabled(caller.connection)
    return {
        "DedicatedIpAutoWarmupEnabled": False,
        "EnforcementStatus": caller.account.enforcement_status,
        "ProductionAccessEnabled": caller.account.production_access,
        "SendQuota": {
            "Max24HourSend": float(caller.account.max_24_hour_send),
            "MaxSendRate": float(caller.account.max_send_rate),
            "SentLast24Hours": float(
                mails.sent_last_24_hours(caller.connection, datetime.now(UTC))
            ),
        },
        "SendingEnabled": is_sending_enabled,
        "SuppressionAttributes": {
            "SuppressedReasons": list(account.suppressed_reasons(caller.connection))
        },
    }


def put_account_sending_attributes(caller: Caller, request: SendingOptions) -> dict[str, object]:
    account.enable_sending(caller.connection, enabled=request.sending_enabled)
    return {}


def put_account_suppression_attributes(
    caller: Caller, request: SuppressionOptions
) -> dict[str, object]:
    account.put_suppressed_reasons(caller.connection, request.suppressed_reasons or ())
    return {}


def create_email_identity(caller: Caller, request: CreateEmailIdentity) -> dict[str, object]:
    """Add an address or a domain, which is verified at once."""
    identity = request.email_identity
    addresses.parse(identity if "@" in identity else f"postmaster@{identity}")
    if not account.verify_identity(caller.connection, identity, request.configuration_set_name):
        raise already_exists(f"Email identity {identity} already exist.")
    return {"IdentityType": _identity_type(identity), "VerifiedForSendingStatus": True}


def get_email_identity(caller: Caller, identity: str) -> dict[str, object]:
    found = account.find_identity(caller.connection, identity)
    if found is None:
        raise not_found(f"Email identity {identity} does not exist.")
    proof = account.proof_of(caller.connection, identity)
    answer: dict[str, object] = {
        "IdentityType": _identity_type(identity),
        "FeedbackForwardingStatus": proof.forwards_feedback,
        "VerifiedForSendingStatus": proof.verification == "SUCCESS",
        "VerificationStatus": proof.verification,
        "DkimAttributes": _dkim(identity, proof),
        "Policies": {},
        "Tags": [],
    }
    if proof.mail_from_domain:
        answer["MailFromAttributes"] = {
            "MailFromDomain": proof.mail_from_domain,
            "MailFromDomainStatus": proof.mail_from,
            "BehaviorOnMxFailure": "USE_DEFAULT_VALUE",
        }
    if found["configuration_set"]:
        answer["ConfigurationSetName"] = found["configuration_set"]
    return answer


def put_mail_from(
    caller: Caller, identity: str, request: PutEmailIdentityMailFrom
) -> dict[str, object]:
    """Set the custom MAIL FROM domain; like an identity, it is verified at once."""
    domain = request.mail_from_domain or None
    return _change_proof(caller, identity, mail_from_domain=domain, mail_from="SUCCESS")


def put_feedback(
    caller: Caller, identity: str, request: PutEmailIdentityFeedback
) -> dict[str, object]:
    """Set whether SES also mails bounces and complaints to the sender; this server never does."""
    return _change_proof(caller, identity, forwards_feedback=request.email_forwarding_enabled)


def _change_proof(caller: Caller, identity: str, **changed: Any) -> dict[str, object]:  # noqa: ANN401
    if account.find_identity(caller.connection, identity) is None:
        raise not_found(f"Email identity {identity} does not exist.")
    proof = account.proof_of(caller.connection, identity)
    account.put_proof(caller.connection, identity, replace(proof, **changed))
    return {}


def _dkim(identity: str, proof: Proof) -> dict[str, object]:
    if "@" in identity:  # an address has no DNS to publish keys in
        return {"SigningEnabled": False, "Status": "NOT_STARTED"}
    return {
        "SigningEnabled": True,
        "Status": proof.dkim,
        "Tokens": account.dkim_tokens(identity),
        "SigningAttributesOrigin": "AWS_SES",
    }


def list_email_identities(caller: Caller, page: ListPage) -> dict[str, object]:
    limit = _limit(page.page_size)
    names = account.list_identities(caller.connection, after=page.next_token, limit=limit + 1)
    identities = [
        {
            "IdentityName": name,
            "IdentityType": _identity_type(name),
            "SendingEnabled": verification == "SUCCESS",
            "VerificationStatus": verification,
        }
        for name in names[:limit]
        for verification in [account.proof_of(caller.connection, name).verification]
    ]
    return {"EmailIdentities": identities, **_next(names, limit)}


def delete_email_identity(caller: Caller, identity: str) -> dict[str, object]:
    if not account.delete_identity(caller.connection, identity):
        raise not_found(f"Email identity {identity} does not exist.")
    return {}


def put_suppressed_destination(
    caller: Caller, request: PutSuppressedDestination
) -> dict[str, object]:
    address = addresses.parse(request.email_address)
    account.suppress(caller.connection, address, request.reason)
    return {}


def get_suppressed_destination(caller: Caller, address: str) -> dict[str, object]:
    found = account.find_suppression(caller.connection, address)
    if found is None:
        raise _not_suppressed(address)
    return {"SuppressedDestination": _suppression(found)}


def list_suppressed_destinations(caller: Caller, query: MultiMapping[str]) -> dict[str, object]:
    """List by address; the server doesn't know ``StartDate`` and ``EndDate``."""
    if unknown := set(query) & {"StartDate", "EndDate", "TenantName"}:
        raise bad_request(f"{', '.join(sorted(unknown))} not known to the local SES server")
    size = query.get("PageSize")
    if size is not None and not size.isdecimal():
        raise bad_request("PageSize must be a number")
    limit = _limit(None if size is None else int(size))
    found = account.list_suppressions(
        caller.connection,
        query.getall("Reason", ALL_REASONS),
        after=query.get("NextToken"),
        limit=limit + 1,
    )
    return {
        "SuppressedDestinationSummaries": [_suppression(one) for one in found[:limit]],
        **_next([one.address for one in found], limit),
    }


def delete_suppressed_destination(caller: Caller, address: str) -> dict[str, object]:
    if not account.delete_suppression(caller.connection, address):
        raise _not_suppressed(address)
    return {}


def create_configuration_set(caller: Caller, request: CreateConfigurationSet) -> dict[str, object]:
    """Create a set; only its sending and suppression options have an effect."""
    name = request.configuration_set_name
    if account.find_configuration_set(caller.connection, name):
        raise already_exists(f"Configuration set <{name}> already exists.")
    sending, suppression = request.sending_options, request.suppression_options
    account.put_configuration_set(
        caller.connection,
        ConfigurationSet(
            name=name,
            sending_enabled=sending.sending_enabled if sending else True,
            suppressed_reasons=_reasons(suppression),
        ),
    )
    return {}


def get_configuration_set(caller: Caller, name: str) -> dict[str, object]:
    found = _configuration_set(caller, name)
    answer: dict[str, object] = {
        "ConfigurationSetName": found.name,
        "SendingOptions": {"SendingEnabled": found.sending_enabled},
        "Tags": [],
    }
    if found.suppressed_reasons is not None:
        answer["SuppressionOptions"] = {"SuppressedReasons": list(found.suppressed_reasons)}
    return answer


def list_configuration_sets(caller: Caller, page: ListPage) -> dict[str, object]:
    limit = _limit(page.page_size)
    names = account.list_configuration_sets(
        caller.connection, after=page.next_token, limit=limit + 1
    )
    return {"ConfigurationSets": names[:limit], **_next(names, limit)}


def put_configuration_set_sending_options(
    caller: Caller, name: str, request: SendingOptions
) -> dict[str, object]:
    found = _configuration_set(caller, name)
    account.put_configuration_set(
        caller.connection, replace(found, sending_enabled=request.sending_enabled)
    )
    return {}


def put_configuration_set_suppression_options(
    caller: Caller, name: str, request: SuppressionOptions
) -> dict[str, object]:
    found = _configuration_set(caller, name)
    account.put_configuration_set(
        caller.connection, replace(found, suppressed_reasons=_reasons(request))
    )
    return {}


def create_event_destination(
    caller: Caller, name: str, request: CreateEventDestination
) -> dict[str, object]:
    """Store a destination, to be returned; the control API sets where events really go."""
    _configuration_set(caller, name)
    if not account.put_configured_destination(
        caller.connection,
        name,
        request.event_destination_name,
        request.event_destination.model_dump_json(by_alias=True, exclude_none=True),
    ):
        raise already_exists(
            f"Event destination <{request.event_destination_name}> already exists."
        )
    return {}


def get_event_destinations(caller: Caller, name: str) -> dict[str, object]:
    _configuration_set(caller, name)
    found = account.configured_destinations(caller.connection, name)
    return {"EventDestinations": [{"Name": one, **found[one]} for one in found]}


def delete_event_destination(
    caller: Caller, name: str, event_destination: str
) -> dict[str, object]:
    _configuration_set(caller, name)
    if not account.delete_configured_destination(caller.connection, name, event_destination):
        raise not_found(f"Event destination <{event_destination}> does not exist.")
    return {}


def delete_configuration_set(caller: Caller, name: str) -> dict[str, object]:
    if not account.delete_configuration_set(caller.connection, name):
        raise _no_configuration_set(name)
    return {}


def _configuration_set(caller: Caller, name: str) -> ConfigurationSet:
    found = account.find_configuration_set(caller.connection, name)
    if found is None:
        raise _no_configuration_set(name)
    return found


def _no_configuration_set(name: str) -> SesError:
    return not_found(f"Configuration set <{name}> does not exist.")


def _reasons(options: SuppressionOptions | None) -> tuple[str, ...] | None:
    if options is None or options.suppressed_reasons is None:
        return None
    return tuple(options.suppressed_reasons)


def _not_suppressed(address: str) -> SesError:
    return not_found(f"Email address {address} does not exist on your suppression list.")


def _suppression(found: account.Suppression) -> dict[str, object]:
    return {
        "EmailAddress": found.address,
        "Reason": found.reason,
        "LastUpdateTime": found.updated_at,
    }


def _identity_type(identity: str) -> str:
    return "EMAIL_ADDRESS" if "@" in identity else "DOMAIN"


def _limit(page_size: int | None) -> int:
    if page_size is None:
        return MAX_PAGE
    if not 1 <= page_size <= MAX_PAGE:
        raise bad_request(f"PageSize must be from 1 to {MAX_PAGE}")
    return page_size


def _next(names: Sequence[str], limit: int) -> dict[str, str]:
    return {"NextToken": names[limit - 1]} if len(names) > limit else {}
