from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import ses_server
from ses_server import Server
from tests.ses_server.clients import SENDER, client_of, unchecked_client_of

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with ses_server.running(tmp_path, verified=[SENDER]) as server:
        yield server


@pytest.fixture
def client(server: Server) -> "SESV2Client":
    return client_of(server)


@pytest.fixture
def unchecked(server: Server) -> Any:  # noqa: ANN401 — takes what no type allows
    return unchecked_client_of(server)
