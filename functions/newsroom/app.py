"""Signs in workflows at GitHub, which then call the authors' API as everybody does.

It is in no network of ours: it fetches the keys of the tokens' issuer.
"""

from http import HTTPStatus

from broadsheet.domain.workflow_sessions import SignInRequest
from broadsheet.services.newsroom import signing_in
from broadsheet.web.request import Request
from broadsheet.web.response import Response
from broadsheet.web.router import router

LARGEST_SIGN_IN = 20_000  # bytes


def sign_in(request: Request) -> Response:
    """Exchange a workflow's token, once, for one of the authors' API."""
    wanted = request.document(SignInRequest, LARGEST_SIGN_IN)
    signed_in = signing_in.sign_in(wanted.token, request.site)
    return Response.json(HTTPStatus.CREATED, signed_in.model_dump(mode="json"))


handler = router({"POST /newsroom/session": sign_in})
