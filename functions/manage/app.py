"""A reader's own subscription: its page, the link to it by mail, and a new address.

No database is used: RequestsQueue stores what a reader asks for, and enroll applies it. So the
page works while the database sleeps, and can't show what is stored.
"""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, ValidationError

from broadsheet import i18n, settings, signed_tokens
from broadsheet.domain.errors import FreshLinkNeeded, InvalidField, InvalidFields
from broadsheet.domain.requests import (
    ChangeAddressRequest,
    ChangeLanguageRequest,
    ChangeNameRequest,
    ChangeTagsRequest,
    ConfirmAddressRequest,
    EraseRequest,
    ExportRequest,
    ManageLinkRequest,
    ManageToken,
    SubscriberRequest,
    UnsubscribeRequest,
    UnsubscribeToken,
)
from broadsheet.domain.subscribers import EmailAddress
from broadsheet.queues import requests_queue
from broadsheet.telemetry import logger
from broadsheet.web import body, pages, sentences
from broadsheet.web.body import invalid_fields
from broadsheet.web.pages import ManageForm
from broadsheet.web.request import Request
from broadsheet.web.response import Response
from broadsheet.web.router import router

LARGEST_BODY = 16 * 1024  # bytes; a name and an address are far smaller
TYPED = {"name": "name", "language": "language", "address": "email"}  # by what is changed
FIELDS = {**TYPED, "tags": "tags"}
ACTS = (*FIELDS, "leave", "export", "erase", "link")
_REQUESTS: dict[
    str,
    type[
        ChangeNameRequest
        | ChangeLanguageRequest
        | ChangeTagsRequest
        | ChangeAddressRequest
        | ExportRequest
        | EraseRequest
    ],
] = {
    "name": ChangeNameRequest,
    "language": ChangeLanguageRequest,
    "tags": ChangeTagsRequest,
    "address": ChangeAddressRequest,
    "export": ExportRequest,
    "erase": EraseRequest,
}
NEEDS_FRESH_LINK = ("address", "erase")  # what somebody who was passed a mail must not do


def show(request: Request) -> Response:
    """Show what a reader can do; without a token, the form that mails them a link."""
    text = request.query.get("token", "")
    if not text:
        page = pages.manage_link(request.frame, request.link("/subscription/link"))
        return Response.page(HTTPStatus.OK, page)
    token = signed_tokens.read_manage(text)
    if request.query.get("show") == "erase":
        if not signed_tokens.is_fresh(token):
            return _ask_for_fresh_link(request, token)
        page = pages.ask_to_erase(request.frame, _action(request), back_url=_action(request))
    else:
        page = pages.manage(request.frame, _form(request, token))
    return Response.page(HTTPStatus.OK, page)


def act(request: Request) -> Response:
    """Queue what a reader asks for: ``do`` names it."""
    token = signed_tokens.read_manage(request.query.get("token", ""))
    fields = request.fields(LARGEST_BODY)
    try:
        what = _what(fields)
        if what in NEEDS_FRESH_LINK and not signed_tokens.is_fresh(token):
            return _ask_for_fresh_link(request, token)
        wanted = _wanted(request, what, token, fields)
    except ValidationError as error:
        return _refuse(request, token, fields, invalid_fields(error))
    except InvalidFields as error:
        return _refuse(request, token, fields, error)
    requests_queue.send(wanted, request.correlation_id)
    logger.info("subscription request received", request_id=str(wanted.id), kind=wanted.kind)
    is_over = what in {"leave", "erase"}
    return _received(request, what, back_url="" if is_over else _action(request))


def _what(fields: Mapping[str, object]) -> str:
    what = fields.get("do")
    if not isinstance(what, str) or what not in ACTS:
        raise InvalidFields({"do": InvalidField("unknown-act", {"acts": ", ".join(ACTS)})})
    return what


def _ask_for_fresh_link(request: Request, token: ManageToken) -> Response:
    """Refuse what the link can't do, on the page where a new one can be asked for."""
    error = FreshLinkNeeded()
    if not request.wants_page:
        raise error
    form = _form(request, token, errors={"do": sentences.on_page(error, request.language)})
    return Response.page(HTTPStatus.FORBIDDEN, pages.manage(request.frame, form))


