"""The sign-up page, and signing up.

No database is used: the newest issues come from the bucket, and RequestsQueue stores the request.
"""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus

from pydantic import ValidationError

from broadsheet import __version__, settings, signed_tokens
from broadsheet.domain.errors import DependencyUnavailable, InvalidField, InvalidFields
from broadsheet.domain.requests import SignUpState, SubscribeRequest
from broadsheet.domain.voice import Voice
from broadsheet.queues import requests_queue
from broadsheet.storage import archive
from broadsheet.telemetry import log_failure, logger
from broadsheet.web import (
    body,
    caching,
    disposable,
    embedding,
    inboxes,
    languages,
    pages,
    sentences,
    sign_up_cookie,
    sign_up_proof,
)
from broadsheet.web.body import invalid_fields
from broadsheet.web.pages import SignUpForm
from broadsheet.web.request import Request
from broadsheet.web.response import Response
from broadsheet.web.router import router
from broadsheet.web.sign_up_proof import Proof

LARGEST_BODY = 16 * 1024  # bytes; a name and an address are far smaller


def show_health(_request: Request) -> Response:
    """Return that the edge is up, and its version, without using anything else."""
    return Response.json(HTTPStatus.OK, {"status": "ok", "version": __version__})


def show_sign_up(request: Request) -> Response:
    """Show the sign-up form beside the newest issues."""
    form = _form(request)._replace(newest=archive.newest(), voice=_voice())
    return Response.page(HTTPStatus.OK, pages.sign_up(request.frame, form))


def show_bare_form(request: Request) -> Response:
    """Show the form alone, which any page may have in a frame.

    Its answer is in the language that the page chooses: cookies in a frame are blocked.
    """
    form = _form(request)
    if chosen := request.chosen_language:
        form = form._replace(action=f"{form.action}?{languages.PARAMETER}={chosen.tag}")
    page = pages.bare_form(request.frame, form)
    return Response.page(HTTPStatus.OK, page, policy=pages.FRAMED)


def show_embedding_script(request: Request) -> Response:
    """Return the script that puts the bare form into somebody else's page."""
    script = embedding.script(settings.newsletter_name())
    headers = {
        "ETag": caching.tag(script),
        "Cache-Control": "public, max-age=3600",
        "Cross-Origin-Resource-Policy": "cross-origin",  # also to pages that isolate themselves
    }
    response = Response(HTTPStatus.OK, script, "text/javascript; charset=utf-8", headers)
    return caching.unless_current(request, response)


def _voice() -> Voice:
    return settings.voice().replaced_by(archive.recent_voice())


def _form(request: Request, after: Proof | None = None) -> SignUpForm:
    return SignUpForm(
        action=request.link("/subscriptions"),
        address=f"{request.site}/",
        voice=settings.voice(),
        asks_for_name=settings.asks_for_name(),
        offered=settings.offered_tags(),
        proof=sign_up_proof.of_new_form(after),
    )


def lead_to_sign_up(request: Request) -> Response:
    """Redirect to the form a reader who reloads the page that followed it."""
    return Response.redirect(request.link("/"))


def subscribe(request: Request) -> Response:
    """Accept a sign-up; the response is the same for every address."""
    fields = request.fields(LARGEST_BODY)
    proof = sign_up_proof.of_request(request, fields)
    try:
        wanted = _wanted(request, fields, proof)
    except InvalidFields as error:
        return _refuse(request, fields, proof, error)
    requests_queue.send(wanted, request.correlation_id)
    logger.info("sign-up received", request_id=str(wanted.id))
    if request.wants_page:
        return _ask_for_code(request, wanted)
    return Response.json(HTTPStatus.ACCEPTED, {"status": "received"})


def _wanted(request: Request, fields: Mapping[str, object], proof: Proof) -> SubscribeRequest:
    """Return the sign-up that the fields ask for. Raises ``InvalidFields``."""
    try:
        wanted = SubscribeRequest.model_validate(
            _typed(fields)
            | {"language": fields.get("language", request.language.tag), "origin": request.origin}
            | {"proof": proof.proof, "nonce": proof.nonce, "tags": fields.get("tags")}
        )
    except ValidationError as error:
        raise invalid_fields(error) from None
    if disposable.is_refused(wanted.email):
        raise InvalidFields({"email": InvalidField("disposable-address")})
    settings.offered_tags().require(wanted.tags or ())
    if proof.is_outdated and request.wants_page:
        raise InvalidFields({"form": InvalidField("outdated-form")})
    # Else a person would be kept without a mail in strict mode, which the edge doesn't know of.
    if proof.too_young is not None and request.wants_page:
        raise InvalidFields({"form": InvalidField("early-form")})
    return wanted


def _ask_for_code(request: Request, sign_up: SubscribeRequest) -> Response:
    """Return the page with the code's form, and the cookie by which the link needs no button.

    The sign-up is stored already: without a key to sign with, the reader has the link.
    """
    state = ""
    cookies: tuple[str, ...] = ()
    try:
        state = signed_tokens.sign_sign_up_state(SignUpState.of(sign_up))
        cookies = (sign_up_cookie.after(sign_up.id, request),)
    except DependencyUnavailable as error:
        log_failure("no code can be asked for", error)
    waiting = pages.WaitingSignUp(
        {name: str(getattr(sign_up, name) or "") for name in pages.FIELDS}
        | {sign_up_proof.FIELD: sign_up_proof.of_new_form()},
        inboxes.inbox_of(sign_up.email, settings.sender_address()),
        state,
        tags=sign_up.tags,
    )
    page = Response.page(HTTPStatus.ACCEPTED, pages.check_your_inbox(request.frame, waiting))
    return replace(page, cookies=cookies)


def _typed(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: fields.get(name, "") for name in pages.FIELDS}


def _refuse(
    request: Request, fields: dict[str, object], proof: Proof, error: InvalidFields
) -> Response:
    """Show the form again, with what was typed and what was wrong with it."""
    if not request.wants_page:
        raise error
    typed = {name: str(text) for name, text in _typed(fields).items()}
    form = _form(request, proof)._replace(
        voice=_voice(),
        typed=typed,
        chosen=body.chosen(fields),
        errors=sentences.of_fields(error.fields, request.language),
        # A form elsewhere may ask for a name, though ours doesn't.
        asks_for_name=settings.asks_for_name() or bool(typed["name"]),
    )
    page = pages.sign_up(request.frame, form)
    return Response.page(HTTPStatus.BAD_REQUEST, page)


handler = router(
    {
        "GET /": show_sign_up,
        "GET /form": show_bare_form,
        "GET /embed.js": show_embedding_script,
        "GET /health": show_health,
        "GET /subscriptions": lead_to_sign_up,
        "POST /subscriptions": subscribe,
    }
)
