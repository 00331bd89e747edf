"""``sam local`` on the running stack: each function in a container, and the API.

It calls each function with its sample event from ``events/``, then sends requests for pages, a
sign-up and an author's list to ``sam local start-api``. The containers have the variables of the
stack's own functions, and reach its queues, secrets, database and SES server. ``sam local`` has
no event sources, so no queue calls a function there.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import subprocess
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from http import HTTPStatus
from ipaddress import ip_network
from socket import socket
from typing import TYPE_CHECKING, Any, NamedTuple

import urllib3
from aiohttp import web
from psycopg.conninfo import conninfo_to_dict

from local import deployment, http_api, isolation
from local.build import LAYER, SAM
from local.postgres import SOCKET_NAME
from local.processes import tail
from local.stack import Stack
from local.state import REPOSITORY, State
from operations import template_file
from ses_server import threads

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Callable, Iterator
    from pathlib import Path

EVENTS = REPOSITORY / "events"
ARCHITECTURE = {"x86_64": "x86_64", "AMD64": "x86_64"}.get(platform.machine(), "arm64")
IMAGE = f"public.ecr.aws/lambda/python:3.13-{ARCHITECTURE}"
DATABASE_VARIABLES = "URL_SECRET_ARN"  # how they end
START_SECONDS = 120  # the first call builds an image with the layer
ANSWER_SECONDS = 60  # each call starts a container


class SamLocalError(Exception):
    """``sam local`` can't run here, or a function failed; the message says what to do."""


def run(state: State) -> None:
    """Call every function, and the API. Raises ``SamLocalError``."""
    stack = Stack(state)
    _ = stack.deployment  # raises if it is not up
    require_engine()
    require_image()
    with ExitStack() as ending:
        here = _here()
        lent = ending.enter_context(_lent(stack, here))
        answers = ending.enter_context(_answers_of_migrate(here))
        template = _template(stack, lent)
        print("\nsam local invoke, each function with its sample event:\n", flush=True)
        for function in sorted(_functions(template)):
            event = json.loads((EVENTS / f"{short_name(function)}.json").read_text())
            if "ResponseURL" in event:
                event["ResponseURL"] = answers.url
            print(f"  {function:<20} {_invoke(state, template, function, event)}", flush=True)
        print(f"  CloudFormation received: {answers.received[-1]['Status']}\n", flush=True)
        print("sam local start-api:\n", flush=True)
        with _api(state, template) as url:
            _call_api(url, stack.author_token)
    print(f"\nAll of it ran in containers of {IMAGE}.", flush=True)


def require_engine() -> None:
    """Raise ``SamLocalError`` when no Docker engine answers."""
    if not shutil.which("docker") or _docker("info").returncode != 0:
        raise SamLocalError(
            "`sam local` runs functions in containers, and no Docker engine answers here.\n"
            "Start Docker Desktop or dockerd and run this again; `make up` needs none."
        )


def require_image() -> None:
    """Pull the runtime's image if it is missing. Raises ``SamLocalError``."""
    if _docker("image", "inspect", IMAGE).returncode == 0:
        return
    print(f"Pulling {IMAGE} ...", flush=True)
    if _docker("pull", IMAGE).returncode != 0:
        raise SamLocalError(
            f"The image {IMAGE} is not here and can't be pulled.\n"
            "Where AWS's registry can't be reached, `sudo local/lambda-image` makes a stand-in."
        )


def short_name(function: str) -> str:
    """Return a function's short name from its name in the template."""
    return function.removesuffix("Function").lower()


