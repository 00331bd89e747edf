"""``sam local`` reports what is missing, and gets a template adapted to this machine.

``make sam-local`` runs the functions in it, which needs a Docker engine.
"""

import socket
import threading
from pathlib import Path

import pytest

from local import sam_local
from local.sam_local import IMAGE, SamLocalError


def docker_that(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_without_docker_it_fails_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SamLocalError, match="no Docker engine answers"):
        sam_local.require_engine()


def test_without_an_engine_it_fails_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    docker_that(tmp_path, "exit 1", monkeypatch)

    with pytest.raises(SamLocalError, match="no Docker engine answers"):
        sam_local.require_engine()


def test_without_the_image_it_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    docker_that(tmp_path, '[ "$1" = info ]', monkeypatch)
    sam_local.require_engine()

    with pytest.raises(SamLocalError, match="local/lambda-image"):
        sam_local.require_image()


def test_an_existing_image_is_not_pulled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    docker_that(tmp_path, f'[ "$1 $2 $3" = "image inspect {IMAGE}" ]', monkeypatch)

    sam_local.require_image()


def test_functions_get_this_machines_architecture_and_the_given_variables():
    function = {
        "Type": "AWS::Serverless::Function",
        "Properties": {"Environment": {"Variables": {"A": {"Ref": "Queue"}}}, "CodeUri": "Confirm"},
    }
    template = {
        "Globals": {"Function": {"Architectures": ["riscv"], "Timeout": 29}},
        "Resources": {
            "ConfirmFunction": function,
            "Api": {
                "Type": "AWS::Serverless::Api",
                "Properties": {
                    "Auth": {
                        "Authorizers": {
                            "AuthorToken": {"FunctionArn": {"Fn::GetAtt": ["Authorize", "Arn"]}}
                        }
                    }
                },
            },
            "CommonLayer": {
                "Type": "AWS::Serverless::LayerVersion",
                "Metadata": {"BuildArchitecture": "riscv"},
                "Properties": {
                    "CompatibleArchitectures": ["riscv"],
                    "ContentUri": "CommonPackage",
                },
            },
        },
    }

    fitted = sam_local.fitted(template, {"ConfirmFunction": {"A": "1"}})

    assert "riscv" not in str(fitted)
    assert fitted["Globals"]["Function"]["Timeout"] == 29
    authorizers = fitted["Resources"]["Api"]["Properties"]["Auth"]["Authorizers"]
    assert authorizers["AuthorToken"]["FunctionArn"].endswith(":function:Authorize")
    properties = fitted["Resources"]["ConfirmFunction"]["Properties"]
    assert properties == {"Environment": {"Variables": {"A": "1"}}, "CodeUri": "Confirm"}
    assert fitted["Resources"]["CommonLayer"]["Properties"]["ContentUri"] == "CommonLayer"


def test_a_database_on_a_unix_socket_is_reached_over_tcp(tmp_path: Path):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def echo() -> None:
            client, _ = server.accept()
            with client:
                client.sendall(client.recv(100).upper())

        threading.Thread(target=echo, daemon=True).start()
        with (
            sam_local.relay("127.0.0.1", path) as port,
            socket.create_connection(("127.0.0.1", port)) as client,
        ):
            client.sendall(b"hello")
            assert client.recv(100) == b"HELLO"
            assert client.recv(100) == b""  # the end is passed on, too


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ('{"statusCode": 202, "body": "{}"}', "202 {}"),
        ('{"batchItemFailures": []}', '{"batchItemFailures": []}'),
        ("null", "null"),
        ("", "null"),
    ],
)
def test_an_answer_is_shown_in_a_line(said: str, shown: str):
    assert sam_local.outcome(said) == shown
