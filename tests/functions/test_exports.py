"""An author takes everybody along: a file in each format, which brings them back here."""

import json
from typing import Any
from uuid import uuid4

import boto3
import pytest
import requests  # moto stands behind it

from broadsheet.domain.people import PeopleFormat
from functions.people.app import handler as people
from functions.transfer.app import handler as transfer
from local.lambda_events import api_event
from tests.cloud import Cloud, at, context, json_of, problem_in
from tests.functions.issues import tick
from tests.functions.test_imports_api import Importing
from tests.functions.webhooks import Functions


def call(method: str, export_id: str | None = None, document: object = None) -> dict[str, Any]:
    event = api_event(
        method,
        "/exports/{id}" if export_id else "/exports",
        body=None if document is None else json.dumps(document),
        headers={"content-type": "application/json"},
        path_parameters={"id": export_id} if export_id else None,
        author="ada",
    )
    return people(event, context())


@pytest.fixture
def functions(cloud: Cloud) -> Functions:
    """Lambda; and Ann, who is subscribed, Ben, who has left, and Cleo, who is to confirm."""
    cloud.add_confirmed("ann@example.com", "ben@example.com", name="=Ann")
    cloud.rows("UPDATE subscribers SET tags = '{jobs,vip}' WHERE email LIKE 'ann%%'")
    cloud.rows(
        "UPDATE subscribers SET unsubscribed_at = %(at)s WHERE email LIKE 'ben%%'", at=at(60)
    )
    cloud.rows(
        "INSERT INTO subscribers (id, email, language, signed_up_at)"
        " VALUES (%(id)s, 'cleo@example.com', 'de', %(at)s)",
        id=uuid4(),
        at=at(0),
    )
    return Functions()


def exported(functions: Functions, file_format: str) -> dict[str, Any]:
    begun = call("POST", document={"format": file_format})
    assert begun["statusCode"] == 202
    export_id = json_of(begun)["id"]
    assert json_of(call("GET", export_id))["status"] == "writing"
    while functions.transfers:
        transfer(functions.transfers.pop(), context())
    return json_of(call("GET", export_id))


def standing(cloud: Cloud) -> list[tuple[object, ...]]:
    rows = cloud.rows(
        "SELECT email, name, status::text, tags, language,"
        " CASE status WHEN 'confirmed' THEN confirmed_at ELSE unsubscribed_at END AS at"
        " FROM subscribers ORDER BY email"
    )
    return [tuple(row.values()) for row in rows]


def test_everybody_is_exported_and_brought_back_as_they_were(
    functions: Functions, cloud: Cloud
) -> None:
    before = standing(cloud)
    export = exported(functions, "csv")
    assert (export["status"], export["people"]) == ("ready", 3)
    file = requests.get(export["download"], timeout=10)
    assert file.ok
    assert "people-" in file.headers["Content-Disposition"]
    assert file.text.startswith("email,")
    cloud.rows("TRUNCATE subscribers CASCADE")

    importing = Importing(functions, "people.csv")
    importing.upload(file.content)
    importing.act("read")
    importing.act("apply")

    assert standing(cloud) == before


@pytest.mark.parametrize("file_format", PeopleFormat)
def test_each_peers_format_is_one_that_an_import_reads(
    functions: Functions, file_format: PeopleFormat
) -> None:
    export = exported(functions, file_format)
    stored = boto3.client("s3").get_object(Bucket="content", Key=f"exports/{export['id']}")
    name = export["download"].partition("filename%3D%22")[2].partition("%22")[0]

    importing = Importing(functions, name, format=file_format)
    importing.upload(stored["Body"].read())
    importing.act("read")

    looked_at = importing.shown()
    assert looked_at["status"] == "ready"
    assert sum(looked_at["outcomes"].values()) >= 1
    assert "added" not in looked_at["outcomes"]  # they are all here


def test_an_export_that_was_written_is_not_written_again(functions: Functions) -> None:
    export = exported(functions, "csv")

    transfer({"export_id": export["id"]}, context())

    assert json_of(call("GET", export["id"])) | {"download": None} == export | {"download": None}


def test_an_export_is_forgotten_after_a_day(functions: Functions, cloud: Cloud) -> None:
    export = exported(functions, "csv")

    cloud.rows("UPDATE exports SET created_at = now() - interval '25 hours'")
    tick(None)

    assert problem_in(call("GET", export["id"]))["code"] == "export-not-found"
    assert problem_in(call("GET", "nothing"))["code"] == "export-not-found"
    assert problem_in(call("POST", document={"format": "odd"}))["code"] == "invalid-fields"
