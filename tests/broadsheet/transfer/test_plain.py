"""Plain tables, as spreadsheets write them in many countries, and lists of addresses."""

import io
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from broadsheet import transfer
from broadsheet.domain.imports import FileStanding
from broadsheet.domain.people import PeopleFormat, Person, Standing, Unusable

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)


def read(content: str | bytes, name: str = "people.csv") -> list[tuple[int, Person | Unusable]]:
    file = io.BytesIO(content if isinstance(content, bytes) else content.encode())
    return list(transfer.read(PeopleFormat.CSV, file, name))


def one(content: str | bytes) -> Person:
    ((_, person),) = read(content)
    assert isinstance(person, Person)
    return person


def codes(content: str | bytes) -> list[tuple[int, str]]:
    return [(line, each.code) for line, each in read(content) if isinstance(each, Unusable)]


def addresses(content: str | bytes) -> list[str]:
    return [each.email for _, each in read(content) if isinstance(each, Person)]


def test_our_own_columns_hold_everything() -> None:
    person = one(
        "email,name,status,consented_at,signed_up_at,left_at,tags,language,source\r\n"
        "zoe@example.com,Zoë,subscribed,2024-05-06T12:00:00+00:00,2024-05-06T14:00:00+02:00,,"
        "VIP;Blog,de,fair in Leeds\r\n"
    )

    assert person == Person(
        "zoe@example.com", "Zoë", Standing.SUBSCRIBED, NOON, NOON, None, ("VIP", "Blog"), "de",
        "fair in Leeds",
    )  # fmt: skip


@pytest.mark.parametrize(
    "encode",
    [
        pytest.param(lambda text: text.encode(), id="utf-8"),
        pytest.param(lambda text: text.encode("utf-8-sig"), id="byte-order-mark"),
        pytest.param(lambda text: text.encode("utf-16"), id="utf-16"),
        pytest.param(lambda text: text.encode("utf-16-le"), id="utf-16-unmarked"),
        pytest.param(lambda text: text.encode("utf-16-be"), id="utf-16-big-endian"),
        pytest.param(lambda text: text.replace(",", ";").encode(), id="semicolons"),
        pytest.param(lambda text: text.replace(",", "\t").encode(), id="tabs"),
        pytest.param(lambda text: text.replace("\n", "\r\n").encode(), id="crlf"),
        pytest.param(lambda text: text.replace("\n", "\r").encode(), id="cr"),
        pytest.param(lambda text: f"sep=;\n{text.replace(',', ';')}".encode(), id="excel-sep"),
        pytest.param(lambda text: f"\n\n{text}\n,,\n".encode(), id="blank-rows"),
    ],
)
def test_a_table_reads_the_same_however_it_is_written(encode: Callable[[str], bytes]) -> None:
    content = encode("E-Mail,Vorname,Nachname\nzoe@example.com,Zoë,Jones\n")

    assert transfer.detect("people.csv", content).format is PeopleFormat.CSV
    person = one(content)
    assert (person.email, person.name) == ("zoe@example.com", "Zoë Jones")


def test_a_list_of_addresses_needs_no_header() -> None:
    content = "zoe@example.com\nben@example.com\n"

    assert transfer.detect("list.txt", content.encode()).format is PeopleFormat.CSV
    assert addresses(content) == ["zoe@example.com", "ben@example.com"]


def test_a_table_without_a_header_has_its_addresses_where_the_first_stands() -> None:
    content = "Zoë;zoe@example.com;x\nBen;ben@example.com;y\n"

    assert addresses(content) == ["zoe@example.com", "ben@example.com"]
    assert transfer.detect("x.csv", content.encode()).unused_columns == ("column 1", "column 3")


def test_an_unknown_name_of_the_address_is_found_by_what_stands_below() -> None:
    assert addresses("Nimi,Sähköpostiosoite\nZoë,zoe@example.com\n") == ["zoe@example.com"]


def test_of_two_columns_of_one_name_the_first_counts_and_the_other_is_named() -> None:
    content = "email,email,note\nzoe@example.com,old@example.com,x\n"

    assert addresses(content) == ["zoe@example.com"]
    assert transfer.detect("x.csv", content.encode()).unused_columns == ("email", "note")


