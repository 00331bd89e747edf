"""Unsubscribing: by the button behind the link, or a mail client's one click (RFC 8058)."""

from http import HTTPStatus
from urllib.parse import urlencode

from broadsheet import signed_tokens
from broadsheet.domain.requests import LeavingWay, UnsubscribeRequest
from broadsheet.queues import requests_queue
from broadsheet.telemetry import logger
from broadsheet.web import pages
from broadsheet.web.request import Request
from broadsheet.web.response import Response
from broadsheet.web.router import router


def show_button(request: Request) -> Response:
    """Show the button that unsubscribes, if the link is valid."""
    token = request.query.get("token", "")
    signed_tokens.read_unsubscribe(token)
    action = request.link(f"/subscriptions/unsubscribe?{urlencode({'token': token})}")
    return Response.page(HTTPStatus.OK, pages.unsubscribe(request.frame, action))


def unsubscribe(request: Request) -> Response:
    """Accept the request; enroll applies it.

    The token says everything, so no body is wrong. A mail client's one click gets a 200 and never
    a redirect (RFC 8058 §3.1), a browser a page.
    """
    is_one_click = b"List-Unsubscribe" in request.body
    way: LeavingWay = "one-click" if is_one_click else "link"
    wanted = UnsubscribeRequest(
        token=signed_tokens.read_unsubscribe(request.query.get("token", "")),
        origin=request.origin,
        way="mail" if request.query.get("by") == "mail" else way,
    )
    requests_queue.send(wanted, request.correlation_id)
    logger.info("unsubscribe received", request_id=str(wanted.id), one_click=is_one_click)
    status = HTTPStatus.OK if is_one_click else HTTPStatus.ACCEPTED
    if request.wants_page:
        page = pages.unsubscribed(request.frame, sign_up_url=request.link("/"))
        return Response.page(status, page)
    return Response.json(status, {"status": "received"})


handler = router(
    {
        "GET /subscriptions/unsubscribe": show_button,
        "POST /subscriptions/unsubscribe": unsubscribe,
    }
)
