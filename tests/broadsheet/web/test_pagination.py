"""Lists are read a page at a time, and a page says where the next begins."""

import base64
import json
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime, TypeAdapter

from broadsheet.domain.errors import InvalidRequest
from broadsheet.web import pagination
from broadsheet.web.pagination import Listing, count_fitting
from broadsheet.web.request import Request
from local.lambda_events import api_event

LISTING = Listing("after", TypeAdapter(tuple[AwareDatetime, UUID]), 20, 100)


def ask(**query: str) -> Request:
    return Request.parse(api_event("GET", "/issues", query=query))


@given(
    st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - given
    st.uuids(),
)
def test_a_link_leads_to_the_place_after_its_page(moment: datetime, number: UUID) -> None:
    link = LISTING.link(ask(limit="7"), "/issues", (moment, number))

    assert urlsplit(link).path == "/prod/issues"
    query = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
    assert LISTING.limit(ask(**query)) == 7
    assert LISTING.start(ask(**query)) == (moment, number)


def test_the_first_page_has_no_cursor_and_the_usual_size() -> None:
    assert LISTING.start(ask()) is None
    assert LISTING.limit(ask()) == 20


@given(
    st.text(max_size=50)
    | st.binary(max_size=50).map(lambda data: base64.urlsafe_b64encode(data).decode())
    | st.sampled_from(["[", "[1,2]", "null", "[" * 5000]).map(
        lambda text: base64.urlsafe_b64encode(text.encode()).decode()
    )
)
def test_a_cursor_that_we_did_not_write_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        LISTING.start(ask(after=text))


@pytest.mark.parametrize("text", ["", "0", "101", "-1", "1.5", "٣", " 1", "1" * 5000])
def test_a_limit_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        LISTING.limit(ask(limit=text))


@given(st.lists(st.text(max_size=30)))
def test_a_page_has_as_many_rows_as_lambda_returns_and_at_least_one(rows: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pagination, "MAX_PAGE_BYTES", 100)
        fitting = count_fitting(rows, json.dumps)

    assert fitting >= 1
    body = json.dumps(json.dumps(rows[:fitting]))
    assert fitting == 1 or len(body) <= 100 + len('"[]"')
    more = json.dumps(json.dumps(rows[: fitting + 1]))
    assert fitting >= len(rows) or len(more) > 100