@pytest.mark.parametrize(
    ("row", "standing"),
    [
        pytest.param("subscribed,2024-05-06 12:00:00", Standing.SUBSCRIBED, id="subscribed"),
        pytest.param("subscribed,", Standing.TO_CONFIRM, id="without-consent"),
        pytest.param("Active,2024-05-06", Standing.SUBSCRIBED, id="active"),
        pytest.param("pending,2024-05-06", Standing.TO_CONFIRM, id="pending"),
        pytest.param("unsubscribed,2024-05-06", Standing.UNSUBSCRIBED, id="unsubscribed"),
        pytest.param("Opted Out,", Standing.UNSUBSCRIBED, id="opted-out"),
        pytest.param("bounced,", Standing.BOUNCED, id="bounced"),
        pytest.param("complained,", Standing.COMPLAINED, id="complained"),
    ],
)
def test_a_state_decides_and_consent_needs_its_date(row: str, standing: Standing) -> None:
    assert one(f"email,status,consented_at\nzoe@example.com,{row}\n").status is standing


def test_an_address_alone_is_to_confirm() -> None:
    assert one("zoe@example.com\n").status is Standing.TO_CONFIRM


def test_a_time_of_leaving_is_a_departure_without_a_column_of_states() -> None:
    person = one("email,confirmed_at,unsubscribed_at\nzoe@example.com,2024-05-06,2024-06-01\n")

    assert person.status is Standing.UNSUBSCRIBED


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("2024-05-06T12:00:00Z", id="iso"),
        pytest.param("2024-05-06 12:00:00", id="naive-is-utc"),
        pytest.param("2024-05-06 14:00:00+02:00", id="zone"),
        pytest.param("2024-05-06 12:00:00 UTC", id="utc-by-name"),
        pytest.param("2024-05-06T12:00:00.000Z", id="milliseconds"),
        pytest.param("2024-05-06 17:30:00 +0530 IST", id="go"),
        pytest.param("06.05.2024 12:00", id="dots"),
    ],
)
def test_times_are_read_as_they_are_written(text: str) -> None:
    assert one(f"email,consented_at\nzoe@example.com,{text}\n").consented_at == NOON


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("05/06/2024", "unreadable-time", id="either-way-round"),
        pytest.param("05-06-2024", "unreadable-time", id="dashes-either-way-round"),
        pytest.param("yes", "unreadable-time", id="no-time"),
        pytest.param("32.05.2024", "unreadable-time", id="no-day"),
        pytest.param("2124-05-06", "time-in-future", id="future"),
    ],
)
def test_a_consent_whose_time_is_in_doubt_is_none(text: str, code: str) -> None:
    assert codes(f"email,consented_at\nzoe@example.com,{text}\n") == [(2, code)]


@pytest.mark.parametrize("text", ["0001-01-01 00:00:00 +0000 UTC", "0000-00-00 00:00:00", " "])
def test_a_zero_is_no_time(text: str) -> None:
    assert one(f"email,consented_at\nzoe@example.com,{text}\n").status is Standing.TO_CONFIRM


def test_a_departure_is_not_lost_for_what_else_is_wrong() -> None:
    person = one(
        b"email,status,name,left_at,consented_at\nzoe@example.com,unsubscribed,Zo\xeb,soon,05/06/7\n"
    )

    assert (person.email, person.status) == ("zoe@example.com", Standing.UNSUBSCRIBED)
    assert (person.name, person.left_at, person.consented_at) == (None, None, None)


def test_a_row_that_cannot_be_read_is_reported_and_the_next_one_read() -> None:
    content = (
        b"email,name\n"
        b"a@example.com,A\n"
        b"b@example.com,Bj\xf6rn\n"
        b",nobody\n"
        b"d@example.com,Jones, Dr\n"
        b'e@example.com,"' + b"x" * 200_000 + b'"\n'
        b'f@example.com,"F" G\n'
        b"g@example.com,G\n"
    )

    assert addresses(content) == ["a@example.com", "g@example.com"]
    assert codes(content) == [
        (3, "bad-encoding"),
        (4, "no-address"),
        (5, "more-cells-than-columns"),
        (6, "cell-too-long"),
        (7, "damaged-quotes"),
    ]