def _wanted(
    request: Request, what: str, token: ManageToken, fields: Mapping[str, object]
) -> SubscriberRequest:
    """Return the request for what is asked. Raises ``ValidationError`` and ``InvalidFields``."""
    origin = request.origin
    if what == "link":
        return ManageLinkRequest(reader=token.subscriber_id, origin=origin)
    if what == "leave":
        left = UnsubscribeToken(subscriber_id=token.subscriber_id, issue_id=token.issue_id)
        return UnsubscribeRequest(token=left, origin=origin, way="page")
    parts: dict[str, object] = {"token": token, "origin": origin}
    if (field := FIELDS.get(what)) and field in fields:
        parts[field] = fields[field]
    wanted = _REQUESTS[what].model_validate(parts)
    if isinstance(wanted, ChangeTagsRequest):
        settings.offered_tags().require(wanted.tags)
    return wanted


def _refuse(
    request: Request, token: ManageToken, fields: Mapping[str, object], error: InvalidFields
) -> Response:
    """Show the page again, with what was typed and what was wrong with it."""
    if not request.wants_page:
        raise error
    form = _form(
        request, token, _typed(fields), sentences.of_fields(error.fields, request.language)
    )._replace(chosen=body.chosen(fields))
    return Response.page(HTTPStatus.BAD_REQUEST, pages.manage(request.frame, form))


def _form(
    request: Request,
    token: ManageToken,
    typed: Mapping[str, str] = MappingProxyType({}),
    errors: Mapping[str, str] = MappingProxyType({}),
) -> ManageForm:
    return ManageForm(
        action=_action(request),
        erase_url=_action(request, show="erase"),
        is_fresh=signed_tokens.is_fresh(token),
        languages=i18n.languages(),
        offered=settings.offered_tags(),
        typed=typed,
        errors=errors,
    )


def _typed(fields: Mapping[str, object]) -> dict[str, str]:
    return {name: str(fields.get(name) or "") for name in TYPED.values()}


def _action(request: Request, **more: str) -> str:
    query = {"token": request.query.get("token", ""), **more}
    return request.link(f"{request.resource}?{urlencode(query)}")


def _received(request: Request, what: str, *, back_url: str = "") -> Response:
    if not request.wants_page:
        return Response.json(HTTPStatus.ACCEPTED, {"status": "received"})
    page = pages.subscription_received(request.frame, what, back_url=back_url)
    return Response.page(HTTPStatus.ACCEPTED, page)


def lead_to_form(request: Request) -> Response:
    """Redirect to the form a reader who reloads the page that followed it."""
    return Response.redirect(request.link("/subscription"))


def mail_link(request: Request) -> Response:
    """Queue a link by mail; the response is the same for every address."""
    fields = request.fields(LARGEST_BODY)
    try:
        typed = _Typed.model_validate({"email": fields.get("email", "")})
    except ValidationError as error:
        return _refuse_link(request, fields, invalid_fields(error))
    wanted = ManageLinkRequest(reader=typed.email, origin=request.origin)
    requests_queue.send(wanted, request.correlation_id)
    logger.info("subscription link asked for", request_id=str(wanted.id))
    return _received(request, "link")


class _Typed(BaseModel):
    """What the form asks for that mails a link."""

    model_config = ConfigDict(frozen=True)

    email: EmailAddress


def _refuse_link(request: Request, fields: Mapping[str, object], error: InvalidFields) -> Response:
    """Show the form again, with what was typed and what was wrong with it."""
    if not request.wants_page:
        raise error
    page = pages.manage_link(
        request.frame,
        request.link("/subscription/link"),
        typed=_typed(fields),
        errors=sentences.of_fields(error.fields, request.language),
    )
    return Response.page(HTTPStatus.BAD_REQUEST, page)


def show_new_address(request: Request) -> Response:
    """Show the button that moves a subscription to the address that got the link."""
    signed_tokens.read_address(request.query.get("token", ""))
    return Response.page(HTTPStatus.OK, pages.new_address(request.frame, _action(request)))


def confirm_address(request: Request) -> Response:
    """Queue the move to the address that got the link."""
    wanted = ConfirmAddressRequest(
        token=signed_tokens.read_address(request.query.get("token", "")),
        language=request.language.tag,
        origin=request.origin,
    )
    requests_queue.send(wanted, request.correlation_id)
    logger.info("new address confirmed", request_id=str(wanted.id))
    return _received(request, "moved")


handler = router(
    {
        "GET /subscription": show,
        "POST /subscription": act,
        "GET /subscription/link": lead_to_form,
        "POST /subscription/link": mail_link,
        "GET /subscription/address": show_new_address,
        "POST /subscription/address": confirm_address,
    }
)
