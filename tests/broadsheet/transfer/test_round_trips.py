"""What is written in a format is read again as the same people, less what it can't hold."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from broadsheet import transfer
from broadsheet.domain.people import PeopleFormat, Person, Standing

JUNE = datetime(2024, 6, 5, 4, 3, 2, 123456, tzinfo=UTC)
MAY = JUNE - timedelta(days=31)
JULY = JUNE + timedelta(days=31)
PEOPLE = [
    Person(
        "zoe@example.com",
        "Zoë Jones",
        Standing.SUBSCRIBED,
        JUNE,
        MAY,
        None,
        ("VIP", "Blog, old", 'with "quotes"'),
        "de",
        "fair in Leeds",
    ),
    Person("王@example.com", "王秀英", Standing.SUBSCRIBED, JUNE, JUNE, source="form"),
    Person("new@example.com", "New", Standing.TO_CONFIRM, None, MAY, None, ("VIP",)),
    Person("gone@example.com", "=SUM 1", Standing.UNSUBSCRIBED, JUNE, MAY, JULY, ("Blog",)),
    Person("dead@example.com", None, Standing.BOUNCED, JUNE, MAY, JULY),
    Person("cross@example.com", "Mary Ann de la Tour", Standing.COMPLAINED, JUNE, MAY, JULY),
    Person("long-gone@example.com", None, Standing.UNSUBSCRIBED),
]

type Kept = Callable[[Person], Person | None]


def in_seconds(person: Person) -> Person:
    return person._replace(
        consented_at=person.consented_at and person.consented_at.replace(microsecond=0),
        signed_up_at=person.signed_up_at and person.signed_up_at.replace(microsecond=0),
        left_at=person.left_at and person.left_at.replace(microsecond=0),
    )


def by_mailchimp(person: Person) -> Person | None:
    if person.status is Standing.TO_CONFIRM:
        return None
    is_complaint = person.status is Standing.COMPLAINED
    kept = in_seconds(person)
    return kept._replace(
        status=Standing.UNSUBSCRIBED if is_complaint else person.status,
        source="Mailchimp CONFIRM_TIME" if person.consented_at else "Mailchimp OPTIN_TIME",
    )


# By format: what remains of a person, None for nothing.
KEPT: dict[PeopleFormat, Kept] = {
    PeopleFormat.CSV: lambda person: person,
    PeopleFormat.MAILCHIMP: by_mailchimp,
}


def test_every_format_that_is_read_is_written() -> None:
    assert set(KEPT) == set(transfer._PEERS)


@pytest.mark.parametrize("file_format", KEPT)
def test_what_is_written_is_read_again(file_format: PeopleFormat) -> None:
    content = b"".join(transfer.write(file_format, PEOPLE))

    detected = transfer.detect("subscribers", content)
    found = [each for _, each in transfer.read(file_format, io.BytesIO(content), "subscribers")]

    assert file_format in detected.candidates
    expected = [kept for person in PEOPLE if (kept := KEPT[file_format](person))]
    people = [each for each in found if isinstance(each, Person)]
    assert sorted(people) == sorted(expected)


@pytest.mark.parametrize("file_format", KEPT)
def test_a_file_of_nobody_is_written_and_read(file_format: PeopleFormat) -> None:
    content = b"".join(transfer.write(file_format, []))

    assert content
    assert not list(transfer.read(file_format, io.BytesIO(content), "subscribers"))