def fitted(template: dict[str, Any], variables: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Adapt a built template to this machine: its architecture, and the functions' variables."""
    template["Globals"]["Function"]["Architectures"] = [ARCHITECTURE]
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            resource.setdefault("Metadata", {})["BuildArchitecture"] = ARCHITECTURE
            properties["CompatibleArchitectures"] = [ARCHITECTURE]
            properties["ContentUri"] = LAYER  # with the dependencies
        if resource["Type"] == "AWS::Serverless::Api":
            # sam finds no authorizer that has a FunctionName, and then authorizes everybody.
            for authorizer in properties["Auth"]["Authorizers"].values():
                function = authorizer["FunctionArn"]["Fn::GetAtt"][0]
                authorizer["FunctionArn"] = f"arn:aws:lambda:us-east-1:0:function:{function}"
        if name in variables:
            properties.pop("Architectures", None)
            properties["Environment"] = {"Variables": variables[name]}
    return template


def _template(stack: Stack, lent: Lent) -> Path:
    path = stack.state.build / "template.yaml"
    template = template_file.read(path)
    variables = {}
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            deployed = stack.aws.functions.get_function_configuration(
                FunctionName=f"{deployment.STACK}-{short_name(name)}"
            )["Environment"]["Variables"]
            variables[name] = {
                variable: value.replace(stack.state.emulator_url, lent.emulator_url)
                for variable, value in deployed.items()
            } | {"AWS_ENDPOINT_URL": lent.emulator_url, "AWS_ENDPOINT_URL_SESV2": lent.ses_url}
            for variable in variables[name]:
                if variable.endswith(DATABASE_VARIABLES):
                    variables[name][variable] = lent.database_secret
    new = path.with_name("sam-local.json")  # beside it, because its paths are relative
    new.write_text(json.dumps(fitted(template, variables)))
    return new


def _functions(template: Path) -> list[str]:
    resources = json.loads(template.read_text())["Resources"]
    return [name for name in resources if resources[name]["Type"] == "AWS::Serverless::Function"]


def _invoke(state: State, template: Path, function: str, event: dict[str, Any]) -> str:
    log = state.logs / "sam-local.log"
    with log.open("ab") as errors:
        ended = subprocess.run(
            [*_sam("invoke", template), function, "--event", "-"],
            input=json.dumps(event).encode(),
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_environment(),
            check=False,
        )
    said = ended.stdout.decode().strip()
    if ended.returncode != 0 or '"errorMessage"' in said:
        raise SamLocalError(f"{function} failed: {said}\n{tail(log)}")
    return outcome(said)


def outcome(said: str) -> str:
    """Return the essential part of a function's answer."""
    try:
        answer = json.loads(said or "null")
    except ValueError:
        return said[:100]
    if isinstance(answer, dict) and "statusCode" in answer:
        return f"{answer['statusCode']} {answer['body'][:80]}"
    return json.dumps(answer)[:100]


@contextmanager
def _api(state: State, template: Path) -> Iterator[str]:
    with closing(socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = state.logs / "sam-local.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*_sam("start-api", template), "--host", "127.0.0.1", "--port", str(port)],
            stdout=output,
            stderr=output,
            env=_environment(),
        )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + START_SECONDS
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SamLocalError(f"sam local start-api does not answer.\n{tail(log)}")
            time.sleep(1)
        yield url
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    with suppress(urllib3.exceptions.HTTPError):
        answer = urllib3.request("GET", f"{url}/health", timeout=ANSWER_SECONDS, retries=False)
        return answer.status == HTTPStatus.OK
    return False


def _call_api(url: str, token: str) -> None:
    form = {"json": {"name": "Ursula", "email": "ursula@example.com"}}
    as_author = {"headers": {"Authorization": f"Bearer {token}"}}
    calls: list[tuple[str, str, HTTPStatus, dict[str, Any]]] = [
        ("GET", "/health", HTTPStatus.OK, {}),
        ("GET", "/", HTTPStatus.OK, {}),
        ("POST", "/subscriptions", HTTPStatus.ACCEPTED, form),
        ("GET", "/issues", HTTPStatus.UNAUTHORIZED, {}),
        ("GET", "/issues", HTTPStatus.OK, as_author),
    ]
    for method, path, expected, more in calls:
        answer = urllib3.request(method, url + path, timeout=ANSWER_SECONDS, retries=False, **more)
        who = "as an author" if more is as_author else ""
        print(f"  {method:<5} {path:<16} {answer.status} {who}".rstrip(), flush=True)
        if answer.status != expected:
            raise SamLocalError(
                f"{method} {path} was expected to be {int(expected)}: {answer.data!r}"
            )


def _sam(command: str, template: Path) -> list[str | Path]:
    how = ("--skip-pull-image", "--region", isolation.REGION)
    return [SAM, "local", command, "--template", template, *how]


def _environment() -> dict[str, str]:
    return isolation.without_aws(dict(os.environ)) | {"SAM_CLI_TELEMETRY": "0"}


def _docker(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["docker", *arguments], capture_output=True, check=False)


class Here(NamedTuple):
    """This machine: the address to listen on, and its name in containers."""

    address: str
    name: str


class Lent(NamedTuple):
    """What containers reach of the stack, which itself listens only to this machine."""

    emulator_url: str
    ses_url: str
    database_secret: str


def _here() -> Here:
    """Return where containers reach this machine, and nobody else does."""
    asked = _docker("network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}")
    (network, *_) = json.loads(asked.stdout)
    # By default an engine takes the first address of its network.
    gateway = network.get("Gateway") or str(next(ip_network(network["Subnet"]).hosts()))
    with closing(socket()) as probe:
        try:
            probe.bind((gateway, 0))
        except OSError:  # Docker Desktop: its engine runs in a virtual machine
            return Here("127.0.0.1", "host.docker.internal")
    return Here(gateway, gateway)


@contextmanager
def _lent(stack: Stack, here: Here) -> Iterator[Lent]:
    parts = conninfo_to_dict(stack.database_url)
    ports, secrets = stack.state.ports(), stack.aws.secrets
    with ExitStack() as ending:
        emulator, ses, database = (
            ending.enter_context(relay(here.address, to))
            for to in (
                ("127.0.0.1", ports.emulator),
                ("127.0.0.1", ports.ses),
                f"{parts['host']}/{SOCKET_NAME}",
            )
        )
        url = (
            f"postgresql://{parts['user']}@{here.name}:{database}/{parts['dbname']}?sslmode=disable"
        )
        secret = secrets.create_secret(Name=f"sam-local-{os.getpid()}", SecretString=url)["ARN"]
        ending.callback(secrets.delete_secret, SecretId=secret, ForceDeleteWithoutRecovery=True)
        yield Lent(f"http://{here.name}:{emulator}", f"http://{here.name}:{ses}", secret)


@contextmanager
def relay(host: str, to: tuple[str, int] | str) -> Iterator[int]:
    """Pass connections on to a port of this machine, or to a Unix socket's path; yield the port."""

    async def pass_on(reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(OSError):  # the server is gone
            if isinstance(to, str):
                its_reader, its_writer = await asyncio.open_unix_connection(to)
            else:
                its_reader, its_writer = await asyncio.open_connection(*to)
            await asyncio.gather(_pipe(reader, its_writer), _pipe(its_reader, writer))
            its_writer.close()
        writer.close()

    async def serve(started: Callable[[int], None], stop: asyncio.Event) -> None:
        async with await asyncio.start_server(pass_on, host, 0) as server:
            started(server.sockets[0].getsockname()[1])
            await stop.wait()
            server.abort_clients()

    with threads.serving(serve) as port:
        yield port


async def _pipe(source: StreamReader, target: StreamWriter) -> None:
    with suppress(OSError):
        while piece := await source.read(65_536):
            target.write(piece)
            await target.drain()
        target.write_eof()


class _Answers:
    def __init__(self) -> None:
        self.url = ""
        self.received: list[dict[str, str]] = []


@contextmanager
def _answers_of_migrate(here: Here) -> Iterator[_Answers]:
    """Take the place of the bucket in which CloudFormation waits for migrate's answer."""
    answers = _Answers()

    async def keep(request: web.BaseRequest) -> web.Response:
        answers.received.append(json.loads(await request.read()))
        return web.Response()

    with http_api.serving(keep, here.address) as port:
        answers.url = f"http://{here.name}:{port}/"
        yield answers
