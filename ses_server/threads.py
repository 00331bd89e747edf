"""Run an asyncio server in a thread of this process, so that blocking code can call it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

START_SECONDS = 10.0

# Calls its first argument with the address it listens on, and serves until the event is set.
type Serve[Address] = Callable[
    [Callable[[Address], None], asyncio.Event], Coroutine[Any, Any, None]
]


@contextmanager
def serving[Address](serve: Serve[Address]) -> Iterator[Address]:
    """Serve until the end of the context; yield the address.

    Raises what ``serve`` raises before it listens.
    """
    address: Future[Address] = Future()
    stop = asyncio.Event()
    runner = asyncio.Runner()
    loop = runner.get_loop()

    def run() -> None:
        with runner:
            try:
                runner.run(serve(address.set_result, stop))
            except Exception as error:
                if address.done():
                    raise
                address.set_exception(error)

    thread = threading.Thread(target=run, name="serving", daemon=True)
    thread.start()
    try:
        yield address.result(START_SECONDS)
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join()
