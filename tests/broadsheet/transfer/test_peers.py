"""Files as each peer exports them, by its documented headers, with what others have fallen into."""

import io
import json
from datetime import UTC, datetime

import pytest

from broadsheet import transfer
from broadsheet.domain.people import PeopleFormat, Person, Standing, Unusable

SUBSTACK = "email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at\n"
SUBSTACK_2020 = "email,active_subscription,expiry,email_disabled,prefer_digests,created_at\n"
SUBSTACK_PAID = "email,expiry,email_disabled,prefer_digests,stripe_connected_customer_id,type\n"
GHOST = (
    "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,"
    "deleted_at,labels,tiers\n"
)
BUTTONDOWN = (
    "id,secondary_id,email,notes,subscriber_type,referrer_url,utm_source,utm_medium,utm_campaign,"
    "creation_date,ip_address,subscription_date,unsubscription_date,tags,metadata\n"
)
LISTMONK = "uuid,email,name,attributes,status,created_at,updated_at\n"
BEEHIIV = (
    "email,First Name,Last Name,status,tier,created_at,stripe_customer_id,Gold,unsubscribed_at,"
    "City\n"
)
KEILA = "Email,First name,Last name,Data,Status,External ID\r\n"
KIT = "first_name,email,created_at,status,City\n"
BREVO = (
    "EMAIL;LASTNAME;FIRSTNAME;SMS;EMAIL_BLACKLISTED;SMS_BLACKLISTED;ADDED_TIME;MODIFIED_TIME\r\n"
)
CURATED = (
    "Email Address,Subscribed at,UTM Source,UTM Medium,UTM Term,UTM Content,UTM Campaign,"
    "UTM Last Path,UTM Referrer\n"
)
AT = datetime(2024, 1, 2, 15, 4, 5, tzinfo=UTC)


def read(file_format: PeopleFormat, content: str) -> list[Person | Unusable]:
    file = io.BytesIO(content.encode())
    return [each for _, each in transfer.read(file_format, file, "export")]


def one(file_format: PeopleFormat, content: str) -> Person:
    (person,) = read(file_format, content)
    assert isinstance(person, Person)
    return person


def code(file_format: PeopleFormat, content: str) -> str:
    (unusable,) = read(file_format, content)
    assert isinstance(unusable, Unusable)
    return unusable.code


# --- Which format ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "file_format"),
    [
        pytest.param("email_list.tea.csv", SUBSTACK, PeopleFormat.SUBSTACK, id="substack"),
        pytest.param("list.csv", SUBSTACK_2020, PeopleFormat.SUBSTACK, id="substack-2020"),
        pytest.param("paid.csv", SUBSTACK_PAID, PeopleFormat.SUBSTACK, id="substack-paid"),
        pytest.param("members.csv", GHOST, PeopleFormat.GHOST, id="ghost"),
        pytest.param(
            "members.csv",
            GHOST.replace("tiers", "products,gift_id,custom_fields.city"),
            PeopleFormat.GHOST,
            id="ghost-older-and-newer",
        ),
        pytest.param("subscribers.csv", BUTTONDOWN, PeopleFormat.BUTTONDOWN, id="buttondown"),
        pytest.param("subscribers.csv", LISTMONK, PeopleFormat.LISTMONK, id="listmonk"),
        pytest.param("subscribers.csv", BEEHIIV, PeopleFormat.BEEHIIV, id="beehiiv"),
        pytest.param("contacts.csv", KEILA, PeopleFormat.KEILA, id="keila"),
        pytest.param("kit-export.csv", KIT, PeopleFormat.KIT, id="kit-by-its-name"),
        pytest.param("contacts.csv", BREVO, PeopleFormat.BREVO, id="brevo"),
        pytest.param("subscribers.csv", CURATED, PeopleFormat.CURATED, id="curated"),
    ],
)
def test_a_file_is_known_by_its_columns(name: str, content: str, file_format: PeopleFormat) -> None:
    assert transfer.detect(name, content.encode()).format is file_format


def test_when_two_formats_fit_nothing_is_guessed() -> None:
    detected = transfer.detect("export.csv", KIT.encode())

    assert detected.format is None
    assert detected.candidates == (PeopleFormat.KIT, PeopleFormat.CSV)


