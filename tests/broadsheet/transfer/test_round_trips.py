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


def with_one_date(person: Person) -> Person:
    """As a peer holds it that knows since when somebody is there, and nothing else."""
    since = person.consented_at or person.signed_up_at
    is_consent = person.status is not Standing.TO_CONFIRM
    return person._replace(consented_at=since if is_consent else None, signed_up_at=since)


def joined(person: Person) -> Person:
    is_complaint = person.status is Standing.COMPLAINED
    return person._replace(status=Standing.UNSUBSCRIBED) if is_complaint else person


def departed(person: Person) -> Person:
    return person._replace(status=Standing.UNSUBSCRIBED) if person.status.has_left else person


def in_milliseconds(at: datetime | None) -> datetime | None:
    return at and at.replace(microsecond=at.microsecond // 1000 * 1000)


def by_substack(person: Person) -> Person | None:
    if person.status is Standing.TO_CONFIRM:
        return None
    since = in_milliseconds(person.consented_at or person.signed_up_at)
    status = departed(person).status
    return Person(person.email, None, status, since, since, source="Substack created_at")


def by_ghost(person: Person) -> Person:
    kept = departed(with_one_date(person))
    return kept._replace(
        consented_at=in_milliseconds(kept.consented_at),
        signed_up_at=in_milliseconds(kept.signed_up_at),
        left_at=None,
        tags=tuple(" ".join(tag.replace(",", " ").split()) for tag in kept.tags),
        language=None,
        source="Ghost created_at",
    )


def by_buttondown(person: Person) -> Person:
    column = "subscription_date" if person.consented_at else "creation_date"
    return person._replace(source=f"Buttondown {column}")


def by_listmonk(person: Person) -> Person:
    status = Standing.UNSUBSCRIBED if person.status.has_left else Standing.TO_CONFIRM
    return person._replace(status=status, consented_at=None, left_at=None, source="listmonk")


def by_listmonk_api(person: Person) -> Person:
    kept = departed(with_one_date(person))
    return kept._replace(source="listmonk subscription_created_at")


def by_beehiiv(person: Person) -> Person:
    kept = in_seconds(joined(with_one_date(person)))
    return kept._replace(tags=(), language=None, source="beehiiv created_at")


def by_keila(person: Person) -> Person | None:
    if person.status is Standing.TO_CONFIRM:
        return None
    is_subscribed = person.status is Standing.SUBSCRIBED
    status = Standing.TO_CONFIRM if is_subscribed else joined(person).status
    return Person(
        person.email,
        person.name,
        status,
        tags=person.tags,
        language=person.language,
        source="Keila",
    )


def by_kit(person: Person) -> Person:
    kept = with_one_date(person)
    return kept._replace(left_at=None, tags=(), language=None, source="Kit created_at")


def by_brevo(person: Person) -> Person:
    since = person.consented_at or person.signed_up_at
    since = since and since.replace(second=0, microsecond=0)
    if person.status is Standing.TO_CONFIRM:
        since = None
    status = departed(person).status
    return Person(person.email, person.name, status, since, since, source="Brevo ADDED_TIME")


def by_curated(person: Person) -> Person | None:
    if person.status is not Standing.SUBSCRIBED:
        return None
    since = person.consented_at
    return Person(person.email, None, person.status, since, since, source="Curated Subscribed at")


# By format: what remains of a person, None for nothing.
KEPT: dict[PeopleFormat, Kept] = {
    PeopleFormat.CSV: lambda person: person,
    PeopleFormat.MAILCHIMP: by_mailchimp,
    PeopleFormat.SUBSTACK: by_substack,
    PeopleFormat.GHOST: by_ghost,
    PeopleFormat.BUTTONDOWN: by_buttondown,
    PeopleFormat.LISTMONK: by_listmonk,
    PeopleFormat.LISTMONK_API: by_listmonk_api,
    PeopleFormat.BEEHIIV: by_beehiiv,
    PeopleFormat.KEILA: by_keila,
    PeopleFormat.KIT: by_kit,
    PeopleFormat.BREVO: by_brevo,
    PeopleFormat.CURATED: by_curated,
}


def test_every_format_that_is_read_is_written() -> None:
    assert set(KEPT) == set(transfer._PEERS)


@pytest.mark.parametrize("file_format", KEPT, ids=str)
def test_what_is_written_is_read_again(file_format: PeopleFormat) -> None:
    content = b"".join(transfer.write(file_format, PEOPLE))

    detected = transfer.detect("subscribers", content)
    found = [each for _, each in transfer.read(file_format, io.BytesIO(content), "subscribers")]

    assert file_format in detected.candidates
    expected = [kept for person in PEOPLE if (kept := KEPT[file_format](person))]
    people = [each for each in found if isinstance(each, Person)]
    assert sorted(people) == sorted(expected)


@pytest.mark.parametrize("file_format", KEPT, ids=str)
def test_a_file_of_nobody_is_written_and_read(file_format: PeopleFormat) -> None:
    content = b"".join(transfer.write(file_format, []))

    assert content
    assert not list(transfer.read(file_format, io.BytesIO(content), "subscribers"))
