"""Confirming a sign-up: the link shows a button, and pressing it confirms.

GET changes nothing, because link scanners follow links.
"""

from http import HTTPStatus
from urllib.parse import urlencode

from broadsheet import signed_tokens
from broadsheet.domain.requests import ConfirmRequest
from broadsheet.queues import requests_queue
from broadsheet.telemetry import logger
from broadsheet.web import pages
from broadsheet.web.request import Request
from broadsheet.web.response import Response
from broadsheet.web.router import router


def show_button(request: Request) -> Response:
    """Show the button that confirms, if the link is valid."""
    token = request.query.get("token", "")
    signed_tokens.read_confirmation(token)
    action = request.link(f"/subscriptions/confirm?{urlencode({'token': token})}")
    return Response.page(HTTPStatus.OK, pages.confirm(request.frame, action))


def confirm(request: Request) -> Response:
    """Accept the confirmation; enroll applies it."""
    wanted = ConfirmRequest(
        token=signed_tokens.read_confirmation(request.query.get("token", "")),
        origin=request.origin,
    )
    requests_queue.send(wanted, request.correlation_id)
    logger.info("confirmation received", request_id=str(wanted.id))
    if request.wants_page:
        page = pages.confirmed(request.frame, sign_up_url=request.link("/"))
        return Response.page(HTTPStatus.ACCEPTED, page)
    return Response.json(HTTPStatus.ACCEPTED, {"status": "received"})


handler = router(
    {
        "GET /subscriptions/confirm": show_button,
        "POST /subscriptions/confirm": confirm,
    }
)
