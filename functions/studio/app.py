"""The studio: pages for authors, below ``/studio``, and the links that sign in to it."""

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from broadsheet import authors_secret, settings
from broadsheet.database.connection import connected
from broadsheet.domain.errors import PageNotFound
from broadsheet.domain.studio import Invitation, SignInMailRequest
from broadsheet.services.authors import inviting, signing_in
from broadsheet.studio import routes
from broadsheet.telemetry import InvocationFailed, flush_metrics, kind_of, log_failure
from broadsheet.web.request import Request
from broadsheet.web.response import Response
from broadsheet.web.router import router


def make_link(request: Request) -> Response:
    """Return a link that signs in once, for the author whose token the request has."""
    author = authors_secret.find_author(request.headers.get("authorization", ""))
    if author is None or author.oidc:  # revoked since the authorizer looked; or no person's
        raise PageNotFound
    token, expires_at = signing_in.make_link(author)
    document = {
        "url": f"{request.site}/studio/enter?token={token}",
        "expires_at": expires_at.isoformat(),
    }
    return Response.json(HTTPStatus.CREATED, document)


_answer = router(
    {
        "GET /studio": routes.respond,
        "GET /studio/{path+}": routes.respond,
        "POST /studio/{path+}": routes.respond,
        "GET /studio/enter": routes.respond,
        "POST /studio/enter": routes.respond,
        "POST /studio/sign-in": routes.respond,
        "POST /studio/links": make_link,
    }
)


def handler(event: dict[str, Any], lambda_context: LambdaContext) -> dict[str, Any]:
    """Answer a browser; or mail an author, when the studio has called itself."""
    if "httpMethod" in event:
        return _answer(event, lambda_context)
    try:
        if event.get("kind") == "invitation":
            _invite(Invitation.model_validate(event))
        else:
            _mail_link(SignInMailRequest.model_validate(event))
    except Exception as error:  # noqa: BLE001 - logged without its message, then raised
        log_failure("could not mail an author", error)
        raise InvocationFailed(kind_of(error)) from None
    finally:
        flush_metrics()
    return {}


def _invite(invitation: Invitation) -> None:
    with connected(settings.timings().worker_connect_timeout) as connection:
        inviting.mail_invitation(connection, invitation)


def _mail_link(request: SignInMailRequest) -> None:
    """Mail a link if the address is an author's; only then the database is called."""
    author = signing_in.find_by_address(request.email)
    if author is not None:
        with connected(settings.timings().worker_connect_timeout) as connection:
            signing_in.mail_link(connection, author, request)
