"""Files as Mailchimp exports them."""

import io
import zipfile
from datetime import UTC, datetime

from broadsheet import transfer
from broadsheet.domain.people import PeopleFormat, Person, Standing, Unusable

# As documented by the importers of others, with the two lines that every account differs in.
HEADER = (
    "Email Address,First Name,Last Name,Company,Position,ZIP Code,MEMBER_RATING,OPTIN_TIME,"
    "OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,{},LEID,EUID,"
    "NOTES,TAGS\r\n"
)
SUBSCRIBED = HEADER.format("LAST_CHANGED")
UNSUBSCRIBED = HEADER.format(
    "UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER"
)
CLEANED = HEADER.format("CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID")
ZOE = (
    'zoe@example.com,Zoë,Jones,,,,2,"2022-04-27 03:09:48",203.0.113.7,"2022-04-27 03:11:02",'
    '203.0.113.7,51.5,-0.1,0,1,Europe/London,GB,ENG,"2023-01-02 03:04:05",123456,0a1b2c3d4e,'
    '"Met in Leeds.\r\n\r\nLikes ""long"" letters, and tea.","""VIP"",""Blog, old"""\r\n'
)
BEN = (
    'ben@example.com,,,,,,2,,,"2020-01-02 00:00:00",,,,,,,,,"2021-05-06 07:08:09",May issue,77,'
    'Other,"too many\nmails",234567,1a2b3c4d5e,,\r\n'
)
MAX = 'max@example.com,Max,,,,,2,,,,,,,,,,,,"2021-05-06 07:08:09",May issue,77,345678,2a,,\r\n'
EVE = 'eve@example.com,Eve,,,,,2,,,,,,,,,,,,"2021-05-06 07:08:09",456789,3a,,\r\n'


def people(text: str | bytes, name: str) -> list[Person | Unusable]:
    content = text if isinstance(text, bytes) else text.encode()
    return [each for _, each in transfer.read(PeopleFormat.MAILCHIMP, io.BytesIO(content), name)]


def archive(**members: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as opened:
        for state, text in members.items():
            opened.writestr(f"{state}_email_audience_export_a1b2c3.csv", text)
        opened.writestr("__MACOSX/._subscribed_email_audience_export_a1b2c3.csv", "\0\5\26\7")
    return content.getvalue()


def test_a_subscriber_keeps_name_dates_and_tags() -> None:
    assert people(SUBSCRIBED + ZOE, "subscribed_email_audience_export_a1b2c3.csv") == [
        Person(
            "zoe@example.com",
            "Zoë Jones",
            Standing.SUBSCRIBED,
            consented_at=datetime(2022, 4, 27, 3, 11, 2, tzinfo=UTC),
            signed_up_at=datetime(2022, 4, 27, 3, 9, 48, tzinfo=UTC),
            tags=("VIP", "Blog, old"),
            source="Mailchimp CONFIRM_TIME",
        )
    ]


def test_the_state_is_in_the_files_name_only() -> None:
    content = archive(
        cleaned=CLEANED + MAX,
        nonsubscribed=SUBSCRIBED + EVE,
        subscribed=SUBSCRIBED + ZOE,
        unsubscribed=UNSUBSCRIBED + BEN,
    )

    found = people(content, "audience_export_a1b2c3.zip")

    states = {each.email: each.status for each in found if isinstance(each, Person)}
    assert states == {
        "max@example.com": Standing.BOUNCED,
        "zoe@example.com": Standing.SUBSCRIBED,
        "ben@example.com": Standing.UNSUBSCRIBED,
    }
    assert [each for each in found if isinstance(each, Unusable)] == [
        Unusable(2, "never-subscribed", file="nonsubscribed_email_audience_export_a1b2c3.csv")
    ]


def test_lines_of_an_archive_go_on_and_each_stands_for_one_row() -> None:
    content = archive(cleaned=CLEANED + MAX, subscribed=SUBSCRIBED + ZOE + ZOE)

    found = transfer.read(PeopleFormat.MAILCHIMP, io.BytesIO(content), "export.zip")

    assert [line for line, _ in found] == [2, 4, 7]  # a note of three lines is in between


def test_departures_keep_their_time() -> None:
    (ben,) = people(UNSUBSCRIBED + BEN, "unsubscribed_members_export_a1b2c3.csv")
    (max_,) = people(CLEANED + MAX, "cleaned_members_export_a1b2c3.csv")

    assert isinstance(ben, Person)
    assert ben.left_at == datetime(2021, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert isinstance(max_, Person)
    assert max_.left_at == ben.left_at


def test_a_departure_under_a_wrong_name_stays_one() -> None:
    (ben,) = people(UNSUBSCRIBED + BEN, "subscribed (copy).csv")

    assert isinstance(ben, Person)
    assert ben.status is Standing.UNSUBSCRIBED


def test_a_renamed_file_subscribes_nobody_and_says_so() -> None:
    (zoe,) = people(SUBSCRIBED + ZOE, "my people.csv")

    assert isinstance(zoe, Person)
    assert zoe.status is Standing.TO_CONFIRM
    assert zoe.consented_at is None
    notes = transfer.detect("my people.csv", (SUBSCRIBED + ZOE).encode()).notes
    assert "no-state-in-file-name" in notes


def test_the_first_column_is_the_address_in_every_language() -> None:
    german = SUBSCRIBED.replace(
        "Email Address,First Name,Last Name", "Deine E-Mail Adresse,Vorname,Nachname"
    )

    detected = transfer.detect("subscribed_members_export.csv", (german + ZOE).encode())
    (zoe,) = people(german + ZOE, "subscribed_members_export.csv")

    assert detected.format is PeopleFormat.MAILCHIMP
    assert isinstance(zoe, Person)
    assert (zoe.email, zoe.name) == ("zoe@example.com", "Zoë Jones")


def test_a_field_of_the_audience_with_a_name_of_mailchimps_own_is_not_taken_for_it() -> None:
    header = SUBSCRIBED.replace("Company", "Tags").replace("Position", "CONFIRM_TIME")
    row = ZOE.replace("Zoë,Jones,,", "Zoë,Jones,size 42,never")

    (zoe,) = people(header + row, "subscribed_members_export.csv")

    assert isinstance(zoe, Person)
    assert zoe.tags == ("VIP", "Blog, old")
    assert zoe.status is Standing.SUBSCRIBED


def test_who_has_no_date_of_consent_is_to_confirm() -> None:
    (eve,) = people(SUBSCRIBED + EVE, "subscribed_members_export.csv")

    assert isinstance(eve, Person)
    assert eve.status is Standing.TO_CONFIRM


def test_who_is_only_reached_by_text_message_is_left_out() -> None:
    row = EVE.replace("eve@example.com", "")

    (unusable,) = people(SUBSCRIBED + row, "sms_only_email_audience_export_a1b2c3.csv")

    assert isinstance(unusable, Unusable)
    assert unusable.code == "no-address"


def test_columns_that_are_not_used_are_named() -> None:
    unused = transfer.detect("subscribed_x.csv", (SUBSCRIBED + ZOE).encode()).unused_columns

    assert unused[:4] == ("Company", "Position", "ZIP Code", "MEMBER_RATING")
    assert "NOTES" in unused
    assert not {"Email Address", "OPTIN_TIME", "CONFIRM_TIME", "TAGS"} & set(unused)
