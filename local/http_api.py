"""Serve a small HTTP stand-in from a thread of this process."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

from ses_server import threads

SHUTDOWN_SECONDS = 0.5  # for calls in progress

type Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@contextmanager
def serving(handler: Handler, host: str = "127.0.0.1") -> Iterator[int]:
    """Serve every request with the handler until the end of the context; yield the port."""

    async def serve(started: Callable[[int], None], stop: asyncio.Event) -> None:
        runner = web.ServerRunner(web.Server(handler), shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, 0).start()
            started(runner.addresses[0][1])
            await stop.wait()
        finally:
            await runner.cleanup()

    with threads.serving(serve) as port:
        yield port
