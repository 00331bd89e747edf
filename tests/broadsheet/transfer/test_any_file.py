"""Whatever a file holds, reading it is an answer and no error, and takes no more memory."""

import gc
import io
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet import transfer
from broadsheet.domain.people import PeopleFormat, Person, Standing, Unusable
from broadsheet.domain.subscribers import SubscriberName
from broadsheet.transfer import cells

AT = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
SAMPLE = [
    Person("zoe@example.com", "Zoë", Standing.SUBSCRIBED, AT, AT, None, ("VIP", "a, b"), "de"),
    Person("gone@example.com", "Ben", Standing.UNSUBSCRIBED, AT, AT, AT),
]
WRITTEN = {each: b"".join(transfer.write(each, SAMPLE)) for each in PeopleFormat}


@st.composite
def damaged(draw: st.DrawFn) -> tuple[PeopleFormat, bytes]:
    """A file with a part replaced by any bytes."""
    file_format = draw(st.sampled_from(PeopleFormat))
    content = WRITTEN[file_format]
    start = draw(st.integers(0, len(content)))
    end = draw(st.integers(start, min(len(content), start + 40)))
    part = draw(
        st.binary(max_size=12) | st.sampled_from([b'"', b"\0", b"\r", b"\n", b",", b"\xff"])
    )
    return file_format, content[:start] + part + content[end:]


@given(damaged())
@settings(max_examples=400, deadline=None)
def test_a_damaged_file_gives_people_and_reasons(sample: tuple[PeopleFormat, bytes]) -> None:
    file_format, content = sample

    transfer.detect("subscribed.csv", content)
    found = list(transfer.read(file_format, io.BytesIO(content), "subscribed.csv"))

    assert all(isinstance(each, Person | Unusable) for _, each in found)
    lines = [line for line, _ in found]
    assert lines == sorted(set(lines))


@given(st.text(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_text_is_a_name_that_a_subscriber_can_have_or_none(text: str) -> None:
    kept = cells.name(text)

    assert kept is None or str(SubscriberName.model_validate(kept)) == kept


def people(count: int) -> Iterator[Person]:
    for number in range(count):
        yield SAMPLE[0]._replace(email=f"reader-{number}@example.com")


@pytest.mark.parametrize(
    ("file_format", "enough"),  # to fill all buffers
    [
        pytest.param(PeopleFormat.MAILCHIMP, 3000, id="table"),
        pytest.param(PeopleFormat.LISTMONK_API, 800, id="json"),
    ],
)
def test_three_times_the_people_take_no_more_memory(file_format: PeopleFormat, enough: int) -> None:
    def most(count: int) -> int:
        file = io.BytesIO(b"".join(transfer.write(file_format, people(count))))
        gc.collect()
        tracemalloc.start()
        try:
            assert sum(1 for _ in transfer.read(file_format, file, "export")) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = most(enough), most(3 * enough)
    assert many < few + 150_000
