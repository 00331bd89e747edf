"""What went wrong, as a sentence that says what to do: the one place for botocore's errors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable


class OperationFailed(Exception):
    """What was asked can't be done; the message is a sentence for the operator."""


# Of AWS: it could not be asked, or it refused.
type AwsError = BotoCoreError | ClientError | HTTPError
AWS_ERRORS = (BotoCoreError, ClientError, HTTPError)

NEW_CREDENTIALS = "Sign in again: `aws sso login`, or fetch new keys."
ACTION = re.compile(r"not authorized to perform: (\S+)")

EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
UNKNOWN = {
    *("InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch"),
    *("AuthFailure", "InvalidAccessKeyId", "InvalidSignatureException"),
}
DENIED = {
    *("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"),
    *("AuthorizationErrorException", "NotAuthorized"),
}
TOO_OFTEN = {
    *("Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"),
    *("ThrottledException", "RequestThrottled"),
}


def explain(error: AwsError) -> str:
    """Return what an operator can do about an error of AWS or of the network."""
    if isinstance(error, ClientError):
        return _refusal(error)
    for kinds, sentence in SENTENCES:
        if isinstance(error, kinds):
            return sentence(error)
    return f"AWS could not be asked: {error}"


def _refusal(error: ClientError) -> str:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code in EXPIRED:
        return f"Your credentials have expired. {NEW_CREDENTIALS}"
    if code in UNKNOWN:
        return (
            "AWS doesn't accept these credentials. `aws sts get-caller-identity` shows whose they "
            "are; `aws configure` sets others, and AWS_PROFILE names another profile."
        )
    if code in DENIED:
        found = ACTION.search(message)
        action = found.group(1) if found else error.operation_name
        return (
            f"Your credentials may not call {action}. Use others, or ask whoever manages the "
            "account to allow it. `aws sts get-caller-identity` shows who you are."
        )
    if code in TOO_OFTEN:
        return f"AWS takes no more calls of {error.operation_name} now. Try again in a minute."
    return f"AWS refused {error.operation_name}: {code}: {message}"


def _no_region(_: object) -> str:
    return (
        "No region is set. Set AWS_DEFAULT_REGION, or name one: REGION=eu-central-1 with make, "
        "--region eu-central-1 without."
    )


def _no_credentials(_: object) -> str:
    return (
        "No AWS credentials were found. Sign in with `aws sso login` or `aws configure`, or name "
        "a profile with AWS_PROFILE."
    )


def _expired(_: object) -> str:
    return f"Your sign-in has expired. {NEW_CREDENTIALS}"


def _no_profile(error: object) -> str:
    return f"{error}. `aws configure list-profiles` lists those that exist; AWS_PROFILE names one."


def _unreachable(error: object) -> str:
    return f"No answer: {error}. Check the network, and that the region exists."


SENTENCES: tuple[tuple[tuple[type[Exception], ...], Callable[[object], str]], ...] = (
    ((exceptions.NoRegionError,), _no_region),
    (
        (exceptions.NoCredentialsError, exceptions.PartialCredentialsError),
        _no_credentials,
    ),
    (
        (exceptions.SSOError, exceptions.LoginError, exceptions.TokenRetrievalError),
        _expired,
    ),
    ((exceptions.ProfileNotFound,), _no_profile),
    (
        (exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.InvalidRegionError),
        _unreachable,
    ),
    ((HTTPError,), _unreachable),
)
