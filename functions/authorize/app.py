"""Decides who is an author: API Gateway asks for every route that the template doesn't open."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from broadsheet.authors_secret import find_author
from broadsheet.telemetry import InvocationFailed, flush_metrics, kind_of, log_failure, logger


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Return the policy for API Gateway: an author may call this route, anybody else may not."""
    try:
        author = find_author(event["authorizationToken"])
    except Exception as error:  # noqa: BLE001 - logged without its message, then raised
        log_failure("could not look up the authors", error)
        raise InvocationFailed(kind_of(error)) from None
    logger.info("authorized" if author else "refused")
    flush_metrics()
    return {
        "principalId": str(author.name) if author else "nobody",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow" if author else "Deny",
                    "Action": "execute-api:Invoke",
                    "Resource": event["methodArn"],
                }
            ],
        },
        "context": {
            "author": str(author.name) if author else "",
            "role": author.role.value if author else "",
        },
    }