@pytest.mark.parametrize(
    ("content", "unused"),
    [
        pytest.param(SUBSTACK, "active_subscription", id="substack"),
        pytest.param(GHOST, "note", id="ghost"),
        pytest.param(BUTTONDOWN, "ip_address", id="buttondown"),
        pytest.param(BEEHIIV, "City", id="beehiiv"),
        pytest.param(BREVO, "SMS", id="brevo"),
        pytest.param(CURATED, "UTM Referrer", id="curated"),
    ],
)
def test_what_is_not_used_is_named(content: str, unused: str) -> None:
    assert unused in transfer.detect("export.csv", content.encode()).unused_columns


# --- Substack -------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_paid", ["true", "false"])
def test_a_free_reader_of_substack_is_as_subscribed_as_a_paying_one(is_paid: str) -> None:
    row = f"zoe@example.com,{is_paid},,other,false,2024-01-02T15:04:05.000Z,\n"
    person = one(PeopleFormat.SUBSTACK, SUBSTACK + row)

    assert person == Person(
        "zoe@example.com", None, Standing.SUBSCRIBED, AT, AT, source="Substack created_at"
    )


def test_mail_switched_off_at_substack_is_a_departure() -> None:
    row = "zoe@example.com,true,,true,,2024-01-02T15:04:05.000Z\n"

    assert one(PeopleFormat.SUBSTACK, SUBSTACK_2020 + row).status is Standing.UNSUBSCRIBED


def test_who_asked_substack_for_deletion_is_left_out() -> None:
    row = "a1b2c3@deletion-request.substack.com,false,,,false,2024-01-02T15:04:05.000Z,\n"

    assert code(PeopleFormat.SUBSTACK, SUBSTACK + row) == "asked-for-deletion"


def test_substacks_list_of_payers_has_no_dates() -> None:
    row = "zoe@example.com,2025-01-02T00:00:00.000Z,false,false,cus_1,yearly\n"

    assert one(PeopleFormat.SUBSTACK, SUBSTACK_PAID + row).status is Standing.TO_CONFIRM


# --- Ghost ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "standing"),
    [
        ("true", Standing.SUBSCRIBED),
        ("false", Standing.UNSUBSCRIBED),
        ("", Standing.TO_CONFIRM),  # which unsubscribes nobody, and subscribes nobody either
    ],
)
def test_a_blank_at_ghost_is_not_false(word: str, standing: Standing) -> None:
    row = f'64a,zoe@example.com,Zoë,,{word},,,2024-01-02T15:04:05.000Z,,"VIP, Blog",Gold\n'
    person = one(PeopleFormat.GHOST, GHOST + row)

    assert person.status is standing
    assert (person.name, person.tags) == ("Zoë", ("VIP", "Blog"))


def test_a_member_deleted_at_ghost_is_left_out() -> None:
    row = "64a,zoe@example.com,,,true,,,2024-01-02T15:04:05.000Z,2024-02-02T00:00:00.000Z,,\n"

    assert code(PeopleFormat.GHOST, GHOST + row) == "deleted"


def test_that_ghost_exports_no_bounces_is_said() -> None:
    assert transfer.detect("x.csv", GHOST.encode()).notes == ("bounces-not-in-file",)


# --- Buttondown -----------------------------------------------------------------------------------


def of_buttondown(kind: str = "regular", metadata: str = "", dates: str = ",,") -> str:
    created, subscribed, left = dates.split(",")
    return (
        f"{BUTTONDOWN}sub_1,1,zoe@example.com,met,{kind},https://example.org,,,,{created},"
        f'203.0.113.7,{subscribed},{left},VIP;Blog,"{metadata}"\n'
    )


@pytest.mark.parametrize(
    ("kind", "standing"),
    [
        ("regular", Standing.SUBSCRIBED),
        ("premium", Standing.SUBSCRIBED),
        ("gifted", Standing.SUBSCRIBED),
        ("past_due", Standing.SUBSCRIBED),
        ("unactivated", Standing.TO_CONFIRM),
        ("unsubscribed", Standing.UNSUBSCRIBED),
        ("undeliverable", Standing.BOUNCED),
        ("complained", Standing.COMPLAINED),
    ],
)
def test_each_type_of_buttondown_keeps_its_meaning(kind: str, standing: Standing) -> None:
    dates = "2024-01-01 00:00:00+00:00,2024-01-02T15:04:05+00:00,"

    assert one(PeopleFormat.BUTTONDOWN, of_buttondown(kind, dates=dates)).status is standing


