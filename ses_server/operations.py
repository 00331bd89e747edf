"""The operations of SES that the server speaks: a table of names, paths and functions."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from ses_server import administration, requests, sending
from ses_server.caller import Caller

ACCOUNT = "/v2/email/account"
IDENTITY = "/v2/email/identities/{EmailIdentity}"
SUPPRESSIONS = "/v2/email/suppression/addresses"
CONFIGURATION_SETS = "/v2/email/configuration-sets"
CONFIGURATION_SET = f"{CONFIGURATION_SETS}/{{ConfigurationSetName}}"


@dataclass(frozen=True)
class Operation:
    """An operation of SES; ``method`` and ``path`` are those of botocore's model.

    ``function`` gets the caller, the members in the path, and the parsed ``body``, if any.
    """

    name: str
    method: str
    path: str
    function: Callable[..., dict[str, object]]
    body: type[requests.Shape] | None = None
    reads_query: bool = False

    def answer(self, caller: Caller, request: web.Request, body: bytes) -> dict[str, object]:
        """Answer a call; raises ``SesError``."""
        arguments: list[object] = [request.match_info[name] for name in self.path_members]
        if self.body:
            arguments.append(self.body.parse(body))
        if self.reads_query:
            arguments.append(request.query)
        return self.function(caller, *arguments)

    @property
    def path_members(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)


OPERATIONS = (
    Operation(
        "SendEmail", "POST", "/v2/email/outbound-emails", sending.send_email, requests.SendEmail
    ),
    Operation(
        "SendBulkEmail",
        "POST",
        "/v2/email/outbound-bulk-emails",
        sending.send_bulk_email,
        requests.SendBulkEmail,
    ),
    Operation("GetAccount", "GET", ACCOUNT, administration.get_account),
    Operation(
        "PutAccountSendingAttributes",
        "PUT",
        f"{ACCOUNT}/sending",
        administration.put_account_sending_attributes,
        requests.SendingOptions,
    ),
    Operation(
        "PutAccountSuppressionAttributes",
        "PUT",
        f"{ACCOUNT}/suppression",
        administration.put_account_suppression_attributes,
        requests.SuppressionOptions,
    ),
    Operation(
        "CreateEmailIdentity",
        "POST",
        "/v2/email/identities",
        administration.create_email_identity,
        requests.CreateEmailIdentity,
    ),
    Operation(
        "ListEmailIdentities",
        "POST",
        "/v2/email/list-identities",
        administration.list_email_identities,
        requests.ListPage,
    ),
    Operation("GetEmailIdentity", "GET", IDENTITY, administration.get_email_identity),
    Operation("DeleteEmailIdentity", "DELETE", IDENTITY, administration.delete_email_identity),
    Operation(
        "PutEmailIdentityMailFromAttributes",
        "PUT",
        f"{IDENTITY}/mail-from",
        administration.put_mail_from,
        requests.PutEmailIdentityMailFrom,
    ),
    Operation(
        "PutEmailIdentityFeedbackAttributes",
        "PUT",
        f"{IDENTITY}/feedback",
        administration.put_feedback,
        requests.PutEmailIdentityFeedback,
    ),
    Operation(
        "PutSuppressedDestination",
        "PUT",
        SUPPRESSIONS,
        administration.put_suppressed_destination,
        requests.PutSuppressedDestination,
    ),
    Operation(
        "ListSuppressedDestinations",
        "GET",
        SUPPRESSIONS,
        administration.list_suppressed_destinations,
        reads_query=True,
    ),
    Operation(
        "GetSuppressedDestination",
        "GET",
        f"{SUPPRESSIONS}/{{EmailAddress}}",
        administration.get_suppressed_destination,
    ),
    Operation(
        "DeleteSuppressedDestination",
        "DELETE",
        f"{SUPPRESSIONS}/{{EmailAddress}}",
        administration.delete_suppressed_destination,
    ),
    Operation(
        "CreateConfigurationSet",
        "POST",
        CONFIGURATION_SETS,
        administration.create_configuration_set,
        requests.CreateConfigurationSet,
    ),
    Operation(
        "ListConfigurationSets",
        "POST",
        "/v2/email/list-configuration-sets",
        administration.list_configuration_sets,
        requests.ListPage,
    ),
    Operation(
        "GetConfigurationSet", "GET", CONFIGURATION_SET, administration.get_configuration_set
    ),
    Operation(
        "PutConfigurationSetSendingOptions",
        "PUT",
        f"{CONFIGURATION_SET}/sending",
        administration.put_configuration_set_sending_options,
        requests.SendingOptions,
    ),
    Operation(
        "PutConfigurationSetSuppressionOptions",
        "PUT",
        f"{CONFIGURATION_SET}/suppression-options",
        administration.put_configuration_set_suppression_options,
        requests.SuppressionOptions,
    ),
    Operation(
        "CreateConfigurationSetEventDestination",
        "POST",
        f"{CONFIGURATION_SET}/event-destinations",
        administration.create_event_destination,
        requests.CreateEventDestination,
    ),
    Operation(
        "GetConfigurationSetEventDestinations",
        "GET",
        f"{CONFIGURATION_SET}/event-destinations",
        administration.get_event_destinations,
    ),
    Operation(
        "DeleteConfigurationSetEventDestination",
        "DELETE",
        f"{CONFIGURATION_SET}/event-destinations/{{EventDestinationName}}",
        administration.delete_event_destination,
    ),
    Operation(
        "DeleteConfigurationSet",
        "DELETE",
        CONFIGURATION_SET,
        administration.delete_configuration_set,
    ),
)
