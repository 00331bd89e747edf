"""Finding readers: by a part of the address or name, in pages that neither miss nor repeat."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from broadsheet.database import search
from functions.people.app import handler
from local.lambda_events import api_event
from tests.cloud import Cloud, context, json_of, problem_in


def ask(path: str = "/subscribers", **query: str) -> dict[str, Any]:
    return handler(api_event("GET", path, query=query, author="ada"), context())


def found(**query: str) -> list[str]:
    """Return the addresses of all pages of a search."""
    addresses = []
    while True:
        document = json_of(ask(**query))
        addresses += [each["email"] for each in document["subscribers"]]
        if document["next"] is None:
            return addresses
        query = dict(parse_qsl(urlsplit(document["next"]).query))


@pytest.fixture
def readers(cloud: Cloud) -> Cloud:
    cloud.add_confirmed("ursula@example.com", "anursula@example.com")
    cloud.add_confirmed("ged@page.example", name="Sparrowhawk")
    cloud.add_confirmed("tenar_1@page.example", name="Ursula Le Guin")
    cloud.add_confirmed("tenarx1@page.example", name="100 % Élise")
    cloud.add_confirmed("wang@page.example", name="王伟")
    return cloud


@pytest.mark.parametrize(
    ("query", "emails"),
    [
        ("ursula@example.com", ["ursula@example.com", "anursula@example.com"]),
        ("rsul", ["anursula@example.com", "tenar_1@page.example", "ursula@example.com"]),
        ("  URSULA le ", ["tenar_1@page.example"]),
        ("tenar_1", ["tenar_1@page.example"]),
        ("0 %", ["tenarx1@page.example"]),
        ("éLISE", ["tenarx1@page.example"]),
        ("\\", []),
        ("nobody", []),
        ("王伟", ["wang@page.example"]),
        ("g", ["ged@page.example", "tenar_1@page.example"]),
        ("er", []),
    ],
    ids=[
        *("address", "inside", "name", "underscore", "percent", "accents", "backslash", "nobody"),
        *("short name", "one letter", "two letters within a word"),
    ],
)
def test_a_part_of_an_address_or_a_name_finds_a_reader(
    readers: Cloud, query: str, emails: list[str]
) -> None:
    del readers

    assert found(query=query) == emails


def test_pages_neither_miss_nor_repeat_a_reader(readers: Cloud) -> None:
    everybody = found()

    assert len(everybody) == len(readers.rows("SELECT id FROM subscribers"))
    assert found(limit="1") == found(limit="4") == everybody
    assert found(query="a", limit="1") == found(query="a", limit="2") == found(query="a")


def test_whoever_is_far_is_found_as_whoever_is_near(
    readers: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers.rows("UPDATE subscribers SET tags = '{vip}' WHERE email LIKE '%%e@%%' OR name = '王伟'")
    near = [found(**query) for query in SEARCHES]
    assert all(near)

    monkeypatch.setattr(search, "_NEAR", 1)

    assert [found(**query) for query in SEARCHES] == near
    assert [found(**query, limit="1") for query in SEARCHES] == near


SEARCHES: tuple[dict[str, str], ...] = (
    {"query": "ursula"},
    {"query": "u"},
    {"query": "page", "status": "confirmed"},
    {"query": "page", "tag": "VIP"},
    {"tag": "vip", "status": "confirmed"},
    {"status": "confirmed"},
    {},
)


def test_a_status_narrows_what_is_found(readers: Cloud) -> None:
    readers.rows("UPDATE subscribers SET complained_at = now() WHERE email LIKE 'tenar%%'")

    assert found(status="complained", limit="1") == ["tenar_1@page.example", "tenarx1@page.example"]
    assert found(status="complained", query="ursula") == ["tenar_1@page.example"]
    assert found(status="pending") == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"query": "x" * 255}, "invalid-query"),
        ({"query": "\0"}, "invalid-query"),
        ({"status": "gone"}, "invalid-status"),
        ({"tag": " "}, "invalid-tag"),
        ({"limit": "501"}, "invalid-limit"),
        ({"after": "x"}, "invalid-cursor"),
    ],
    ids=["long", "zero", "status", "tag", "limit", "cursor"],
)
@pytest.mark.usefixtures("cloud")
def test_what_can_not_be_looked_for_is_refused(query: dict[str, str], code: str) -> None:
    answer = ask(**query)

    assert (answer["statusCode"], problem_in(answer)["code"]) == (400, code)


def test_a_database_that_sleeps_is_a_503(cloud: Cloud) -> None:
    with cloud.database_down():
        answer = ask()

    assert answer["statusCode"] == 503
    assert answer["headers"]["Retry-After"]
