"""Decides who is an author: API Gateway asks for every route that the template doesn't open."""

import hmac
import json
from hashlib import sha256
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from broadsheet.domain.authors import Author, AuthorName
from broadsheet.secrets import secret
from broadsheet.settings import authors_secret_arn
from broadsheet.telemetry import InvocationFailed, kind_of, log_failure, logger


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Return the policy for API Gateway: an author may call this route, anybody else may not."""
    try:
        author = find_author(event["authorizationToken"])
    except Exception as error:  # noqa: BLE001 - logged without its message, then raised
        log_failure("could not look up the authors", error)
        raise InvocationFailed(kind_of(error)) from None
    logger.info("authorized" if author else "refused")
    return {
        "principalId": str(author or "nobody"),
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
        "context": {"author": str(author or "")},
    }


def find_author(authorization: str) -> AuthorName | None:
    """Return the name of the author whose token is in this ``Authorization`` header."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        return None
    digest = sha256(token.strip().encode()).hexdigest()
    for entry in json.loads(secret(authors_secret_arn()))["authors"]:
        author = Author.model_validate(entry)
        if hmac.compare_digest(author.token_sha256, digest):
            return author.name
    return None
