"""Confirming a sign-up: by the code of its mail, or by its link, which shows a button.

GET changes nothing, because link scanners follow links. In the browser that signed up, the page
behind the link presses its button itself.
"""

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlencode

from pydantic import ValidationError

from broadsheet import settings, signed_tokens
from broadsheet.domain.confirming import MOST_TRIES, ConfirmationCode
from broadsheet.domain.errors import ExpiredCode, InvalidCode, InvalidRequest, SpentCode, WrongCode
from broadsheet.domain.requests import (
    ConfirmationToken,
    ConfirmRequest,
    SignUpState,
    Way,
    WrongCodeRequest,
    now,
)
from broadsheet.queues import requests_queue
from broadsheet.telemetry import logger
from broadsheet.web import inboxes, pages, sentences, sign_up_cookie, sign_up_proof
from broadsheet.web.request import Request
from broadsheet.web.response import Response
from broadsheet.web.router import router

_PRESSED_AGAIN = "again"  # of the query
LARGEST_BODY = 16 * 1024  # bytes; the longest name takes 11 kB in the state


def show_button(request: Request) -> Response:
    """Show the button, if the link is valid; a script presses it in the browser that signed up."""
    text = request.query.get("token", "")
    submits_itself = sign_up_cookie.has(signed_tokens.read_confirmation(text).sign_up_id, request)
    action = _action(request, {"token": text})
    page = pages.confirm(request.frame, action, submits_itself=submits_itself)
    scripts = [pages.SUBMIT_SCRIPT] if submits_itself else []
    return Response.page(HTTPStatus.OK, page, policy=pages.policy(*scripts))


def _action(request: Request, query: Mapping[str, str]) -> str:
    return request.link(f"/subscriptions/confirm?{urlencode(query)}")


def confirm(request: Request) -> Response:
    """Accept the confirmation; enroll applies it."""
    token = signed_tokens.read_confirmation(request.query.get("token", ""))
    if sign_up_cookie.has(token.sign_up_id, request):
        return _accept(request, token, "same-browser")
    if not request.wants_page:
        return _accept(request, token, "api")
    if _is_pressed_by_script(request) and _PRESSED_AGAIN not in request.query:
        action = _action(request, {"token": request.query["token"], _PRESSED_AGAIN: "1"})
        page = pages.confirm(request.frame, action, asks_again=True)
        return Response.page(HTTPStatus.FORBIDDEN, page)
    return _accept(request, token, "button")


def _is_pressed_by_script(request: Request) -> bool:
    """Return whether a browser says that no person has pressed its button.

    Chromium, which scanners run, names each press by a person (W3C Fetch Metadata, §2.4); Safari
    names none, and nothing follows. Should a browser be wrong, its second press counts.
    """
    headers = request.headers
    return (
        "sec-ch-ua" in headers  # Chromium, by https
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-user") != "?1"
    )


def lead_to_sign_up(request: Request) -> Response:
    """Redirect to the form a reader who reloads the page that followed it."""
    return Response.redirect(request.link("/"))


def take_code(request: Request) -> Response:
    """Accept the right code; enroll counts the wrong ones, and refuses a right one after many."""
    fields = request.fields(LARGEST_BODY)
    state = signed_tokens.read_sign_up_state(str(fields.get("state", "")))
    if (now() - state.received_at).total_seconds() > settings.timings().code_valid:
        raise ExpiredCode
    if state.wrong_codes >= MOST_TRIES:
        raise SpentCode
    typed = fields.get("code", "")
    try:
        code = ConfirmationCode.model_validate(typed)
    except ValidationError:
        return _ask_again(request, state, str(typed), InvalidCode())
    if signed_tokens.is_confirmation_code(state, code):
        return _accept(request, state.confirmation(), "code")
    wrong = WrongCodeRequest(sign_up_id=state.id, origin=request.origin)
    requests_queue.send(wrong, request.correlation_id)
    logger.info("wrong code received", request_id=str(wrong.id))
    return _ask_again(request, state.after_wrong_code(), str(typed), WrongCode())


def _ask_again(request: Request, state: SignUpState, code: str, error: InvalidRequest) -> Response:
    """Show the code's form again, with what is wrong."""
    if not request.wants_page:
        raise error
    waiting = pages.WaitingSignUp(
        {name: str(getattr(state, name) or "") for name in pages.FIELDS}
        | {sign_up_proof.FIELD: sign_up_proof.of_new_form()},
        inboxes.inbox_of(state.email, settings.sender_address()),
        signed_tokens.sign_sign_up_state(state),
        code,
        sentences.on_page(error, request.language),
        state.tags,
    )
    return Response.page(HTTPStatus.BAD_REQUEST, pages.check_your_inbox(request.frame, waiting))


def _accept(request: Request, token: ConfirmationToken, way: Way) -> Response:
    wanted = ConfirmRequest(token=token, way=way, origin=request.origin)
    requests_queue.send(wanted, request.correlation_id)
    logger.info("confirmation received", request_id=str(wanted.id), way=way)
    if request.wants_page:
        page = pages.confirmed(request.frame, sign_up_url=request.link("/"))
        return Response.page(HTTPStatus.ACCEPTED, page)
    return Response.json(HTTPStatus.ACCEPTED, {"status": "received"})


handler = router(
    {
        "GET /subscriptions/confirm": show_button,
        "POST /subscriptions/confirm": confirm,
        "GET /subscriptions/code": lead_to_sign_up,
        "POST /subscriptions/code": take_code,
    }
)