@pytest.mark.parametrize(
    ("kind", "fault"), [("blocked", "blocked"), ("removed", "deleted"), ("new", "unknown-status")]
)
def test_who_is_no_reader_at_buttondown_is_left_out(kind: str, fault: str) -> None:
    assert code(PeopleFormat.BUTTONDOWN, of_buttondown(kind)) == fault


def test_buttondowns_metadata_is_what_python_prints() -> None:
    person = one(
        PeopleFormat.BUTTONDOWN,
        of_buttondown(
            metadata="{'first_name': 'Zoë', 'lang': 'de', 'vip': True, 'city': None}",
            dates="2024-01-01,2024-01-02T15:04:05Z,",
        ),
    )

    assert (person.name, person.language, person.tags) == ("Zoë", "de", ("VIP", "Blog"))
    assert person.consented_at == AT


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param("__import__('os').abort()", id="code"),
        pytest.param("{'name': ", id="cut-off"),
        pytest.param("[" * 5000, id="deep"),
        pytest.param("{" + "'a': 1, " * 4000 + "}", id="long"),
        pytest.param("{[]: 1}", id="unhashable"),
        pytest.param("9" * 5000, id="large-number"),
        pytest.param("\0", id="zero"),
    ],
)
def test_metadata_that_is_none_is_ignored(metadata: str) -> None:
    assert one(PeopleFormat.BUTTONDOWN, of_buttondown(metadata=metadata)).name is None


# --- listmonk -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "standing"),
    [
        ("enabled", Standing.TO_CONFIRM),  # they may have unsubscribed from every list
        ("disabled", Standing.UNSUBSCRIBED),
        ("blocklisted", Standing.UNSUBSCRIBED),
    ],
)
def test_listmonks_csv_subscribes_nobody(status: str, standing: Standing) -> None:
    row = (
        f'5e1d,zoe@example.com,Zoë,"{{""tags"": [""VIP""], ""lang"": ""de""}}",{status},'
        "2024-01-02 15:04:05.1 +0000 UTC,2024-02-02 15:04:05 +0000 UTC\n"
    )
    person = one(PeopleFormat.LISTMONK, LISTMONK + row)

    assert person.status is standing
    assert person.signed_up_at == AT.replace(microsecond=100_000)
    assert (person.tags, person.language) == (("VIP",), "de")


def of_listmonk(status: str, *lists: tuple[str, str, str]) -> str:
    found = [
        {
            "id": 1,
            "name": name,
            "optin": optin,
            "subscription_status": state,
            "subscription_created_at": "2024-01-02T15:04:05Z",
            "subscription_updated_at": "2024-02-02T15:04:05+02:00",
        }
        for name, optin, state in lists
    ]
    subscriber = {"id": 7, "email": "zoe@example.com", "name": "Zoë", "attribs": {"city": "Leeds"}}
    results = [subscriber | {"status": status, "lists": found}]
    return json.dumps({"data": {"query": "", "total": 1, "results": results, "page": 1}})


@pytest.mark.parametrize(
    ("status", "lists", "standing", "tags"),
    [
        pytest.param(
            "enabled", [("Tea", "double", "confirmed")], Standing.SUBSCRIBED, ("Tea",),
            id="confirmed",
        ),
        pytest.param(
            "enabled", [("Tea", "single", "unconfirmed")], Standing.SUBSCRIBED, ("Tea",),
            id="single-opt-in",
        ),
        pytest.param(
            "enabled", [("Tea", "double", "unconfirmed")], Standing.TO_CONFIRM, ("Tea",),
            id="unconfirmed",
        ),
        pytest.param(
            "enabled", [("Tea", "double", "unsubscribed")], Standing.UNSUBSCRIBED, ("Tea",),
            id="unsubscribed",
        ),
        pytest.param(
            "enabled",
            [("Tea", "double", "unsubscribed"), ("Jam", "double", "confirmed")],
            Standing.SUBSCRIBED,
            ("Jam",),
            id="left-one-list-of-two",
        ),
        pytest.param(
            "blocklisted", [("Tea", "double", "confirmed")], Standing.UNSUBSCRIBED, ("Tea",),
            id="blocklisted",
        ),
    ],
)  # fmt: skip
def test_listmonks_lists_decide(
    status: str, lists: list[tuple[str, str, str]], standing: Standing, tags: tuple[str, ...]
) -> None:
    content = of_listmonk(status, *lists)

    assert transfer.detect("subs.json", content.encode()).format is PeopleFormat.LISTMONK_API
    person = one(PeopleFormat.LISTMONK_API, content)
    assert (person.status, person.tags) == (standing, tags)
    assert (person.consented_at == AT) is (standing is not Standing.TO_CONFIRM)
    assert (person.left_at is not None) is standing.has_left