def test_a_quote_that_never_ends_hides_no_row_in_silence() -> None:
    content = 'email,name\na@example.com,"A\nb@example.com,B\nc@example.com,C\n'

    assert codes(content) == [(2, "damaged-quotes")]
    ((_, unusable),) = read(content)
    assert isinstance(unusable, Unusable)
    assert unusable.detail == "to line 4"


def test_an_endless_line_fills_no_memory() -> None:
    content = b"email,name\n" + b"x," * 3_000_000 + b"\nz@example.com,Z\n"

    assert addresses(content) == ["z@example.com"]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        pytest.param("Zoë (Leeds)", "Zoë Leeds", id="brackets"),
        pytest.param('"Zoë\nJones"', "Zoë Jones", id="line-break"),
        pytest.param("\u202eZoë", "Zoë", id="turned"),
        pytest.param("\u3164", None, id="invisible"),
        pytest.param("x" * 300, "x" * 256, id="long"),
        pytest.param("王秀英", "王秀英", id="chinese"),
    ],
)
def test_a_name_becomes_one_that_a_subscriber_can_have(written: str, kept: str | None) -> None:
    assert one(f"email,name\nzoe@example.com,{written}\n").name == kept


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"", "empty-file", id="empty"),
        pytest.param(b"name,city\nZoe,Leeds\n", "no-address-column", id="no-addresses"),
        pytest.param(b"\x89PNG\r\n\x1a\n\0\0\0", "no-address-column", id="picture"),
        pytest.param(b"PK\x03\x04 no archive", "damaged-archive", id="no-archive"),
    ],
)
def test_what_holds_no_people_is_refused_with_a_reason(content: bytes, code: str) -> None:
    assert transfer.detect("people.csv", content) == transfer.Detected(None, problem=code)
    assert [each for _, each in read(content)] == [Unusable(1, code)]


def test_a_file_of_the_caller_stays_open() -> None:
    file = io.BytesIO(b"email\nzoe@example.com\n")

    transfer.detect("people.csv", file)
    assert list(transfer.read(PeopleFormat.CSV, file, "people.csv"))
    assert not file.closed


# --- Lists of those who left ----------------------------------------------------------------------

# As Mailgun's API reference describes the tables of its suppressions, 2026-11: times as in mails.
BOUNCES = (
    "address,code,error,created_at\r\n"
    'zoe@example.com,550,"No such mailbox, ""zoe""","Mon, 06 May 2024 12:00:00 UTC"\r\n'
    'ben@example.com,605,,"Mon, 01 Jan 0001 00:00:00 UTC"\r\n'
)
COMPLAINTS = 'address,created_at\r\nzoe@example.com,"Mon, 06 May 2024 12:00:00 +0000"\r\n'
UNSUBSCRIBES = 'address,tags,created_at\r\nzoe@example.com,*,"Mon, 6 May 2024 14:00:00 +0200"\r\n'


def departed(content: str, standing: Standing = Standing.UNSUBSCRIBED) -> list[Person | Unusable]:
    file = io.BytesIO(content.encode())
    return [each for _, each in transfer.read(PeopleFormat.CSV, file, "list.csv", standing)]


@pytest.mark.parametrize(
    ("content", "standing"),
    [
        pytest.param(BOUNCES, Standing.BOUNCED, id="bounces"),
        pytest.param(COMPLAINTS, Standing.COMPLAINED, id="complaints"),
        pytest.param(UNSUBSCRIBES, Standing.UNSUBSCRIBED, id="unsubscribes"),
    ],
)
def test_mailguns_lists_say_when_who_left(content: str, standing: Standing) -> None:
    first, *others = departed(content, standing)

    assert first == Person("zoe@example.com", None, standing, left_at=NOON)
    assert others in ([], [Person("ben@example.com", None, standing)])


