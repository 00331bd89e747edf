"""Rows written as CSV: they can be read back, and are safe in a spreadsheet."""

import csv as standard
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from broadsheet.web import csv
from broadsheet.web.request import Request
from local.lambda_events import api_event


class Row(BaseModel):
    email: str | None
    mails: int
    is_twice: bool


def read(body: str) -> list[dict[str, str]]:
    return list(standard.DictReader(io.StringIO(body, newline="")))


def written(*rows: Row, following: str | None = None) -> dict[str, Any]:
    documents = [row.model_dump(mode="json") for row in rows]
    return csv.respond(Row, documents, following).as_event()


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_text_is_read_as_it_was_but_for_formulas(text: str) -> None:
    (row,) = read(written(Row(email=text, mails=1, is_twice=False))["body"])

    assert row["email"] == (f"'{text}" if text[:1] in tuple("=+-@") else text)


def test_other_values_are_written_as_in_json_and_null_as_nothing() -> None:
    (row,) = read(written(Row(email=None, mails=-1, is_twice=True))["body"])

    assert row == {"email": "", "mails": "-1", "is_twice": "true"}


def test_a_page_without_rows_has_its_header() -> None:
    assert written()["body"] == "email,mails,is_twice\r\n"


@pytest.mark.parametrize(
    ("following", "headers"),
    [("/issues?after=x", {"Link": '</issues?after=x>; rel="next"'}), (None, {})],
)
def test_the_next_page_is_linked(following: str | None, headers: dict[str, str]) -> None:
    answer = written(following=following)

    assert answer["headers"]["Content-Type"] == "text/csv; charset=utf-8"
    assert {name: answer["headers"][name] for name in headers} == headers
    assert ("Link" in answer["headers"]) == bool(headers)


@pytest.mark.parametrize(
    ("accept", "accepted"),
    [("text/csv", True), ("text/csv, */*;q=0.1", True), ("*/*", False), ("", False)],
)
def test_csv_is_returned_only_if_the_client_accepts_it(accept: str, *, accepted: bool) -> None:
    request = Request.parse(api_event("GET", "/", headers={"accept": accept}))

    assert csv.is_accepted(request) == accepted
