"""The handler of a function that API Gateway calls, made from its routes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from broadsheet.telemetry import correlated, flush_metrics, log_failure, logger
from broadsheet.web import languages, problems, roles
from broadsheet.web.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from broadsheet.web.response import Response

type Endpoint = Callable[[Request], Response]


def router(
    routes: Mapping[str, Endpoint],
) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
    """Return the handler for some routes, each named as in ``POST /subscriptions``.

    An authors' route is called only if the author's role allows it (``roles``). HEAD gets the
    response of GET, without its body. An unexpected error is logged without its
    message, and its response is a 500.
    """

    def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
        with correlated(event["requestContext"]["requestId"]):
            try:
                request = Request.parse(event)
                answer = _remembering_choice(request, _answer(routes, request))
                logger.info(
                    "answered",
                    method=request.method,
                    resource=request.resource,
                    status=int(answer.status),
                )
            except Exception as error:  # noqa: BLE001 - the last resort: logged, and a 500
                log_failure("could not parse the request", error)
                answer = problems.respond_to_unreadable()
            flush_metrics()
        return answer.as_event(event["httpMethod"])

    return handler


def _answer(routes: Mapping[str, Endpoint], request: Request) -> Response:
    method = "GET" if request.method == "HEAD" else request.method
    route = f"{method} {request.resource}"
    try:
        roles.check(route, request)
        return routes[route](request)
    except Exception as error:  # noqa: BLE001 - the last resort: logged, and a 500
        return problems.respond(request, error)


def _remembering_choice(request: Request, response: Response) -> Response:
    """Return the response, with a cookie for a language that the reader has just chosen."""
    chosen = request.chosen_language if request.wants_page else None
    is_for_everybody = response.headers.get("Cache-Control", "").startswith("public")
    if chosen is None or is_for_everybody:
        return response
    cookie = languages.cookie(chosen, is_secure=request.is_secure)
    return replace(response, cookies=(*response.cookies, cookie))