def test_who_is_on_no_list_of_listmonk_never_subscribed() -> None:
    assert code(PeopleFormat.LISTMONK_API, of_listmonk("enabled")) == "never-subscribed"


@pytest.mark.parametrize(
    "end",
    [
        pytest.param('{"email": "b@exam', id="cut-off"),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param('{"email": "' + "x" * 3_000_000 + '"}]}}', id="endless"),
        pytest.param("nonsense", id="nonsense"),
        pytest.param('"text"]}}', id="no-object"),
    ],
)
def test_json_that_breaks_off_gives_whom_it_has_and_says_so(end: str) -> None:
    whole = json.loads(of_listmonk("enabled", ("Tea", "double", "confirmed")))
    first = json.dumps(whole["data"]["results"][0])

    found = read(PeopleFormat.LISTMONK_API, f'{{"data": {{"results": [{first}, {end}')

    assert [type(each) for each in found] == [Person, Unusable]
    assert found[1] == Unusable(2, "damaged-json")


# --- beehiiv, Keila, Kit, Brevo, Curated ----------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "standing"),
    [
        ("active", Standing.SUBSCRIBED),
        ("inactive", Standing.UNSUBSCRIBED),
        ("pending", Standing.TO_CONFIRM),
        ("invalid", Standing.BOUNCED),
    ],
)
def test_beehiivs_states_and_dates(status: str, standing: Standing) -> None:
    row = f"zoe@example.com,Zoë,,{status},free,2024-01-02 15:04:05 UTC,,No,,Leeds\n"
    person = one(PeopleFormat.BEEHIIV, BEEHIIV + row)

    assert (person.name, person.status, person.signed_up_at) == ("Zoë", standing, AT)


@pytest.mark.parametrize(
    ("status", "standing"),
    [
        ("active", Standing.TO_CONFIRM),
        ("unsubscribed", Standing.UNSUBSCRIBED),
        ("unreachable", Standing.BOUNCED),
    ],
)
def test_keila_has_no_dates_so_nobody_has_consented(status: str, standing: Standing) -> None:
    row = f'zoe@example.com,Zoë,Jones,"{{""tags"": [""VIP""]}}",{status},\r\n'
    person = one(PeopleFormat.KEILA, KEILA + row)

    assert (person.name, person.status, person.tags) == ("Zoë Jones", standing, ("VIP",))


@pytest.mark.parametrize(
    ("status", "standing"),
    [
        ("active", Standing.SUBSCRIBED),
        ("inactive", Standing.TO_CONFIRM),
        ("cancelled", Standing.UNSUBSCRIBED),
        ("bounced", Standing.BOUNCED),
        ("complained", Standing.COMPLAINED),
    ],
)
def test_kits_states(status: str, standing: Standing) -> None:
    row = f"Zoë,zoe@example.com,2024-01-02T15:04:05Z,{status},Leeds\n"

    assert one(PeopleFormat.KIT, KIT + row).status is standing


@pytest.mark.parametrize(
    ("word", "standing"), [("0", Standing.SUBSCRIBED), ("1", Standing.UNSUBSCRIBED)]
)
def test_brevo_has_the_day_first_and_one_word_for_all_departures(
    word: str, standing: Standing
) -> None:
    row = f"zoe@example.com;Jones;Zoë;;{word};0;03-02-2024 15:04;04-02-2024 10:00\r\n"
    person = one(PeopleFormat.BREVO, BREVO + row)

    assert (person.name, person.status) == ("Zoë Jones", standing)
    assert person.consented_at == datetime(2024, 2, 3, 15, 4, tzinfo=UTC)


def test_curated_knows_since_when() -> None:
    row = "zoe@example.com,2024-01-02 15:04:05 UTC,,,,,,,\n"

    assert one(PeopleFormat.CURATED, CURATED + row).consented_at == AT
