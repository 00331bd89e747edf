"""The local stack's public address: a reverse proxy in front of the emulator's API Gateway.

API Gateway's own address changes with the API's id, at a redeployment and after a crash. Links in
mails have this address, which stays the same. Run as ``python -m local.front --state FOLDER``.
"""

import argparse
import asyncio
import html
import json
import logging
from collections.abc import AsyncIterator
from http import HTTPStatus
from io import BytesIO
from pathlib import Path

import aiohttp
from aiohttp import web
from yarl import URL

from local.state import Deployment, State

# API Gateway's limit of a request's body.
MAX_BODY_BYTES = 10 * 1024 * 1024

# More than API Gateway's own 29 s, so that the client gets its answer.
TIMEOUT = aiohttp.ClientTimeout(total=40)

# RFC 9110 §7.6.1, and the headers that this hop sets itself.
OF_THIS_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "expect", "host", "content-length"),
        *("x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto"),
        *("forwarded", "server", "date"),
    }
)
ADDED_BY_CLIENT = frozenset({"User-Agent", "Accept", "Accept-Encoding", "Content-Type"})

UNSAID = {"Accept": "*/*", "Content-Type": "application/octet-stream"}

RETRY_AFTER_SECONDS = 2
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="{retry_after}">
<title>{title}</title>
<style>body {{ font: 1.1rem/1.6 system-ui, sans-serif; max-width: 34rem; margin: 15vh auto;
padding: 0 1.2rem; color-scheme: light dark }}</style>
<h1>{title}</h1>
<p>{detail}</p>
"""


class Front:
    """Forwards requests to the deployment in the state folder."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._port = state.ports().front
        self._emulator_url = state.emulator_url
        self._session: aiohttp.ClientSession | None = None

    def application(self) -> web.Application:
        """Return the application, which passes every method and path to ``forward``."""
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.router.add_route("*", r"/{path:[\s\S]*}", self.forward)  # also a line break
        application.cleanup_ctx.append(self._keep_session)
        return application

    async def _keep_session(self, _: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(
            timeout=TIMEOUT,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=ADDED_BY_CLIENT,
        ) as self._session:
            yield

    async def forward(self, request: web.Request) -> web.Response:
        """Forward method, path, query, headers and body unchanged, and return the answer."""
        deployment = self._state.deployment
        if deployment is None:
            return _not_up(request, "It is starting, or being deployed. This page tries again.")
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _problem(HTTPStatus.CONTENT_TOO_LARGE, "A request has at most 10 MB.")
        try:
            return await self._pass_on(request, deployment, body)
        except TimeoutError:
            return _problem(HTTPStatus.GATEWAY_TIMEOUT, "The API did not answer in time.")
        except aiohttp.ClientError:
            return _not_up(request, "The emulator does not answer; `make logs` may show why.")

    async def _pass_on(
        self, request: web.Request, deployment: Deployment, body: bytes
    ) -> web.Response:
        assert self._session is not None  # noqa: S101 - made before the first request
        api = f"{self._emulator_url}/_aws/execute-api/{deployment.api_id}/{deployment.stage}"
        headers = [
            (name, value)
            for name, value in request.headers.items()
            if name.lower() not in OF_THIS_HOP
        ]
        headers += [
            # As with API Gateway's custom domains: always this host, whatever the client sends.
            ("Host", f"localhost:{self._port}"),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Port", str(self._port)),
            # The emulator takes the first address as the source, which a client must not choose.
            ("X-Forwarded-For", request.remote or "127.0.0.1"),
            # What a client doesn't say is any type (RFC 9110 §8.3, §12.5.1), and of the types that
            # the template declares binary; the emulator takes it for text.
            *(
                (name, value)
                for name, value in UNSAID.items()
                if name not in request.headers and (body or name == "Accept")
            ),
        ]
        async with self._session.request(
            request.method,
            URL(api + request.raw_path, encoded=True),
            headers=headers,
            data=BytesIO(body) if body else None,
            allow_redirects=False,
        ) as answer:
            response = web.Response(status=answer.status, body=await answer.read())
            for name, value in answer.headers.items():
                if name.lower() not in OF_THIS_HOP:
                    response.headers.add(name, value)
            if request.method == "HEAD" and "Content-Length" in answer.headers:
                response.headers["Content-Length"] = answer.headers["Content-Length"]  # GET's
            return response


def _not_up(request: web.Request, detail: str) -> web.Response:
    if "text/html" not in request.headers.get("Accept", ""):
        return _problem(HTTPStatus.SERVICE_UNAVAILABLE, detail)
    page = PAGE.format(
        title="The newsletter is not up yet",
        detail=html.escape(detail),
        retry_after=RETRY_AFTER_SECONDS,
    )
    return web.Response(
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        text=page,
        content_type="text/html",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def _problem(status: HTTPStatus, detail: str) -> web.Response:
    """Answer with a problem document (RFC 9457)."""
    problem = {"title": status.phrase, "status": int(status), "detail": detail}
    headers = {}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return web.Response(
        status=status,
        text=json.dumps(problem),
        content_type="application/problem+json",
        headers=headers,
    )


async def serve(state: State) -> None:
    """Serve on the state's port until the process ends."""
    port = state.ports().front
    runner = web.AppRunner(Front(state).application(), access_log=None, handle_signals=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print(f"listening on http://127.0.0.1:{port}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Run the front for one state folder."""
    parser = argparse.ArgumentParser(prog="python -m local.front")
    parser.add_argument("--state", type=Path, required=True)
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve(State.at(parser.parse_args().state)))


if __name__ == "__main__":
    main()