@pytest.mark.parametrize(
    ("content", "left_at"),
    [
        pytest.param("email\nzoe@example.com\n", None, id="addresses-alone"),
        pytest.param("zoe@example.com\n", None, id="no-header"),
        pytest.param(
            "email,status,consented_at,unsubscribed_at\n"
            "zoe@example.com,subscribed,2024-01-01,2024-05-06 12:00:00\n",
            NOON,
            id="the-rows-say-otherwise",
        ),
        pytest.param("email,status\nzoe@example.com,5.1.1\n", None, id="an-unknown-state"),
        pytest.param("email,created_at\nzoe@example.com,2024-05-06\n", None, id="signed-up-then"),
        pytest.param(
            "status,reason,email,created\n5.1.1,No such user,zoe@example.com,2024-05-06 12:00:00\n",
            NOON,
            id="sendgrid",
        ),
        pytest.param(
            "email,active_subscription,email_disabled,created_at\n"
            "zoe@example.com,false,false,2024-05-06T12:00:00Z\n",
            None,
            id="substack",
        ),
    ],
)
def test_whatever_stands_in_its_row_everybody_in_a_list_of_departures_has_left(
    content: str, left_at: datetime | None
) -> None:
    assert departed(content) == [
        Person("zoe@example.com", None, Standing.UNSUBSCRIBED, left_at=left_at)
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("export.csv", BOUNCES, id="mailguns-bounces"),
        pytest.param("export.csv", COMPLAINTS, id="mailguns-complaints"),
        pytest.param("export.csv", UNSUBSCRIBES, id="mailguns-unsubscribes"),
        pytest.param("Bounces (2).csv", "email\nzoe@example.com\n", id="name-bounces"),
        pytest.param("unsubscribed.txt", "zoe@example.com\n", id="name-unsubscribed"),
        pytest.param("suppression_group.csv", "email\nzoe@example.com\n", id="name-suppression"),
        pytest.param("opt-outs.csv", "email,name\nzoe@example.com,Zoe\n", id="name-opt-outs"),
        pytest.param("x.csv", "email,Bounce count\nzoe@example.com,3\n", id="header-bounce"),
        pytest.param("x.csv", "status,reason,email\n5.1.1,x,zoe@example.com\n", id="sendgrid"),
        pytest.param(
            "unsubscribed.csv",
            "Email Address,Subscribed at,UTM Source\nzoe@example.com,2024-05-06 10:00:00 UTC,\n",
            id="of-a-peer-without-states",
        ),
    ],
)
def test_what_looks_like_a_list_of_departures_is_asked_about(name: str, content: str) -> None:
    assert transfer.detect(name, content.encode()).standings == tuple(FileStanding)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("people.csv", "email\nzoe@example.com\n", id="addresses"),
        pytest.param("subscribers.csv", "email,name\nzoe@example.com,Zoe\n", id="subscribers"),
        pytest.param("bounced.csv", "email,status\nzoe@example.com,bounced\n", id="a-state"),
        pytest.param(
            "x.csv",
            "email,subscribed_at,unsubscribed_at\nzoe@example.com,2024-01-01,\n",
            id="times",
        ),
        pytest.param(
            "unsubscribed_email_audience_export_1a2b.csv",
            "Email Address,MEMBER_RATING,OPTIN_TIME,CONFIRM_TIME,UNSUB_TIME,LEID,EUID,TAGS\n"
            "zoe@example.com,2,,2024-01-01 10:00:00,2024-05-06 10:00:00,1,a,\n",
            id="mailchimps",
        ),
    ],
)
def test_what_says_who_left_is_not_asked_about(name: str, content: str) -> None:
    detected = transfer.detect(name, content.encode())

    assert (detected.standings, detected.format is not None) == ((), True)


def test_a_list_of_departures_names_the_columns_that_are_not_used() -> None:
    detected = transfer.detect("bounces.csv", BOUNCES.encode(), Standing.BOUNCED)

    assert detected == transfer.Detected(PeopleFormat.CSV, (PeopleFormat.CSV,), ("code", "error"))
    assert transfer.detect("x.csv", b"a,b\n1,2\n", Standing.BOUNCED).problem == "no-address-column"
