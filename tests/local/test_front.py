import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from local.front import MAX_BODY_BYTES, Front
from local.state import Deployment, Ports, State, write_private

type Client = TestClient[web.Request, web.Application]


async def _echo(request: web.Request) -> web.Response:
    """A stand-in for the emulator that returns what it received."""
    got = {
        "method": request.method,
        "target": request.raw_path,
        "headers": [[name.lower(), value] for name, value in request.headers.items()],
        "body": (await request.read()).decode(errors="replace"),
    }
    response = web.json_response(got, status=int(request.query.get("status", "200")))
    response.headers.add("X-Two", "a")
    response.headers.add("X-Two", "b")
    if request.query.get("status") == "302":
        response.headers["Location"] = "https://elsewhere.example/"
    return response


@asynccontextmanager
async def front(state: State) -> AsyncIterator[Client]:
    api = web.Application(client_max_size=MAX_BODY_BYTES)
    api.router.add_route("*", r"/{path:[\s\S]*}", _echo)
    async with TestServer(api) as emulator:
        assert emulator.port
        ports = Ports(front=23_456, ses=1, emulator=emulator.port)
        write_private(state.folder / "ports.json", ports.model_dump_json())
        async with TestClient(TestServer(Front(state).application())) as client:
            yield client


def check(state: State, test: Callable[[Client], Awaitable[None]]) -> None:
    async def run() -> None:
        async with front(state) as client:
            await test(client)

    asyncio.run(run())


def up(state: State, api_id: str = "abc123") -> None:
    state.publish_deployment(Deployment(api_id=api_id, stage="prod", database_url="", outputs={}))


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State.at(tmp_path)


def test_method_path_query_and_body_arrive_unchanged(state: State):
    async def test(client: Client) -> None:
        target = "/subscriptions/confirm?token=a%2Bb%20c&x=%C3%A9&empty="
        answer = await client.post(URL(target, encoded=True), data=b"name=a+b&email=%40")

        got = await answer.json()
        assert got["method"] == "POST"
        assert got["target"] == f"/_aws/execute-api/abc123/prod{target}"
        assert got["body"] == "name=a+b&email=%40"

    up(state)
    check(state, test)


def test_a_path_with_a_line_break_arrives_too(state: State):
    async def test(client: Client) -> None:
        answer = await client.get(URL("/issues/a%0Ab", encoded=True))

        assert (await answer.json())["target"] == "/_aws/execute-api/abc123/prod/issues/a%0Ab"

    up(state)
    check(state, test)


def test_head_is_answered_with_the_length_that_get_has(state: State):
    async def test(client: Client) -> None:
        answer = await client.head("/subscriptions/confirm")

        assert int(answer.headers["Content-Length"]) > 100
        assert await answer.read() == b""

    up(state)
    check(state, test)


def test_headers_arrive_and_a_client_s_name_is_not_added(state: State):
    async def test(client: Client) -> None:
        async with ClientSession(skip_auto_headers=["User-Agent", "Accept"]) as plain:
            answer = await plain.get(
                client.make_url("/"),
                headers={"Authorization": "Bearer t", "Connection": "close", "Accept-Encoding": ""},
            )
            headers = dict((await answer.json())["headers"])

        assert headers["authorization"] == "Bearer t"
        assert headers["host"] == "localhost:23456"
        assert headers["x-forwarded-proto"] == "http"
        assert headers["x-forwarded-port"] == "23456"
        assert "user-agent" not in headers

    up(state)
    check(state, test)


@pytest.mark.parametrize("said", ["image/png", None])
def test_a_type_that_a_client_does_not_say_is_any(state: State, said: str | None):
    async def test(client: Client) -> None:
        own = {"Accept": said, "Content-Type": said} if said else {}
        async with ClientSession(skip_auto_headers=["Content-Type", "Accept"]) as plain:
            answer = await plain.post(client.make_url("/images"), data=b"\x89", headers=own)
            headers = dict((await answer.json())["headers"])

        assert headers["accept"] == (said or "*/*")
        assert headers["content-type"] == (said or "application/octet-stream")

    up(state)
    check(state, test)


def test_a_client_can_not_choose_its_source_address_or_host(state: State):
    async def test(client: Client) -> None:
        lies = {"X-Forwarded-For": "203.0.113.9", "Host": "evil.example", "Forwarded": "for=1"}
        answer = await client.get("/", headers=lies)

        headers = (await answer.json())["headers"]
        assert ["x-forwarded-for", "127.0.0.1"] in headers
        assert ["host", "localhost:23456"] in headers
        assert not [value for name, value in headers if value in lies.values()]

    up(state)
    check(state, test)


@pytest.mark.parametrize("status", [302, 404, 502])
def test_answers_are_returned_unchanged(state: State, status: int):
    async def test(client: Client) -> None:
        answer = await client.get(f"/?status={status}", allow_redirects=False)

        assert answer.status == status
        assert answer.headers.getall("X-Two") == ["a", "b"]
        assert answer.content_type == "application/json"
        assert (answer.headers.get("Location") is None) == (status != 302)

    up(state)
    check(state, test)


def test_a_new_api_id_is_followed_at_once(state: State):
    async def test(client: Client) -> None:
        await client.get("/")
        up(state, api_id="new456")

        got = await (await client.get("/health")).json()

        assert got["target"] == "/_aws/execute-api/new456/prod/health"

    up(state)
    check(state, test)


def test_a_stack_that_is_not_up_is_a_problem_to_programs_and_a_page_to_people(state: State):
    async def test(client: Client) -> None:
        to_program = await client.get("/issues")
        to_person = await client.get("/", headers={"Accept": "text/html,*/*;q=0.8"})

        assert to_program.status == to_person.status == 503
        assert to_program.headers["Retry-After"] == to_person.headers["Retry-After"]
        assert to_program.content_type == "application/problem+json"
        assert json.loads(await to_program.text())["status"] == 503
        assert to_person.content_type == "text/html"
        assert "not up yet" in await to_person.text()

    check(state, test)


def test_a_missing_emulator_is_503(state: State):
    async def test(client: Client) -> None:
        ports = Ports(front=23_456, ses=1, emulator=1)
        write_private(state.folder / "ports.json", ports.model_dump_json())
        async with TestClient(TestServer(Front(state).application())) as broken:
            assert (await broken.get("/health")).status == 503

    up(state)
    check(state, test)


def test_a_body_beyond_api_gateways_limit_is_413(state: State):
    async def test(client: Client) -> None:
        answer = await client.post("/issues", data=BytesIO(b"x" * (MAX_BODY_BYTES + 1)))

        assert answer.status == 413
        problem: dict[str, Any] = json.loads(await answer.text())
        assert problem["status"] == 413

    up(state)
    check(state, test)
