"""Authors who manage make other authors in the studio, change them and take them out again."""

import json
import logging
import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from broadsheet import lambdas, secrets
from broadsheet.services.authors import registering
from functions.studio.app import handler as studio
from tests.cloud import Cloud, context, operator_of
from tests.functions.studio import (
    SITE,
    Browser,
    Page,
    enter,
    entry,
    link_of,
    put_authors,
    signed_in,
)
from tests.functions.test_studio_sending import fields
from tests.functions.webhooks import Functions

PAGE = "/settings/authors"
ANN = {"name": "Ann", "role": "write", "email": "ann@example.com"}
JO = entry("jo", "manage", email="jo@example.com")
ADA = entry("Ada", "publish", token="ada", email="ada@example.com")
EVE = entry("eve", "manage")
TOKEN = re.compile(r"bs_[\w-]{43}")
ALMOST_FULL = 65_400  # bytes, of 65,536
DOWN = ConnectTimeoutError(endpoint_url="https://secretsmanager.example")


@pytest.fixture
def notices(cloud: Cloud) -> Callable[[], list[str]]:
    return operator_of(cloud)


@pytest.fixture
def functions() -> Functions:
    return Functions()


@pytest.fixture
def jo(cloud: Cloud, notices: Callable[[], list[str]], functions: Functions) -> Browser:
    put_authors(cloud, JO, ADA)
    return signed_in("jo")


def stored(cloud: Cloud) -> list[dict[str, Any]]:
    """Return the entries of the secret."""
    arn = cloud.environment["AUTHORS_SECRET_ARN"]
    found = boto3.client("secretsmanager").get_secret_value(SecretId=arn, VersionStage="AWSCURRENT")
    entries: list[dict[str, Any]] = json.loads(found["SecretString"])["authors"]
    return entries


def of(cloud: Cloud, name: str) -> dict[str, Any]:
    (found,) = (each for each in stored(cloud) if each["name"] == name)
    return found


def names(cloud: Cloud) -> list[str]:
    return [each["name"] for each in stored(cloud)]


def add(browser: Browser, **typed: str) -> Page:
    """Send the form that adds an author."""
    page = browser.open(f"{PAGE}/add")
    return browser.send(f"{PAGE}/add", fields(page, "/authors/add") | ANN | typed)


def press(browser: Browser, name: str, button: str, **typed: str) -> Page:
    """Send a form of an author's page, as it stands there but for what is typed."""
    page = browser.open(f"{PAGE}/change?name={quote(name)}")
    return browser.send(f"{PAGE}/{button}", fields(page, f"/authors/{button}") | typed)


def remove(browser: Browser, name: str) -> Page:
    page = browser.open(f"{PAGE}/remove?name={quote(name)}")
    return browser.send(f"{PAGE}/remove", fields(page, "/authors/remove"))


def token_on(page: Page) -> str:
    (token,) = set(TOKEN.findall(page.html))
    return str(token)


def digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def on_call(action: str, moment: str, do: Callable[[], None]) -> None:
    """Do something before or after a call of Secrets Manager that the studio makes."""
    secrets.client().meta.events.register(f"{moment}.secrets-manager.{action}", lambda **_: do())


def once(do: Callable[[], None]) -> Callable[[], None]:
    left = [do]
    return lambda: left.pop()() if left else None


def fail() -> None:
    raise DOWN


def let_aws_stop_answering() -> list[bool]:
    """Let a change be the last that Secrets Manager does, until the list says that it is up."""
    is_down = [False]

    def lose() -> None:
        is_down[0] = True
        fail()

    on_call("UpdateSecretVersionStage", "after-call", once(lose))
    on_call("GetSecretValue", "before-call", lambda: fail() if is_down[0] else None)
    return is_down


def mailed_link(cloud: Cloud, functions: Functions, email: str) -> str:
    """Ask for a link at the studio's door, and return it from the mail."""
    functions.studio.clear()
    Browser().post("/sign-in", {"email": email})
    studio(functions.studio.pop(), context())
    mailed = cloud.mails_to(email)[-1].text or ""
    (link,) = re.findall(r"https://\S+/studio/enter\?token=[\w.-]+", mailed)
    return str(link)


def test_who_is_added_signs_in_at_once_by_the_address_and_by_the_token(
    cloud: Cloud, jo: Browser, functions: Functions
) -> None:
    page = add(jo, email="Ann@Example.com")

    assert page.status == 201
    token = token_on(page)
    assert f"broadsheet login {SITE}" in page.words
    ann = of(cloud, "Ann")
    assert (ann["role"], ann["email"]) == ("write", "ann@example.com")
    assert ann["token_sha256"] == digest(token)
    assert names(cloud) == ["jo", "Ada", "Ann"]
    assert enter(Browser(), link_of(token)).status == 200
    browser = Browser()
    assert enter(browser, mailed_link(cloud, functions, "ann@example.com")).status == 200
    browser.open("/settings")
    assert "Ann , Write" in browser.page.words


def test_a_function_that_knows_the_authors_of_before_lets_in_who_was_added(
    cloud: Cloud, jo: Browser, functions: Functions
) -> None:
    before = dict(secrets._cache)
    add(jo)
    secrets._cache.update(before)  # as another function's, half a minute old

    link = mailed_link(cloud, functions, "ann@example.com")
    secrets._cache.update(before)
    browser = Browser()
    assert enter(browser, link).status == 200
    secrets._cache.update(before)
    assert browser.open("/settings").status == 200


def test_who_is_added_is_invited_by_a_mail_without_a_secret(
    cloud: Cloud, jo: Browser, functions: Functions
) -> None:
    page = add(jo)
    (call,) = functions.studio
    studio(call, context())

    (mail,) = cloud.mails_to("ann@example.com")
    text = mail.text or ""
    assert "jo has made you an author" in text
    assert f"{SITE}/studio" in text
    assert f"{SITE}/studio" in (mail.html or "")
    assert not TOKEN.search(f"{text}{mail.html}{call}")
    assert "An email invites them" in page.words


def test_without_an_address_only_the_token_signs_in(
    cloud: Cloud, jo: Browser, functions: Functions
) -> None:
    page = add(jo, email="")

    assert of(cloud, "Ann")["email"] is None
    assert functions.studio == []
    assert "An email invites them" not in page.words
    assert enter(Browser(), link_of(token_on(page))).status == 200


def test_the_token_is_shown_once_and_logged_nowhere(
    jo: Browser, notices: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="broadsheet")
    page = add(jo)
    token = token_on(page)

    assert page.headers["Cache-Control"] == "no-store"
    assert token not in caplog.text
    assert "ann@example.com" not in caplog.text
    assert token not in "".join(notices())
    for path in (PAGE, f"{PAGE}/change?name=Ann"):
        assert token not in jo.open(path).html


def test_a_form_that_is_sent_twice_adds_once_and_shows_the_same_token(
    cloud: Cloud, jo: Browser, functions: Functions, notices: Callable[[], list[str]]
) -> None:
    form = fields(jo.open(f"{PAGE}/add"), "/authors/add") | ANN
    page = jo.page
    first = jo.send(f"{PAGE}/add", form)
    jo.page = page
    second = jo.send(f"{PAGE}/add", form)

    assert (first.status, second.status) == (201, 201)
    assert token_on(first) == token_on(second)
    assert names(cloud) == ["jo", "Ada", "Ann"]
    assert len(functions.studio) == 2
    assert len(notices()) == 1
    jo.page = page
    other = jo.send(f"{PAGE}/add", form | {"role": "manage"})
    assert (other.status, of(cloud, "Ann")["role"]) == (409, "write")

    form = fields(jo.open(f"{PAGE}/change?name=Ann"), "/authors/token")
    page = jo.page
    first = jo.send(f"{PAGE}/token", form)
    jo.page = page
    assert token_on(jo.send(f"{PAGE}/token", form)) == token_on(first)
    assert names(cloud) == ["jo", "Ada", "Ann", "Ann"]


def test_a_form_without_its_key_is_refused(cloud: Cloud, jo: Browser) -> None:
    jo.open(f"{PAGE}/add")
    assert jo.send(f"{PAGE}/add", ANN).status == 400
    assert add(jo, key="").status == 400
    assert names(cloud) == ["jo", "Ada"]


def test_the_operator_gets_a_notice_of_every_change_and_of_nothing_else(
    jo: Browser, notices: Callable[[], list[str]]
) -> None:
    add(jo)
    add(jo)  # refused
    press(jo, "Ann", "role", role="publish")
    press(jo, "Ann", "role")  # nothing is changed
    press(jo, "Ann", "address", email="ann@example.org")
    press(jo, "Ann", "token")
    press(jo, "Ann", "old-tokens")
    remove(jo, "Ann")

    assert [each.partition("\n")[0] for each in notices()] == [
        "jo has added the author Ann, who may write.",
        "jo has changed what Ann may do: publish.",
        "jo has changed the address of Ann.",
        "jo has made another token for Ann.",
        "jo has ended the older tokens of Ann.",
        "jo has removed the author Ann.",
    ]


@pytest.mark.parametrize(
    ("wrong", "status", "sentence"),
    [
        ({"name": ""}, 400, "An author needs a name."),
        ({"name": "<b>"}, 400, "A name has letters, digits, spaces, apostrophes and . _ @ - only."),
        ({"name": "x" * 65}, 400, "A name has at most 64 characters."),
        ({"name": "jo"}, 409, "There is an author of this name already."),
        ({"name": "ADA"}, 409, "There is an author of this name already."),
        ({"email": "ann"}, 400, "An email address must have an @-sign"),
        ({"email": "Jo@Example.com"}, 409, "Another author has this address."),
        ({"role": "owner"}, 400, "Choose what they may do."),
        ({"role": ""}, 400, "Choose what they may do."),
    ],
    ids=lambda each: str(each)[:30],
)
def test_what_can_not_be_is_said_and_nothing_typed_is_lost(  # noqa: PLR0913, PLR0917 - fixtures
    cloud: Cloud,
    jo: Browser,
    functions: Functions,
    wrong: dict[str, str],
    status: int,
    sentence: str,
) -> None:
    before = stored(cloud)
    page = add(jo, **wrong)

    assert page.status == status
    assert sentence in page.words
    typed = ANN | wrong
    assert f'value="{typed["name"].replace("<", "&lt;").replace(">", "&gt;")}"' in page.html
    assert f'value="{typed["email"]}"' in page.html
    (field,) = wrong
    assert f'id="{field}-wrong"' in page.html
    assert stored(cloud) == before
    assert functions.studio == []


def test_names_that_look_the_same_are_one(cloud: Cloud, jo: Browser) -> None:
    assert add(jo, name="Seán O\N{RIGHT SINGLE QUOTATION MARK}Brien", email="").status == 201
    for name in ("Sea\N{COMBINING ACUTE ACCENT}n O'Brien", "SEÁN  O'BRIEN"):
        assert add(jo, name=name).status == 409
    assert len(names(cloud)) == 3


def test_a_role_is_changed_and_holds_at_once_where_it_was_changed(
    cloud: Cloud, jo: Browser
) -> None:
    ada = signed_in("ada")
    ada.open("/settings")  # and the function knows the authors for a minute
    page = press(jo, "Ada", "role", role="write")

    assert "Within a minute" in page.words
    assert of(cloud, "Ada")["role"] == "write"
    ada.open("/settings")
    assert "Ada , Write" in ada.page.words


@pytest.mark.parametrize(
    ("button", "typed"), [("role", {"role": "manage"}), ("address", {"email": "b@example.com"})]
)
def test_what_somebody_else_has_changed_meanwhile_is_shown_first(
    cloud: Cloud, jo: Browser, button: str, typed: dict[str, str]
) -> None:
    stale = fields(jo.open(f"{PAGE}/change?name=Ada"), f"/authors/{button}")
    press(jo, "Ada", button, role="write", email="a@example.com")

    page = jo.send(f"{PAGE}/{button}", stale | typed)

    assert page.status == 409
    assert "Somebody else has changed this meanwhile." in page.words
    ada = of(cloud, "Ada")
    assert {"role": ada["role"], "address": ada["email"]}[button] in {"write", "a@example.com"}
    again = fields(page, f"/authors/{button}") | typed
    assert jo.send(f"{PAGE}/{button}", again).status == 200
    assert set(typed.values()) <= set(map(str, of(cloud, "Ada").values()))


def test_an_address_is_changed_invited_and_taken_away(
    cloud: Cloud, jo: Browser, functions: Functions
) -> None:
    press(jo, "Ada", "address", email="Ada@Example.org")
    assert of(cloud, "Ada")["email"] == "ada@example.org"
    studio(functions.studio.pop(), context())
    assert "publish" not in str(cloud.mails_to("ada@example.org")[-1].subject)
    assert "send them to readers" in (cloud.mails_to("ada@example.org")[-1].text or "")
    press(jo, "Ada", "address", email="")
    assert of(cloud, "Ada")["email"] is None
    assert functions.studio == []

    page = press(jo, "Ada", "address", email="jo@example.com")
    assert page.status == 409
    assert "Another author has this address." in page.words
    page = press(jo, "Ada", "address", email="ada at example")
    assert page.status == 400
    assert 'value="ada at example"' in page.html
    assert of(cloud, "Ada")["email"] is None


def test_a_changed_address_ends_the_links_and_sessions_of_before(
    cloud: Cloud, jo: Browser, functions: Functions
) -> None:
    link, session = mailed_link(cloud, functions, "ada@example.com"), Browser()
    enter(session, mailed_link(cloud, functions, "ada@example.com"))
    assert session.open("/settings").status == 200

    press(jo, "Ada", "address", email="ada@example.org")

    assert session.open("/settings").status == 401
    assert enter(Browser(), link).status == 401
    assert enter(Browser(), mailed_link(cloud, functions, "ada@example.org")).status == 200


def test_an_address_that_two_have_from_before_hinders_no_other_change(
    cloud: Cloud, jo: Browser
) -> None:
    put_authors(cloud, JO, ADA, entry("eve", "manage", email="ada@example.com"))
    press(jo, "eve", "role", role="write")
    assert of(cloud, "eve")["role"] == "write"


def test_who_changes_their_own_address_or_tokens_stays_signed_in(cloud: Cloud, jo: Browser) -> None:
    assert press(jo, "jo", "address", email="jo@example.org").status == 200
    assert of(cloud, "jo")["email"] == "jo@example.org"
    assert jo.open("/settings").status == 200

    token = token_on(press(jo, "jo", "token"))
    assert press(jo, "jo", "old-tokens").status == 200
    assert of(cloud, "jo")["token_sha256"] == digest(token)
    assert jo.open("/settings").status == 200


def test_nobody_takes_their_own_rights(cloud: Cloud, jo: Browser) -> None:
    page = jo.open(f"{PAGE}/change?name=jo")
    assert "Remove" not in page.words
    assert 'name="role"' not in page.html
    assert jo.open(f"{PAGE}/remove?name=jo").status == 409

    for path, form in (("role", {"was": "manage", "role": "write"}), ("remove", {})):
        jo.open(f"{PAGE}/add")
        page = jo.send(f"{PAGE}/{path}", {"name": "jo", **form})
        assert page.status == 409
        assert "You can't change your own role or remove yourself" in page.words
    assert of(cloud, "jo")["role"] == "manage"


def test_a_second_token_works_beside_the_first_until_that_is_ended(
    cloud: Cloud, jo: Browser
) -> None:
    token = token_on(press(jo, "Ada", "token"))

    assert enter(Browser(), link_of("ada")).status == 200
    assert enter(Browser(), link_of(token)).status == 200
    assert "2 tokens" in jo.open(f"{PAGE}/change?name=Ada").words
    assert jo.open(PAGE).words.count("Ada") == 1

    page = jo.open(f"{PAGE}/change?name=Ada")
    form = fields(page, "/authors/old-tokens")
    jo.send(f"{PAGE}/old-tokens", form)
    assert of(cloud, "Ada")["token_sha256"] == digest(token)
    assert of(cloud, "Ada")["email"] == "ada@example.com"
    again = jo.send(f"{PAGE}/old-tokens", form)
    assert (again.status, "They have no older token." in again.words) == (409, True)


def test_the_newest_token_is_the_one_that_stays(cloud: Cloud, jo: Browser) -> None:
    newer = ADA | {"token_sha256": digest("newer"), "created_at": "2026-11-23T12:00:00Z"}
    put_authors(cloud, JO, newer, ADA)
    press(jo, "Ada", "old-tokens")
    assert of(cloud, "Ada")["token_sha256"] == digest("newer")


def test_who_is_removed_is_out_at_once_where_it_was_done(cloud: Cloud, jo: Browser) -> None:
    press(jo, "Ada", "token")
    ada = signed_in("ada")

    jo.open(f"{PAGE}/remove?name=Ada")
    assert "Remove Ada?" in jo.page.words
    assert names(cloud) == ["jo", "Ada", "Ada"]
    page = jo.send(f"{PAGE}/remove", fields(jo.page, "/authors/remove"))

    assert names(cloud) == ["jo"]
    assert "They are removed." in page.words
    assert ada.open("/").status == 401


@pytest.mark.parametrize("role", ["write", "publish"])
def test_only_who_manages_does_any_of_it(cloud: Cloud, jo: Browser, role: str) -> None:
    put_authors(cloud, JO, entry("eve", role))
    before = stored(cloud)
    eve = signed_in("eve")
    for path in (PAGE, f"{PAGE}/add", f"{PAGE}/change?name=jo", f"{PAGE}/remove?name=jo"):
        assert eve.open(path).status == 403
    for path in ("add", "role", "address", "token", "old-tokens", "remove"):
        eve.open("/settings/welcome")
        form = {"name": "jo", "was": "manage", "role": "manage", "email": "", "key": str(uuid4())}
        assert eve.send(f"{PAGE}/{path}", form).status == 403
    eve.open("/settings")
    assert PAGE not in eve.page.html
    assert stored(cloud) == before


@pytest.mark.parametrize(
    "now",
    [[JO], [JO, EVE | {"role": "publish"}], [JO, EVE | {"token_sha256": digest("another")}]],
    ids=["removed", "demoted", "by-an-ended-token"],
)
def test_whoever_lost_their_rights_a_moment_ago_changes_nothing(
    cloud: Cloud, jo: Browser, now: list[dict[str, object]]
) -> None:
    """Functions know the authors for up to a minute; a change looks at the secret of now."""
    put_authors(cloud, JO, EVE)
    eve = signed_in("eve")
    form = fields(eve.open(f"{PAGE}/add"), "/authors/add") | ANN
    before = dict(secrets._cache)
    put_authors(cloud, *now)
    secrets._cache.update(before)

    page = eve.send(f"{PAGE}/add", form | {"name": "mallory", "role": "manage"})

    assert page.status == 403
    assert "jo@example.com" not in page.html
    assert names(cloud) == [str(each["name"]) for each in now]


def test_of_two_who_remove_each_other_at_once_one_is_left(cloud: Cloud, jo: Browser) -> None:
    put_authors(cloud, JO, EVE)
    eve = signed_in("eve")
    pages: list[Page] = []
    on_call("PutSecretValue", "before-call", once(lambda: pages.append(remove(eve, "jo"))))
    pages.append(remove(jo, "eve"))

    assert names(cloud) == ["eve"]
    assert sorted(page.status for page in pages) == [200, 403]


def add_eve() -> None:
    add(signed_in("jo"), name="Eve", email="")


def test_two_who_add_at_once_undo_nothing_of_each_other(cloud: Cloud, jo: Browser) -> None:
    # Between this author's look at the secret and the change of it.
    on_call("PutSecretValue", "before-call", once(add_eve))
    page = add(jo)

    assert page.status == 201
    assert names(cloud) == ["jo", "Ada", "Eve", "Ann"]
    assert of(cloud, "Ann")["token_sha256"] == digest(token_on(page))


def _role_lost(browser: Browser) -> Page:
    return press(browser, "Ada", "role", role="write")


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside-another"])
@pytest.mark.parametrize(
    ("act", "left"),
    [
        (add, ["jo", "Ada", "Ann"]),
        (lambda browser: remove(browser, "Ada"), ["jo"]),
        (lambda browser: press(browser, "Ada", "token"), ["jo", "Ada", "Ada"]),
        (_role_lost, ["jo", "Ada"]),
    ],
    ids=["add", "remove", "token", "role"],
)
def test_a_change_whose_answer_is_lost_is_done_once(  # noqa: PLR0913 - fixtures
    cloud: Cloud,
    jo: Browser,
    notices: Callable[[], list[str]],
    act: Callable[[Browser], Page],
    left: list[str],
    *,
    beside: bool,
) -> None:
    def lose() -> None:
        if beside:
            add(signed_in("jo"), name="Zoe", email="")
        raise ReadTimeoutError(endpoint_url="https://secretsmanager.example")

    on_call("UpdateSecretVersionStage", "after-call", once(lose))
    page = act(jo)

    assert page.status in {200, 201}
    assert names(cloud) == left + ["Zoe"] * beside
    assert len(notices()) == 1 + beside


def test_while_aws_stops_answering_the_change_may_be_made_and_the_form_finds_out(
    cloud: Cloud, jo: Browser, functions: Functions, notices: Callable[[], list[str]]
) -> None:
    is_down = let_aws_stop_answering()
    page = add(jo)

    assert page.status == 503
    assert "the change may have been made" in page.words
    assert 'value="ann@example.com"' in page.html
    assert functions.studio == []
    assert [each.partition("\n")[0] for each in notices()] == [
        "jo may have added the author Ann, who may write; AWS gave no answer."
    ]
    is_down[0] = False
    again = jo.send(f"{PAGE}/add", fields(page, "/authors/add") | ANN)
    assert again.status == 201
    assert len(functions.studio) == 1
    assert names(cloud) == ["jo", "Ada", "Ann"]
    assert of(cloud, "Ann")["token_sha256"] == digest(token_on(again))


@pytest.mark.parametrize("button", ["token", "address", "remove"])
def test_what_may_have_been_done_to_an_author_is_said_though_nothing_can_be_read(
    cloud: Cloud, jo: Browser, button: str
) -> None:
    path = "remove" if button == "remove" else "change"
    form = fields(jo.open(f"{PAGE}/{path}?name=Ada"), f"/authors/{button}")
    let_aws_stop_answering()
    page = jo.send(f"{PAGE}/{button}", form | {"email": "ada@example.org"})

    assert page.status == 503
    assert "the change may have been made" in page.words


def test_entries_that_can_not_be_read_stay_and_are_counted(cloud: Cloud, jo: Browser) -> None:
    odd: dict[str, object] = {"name": "odd", "role": "owner", "since": None}
    put_authors(cloud, JO | {"of_a_later_release": [1]}, odd)
    assert add(jo).status == 201
    press(jo, "jo", "address", email="jo@example.org")
    assert stored(cloud)[1] == odd
    assert stored(cloud)[0]["of_a_later_release"] == [1]
    assert "One entry can't be read" in jo.open(PAGE).words


def test_a_workflow_is_changed_within_limits_and_gets_no_token(cloud: Cloud, jo: Browser) -> None:
    letters = entry("letters", "write") | {
        "token_sha256": "",
        "oidc": {"repository": "jo/letters", "branch": "main"},
    }
    put_authors(cloud, JO, letters)
    assert "letters Workflows of jo/letters@main Write" in jo.open(PAGE).words
    page = jo.open(f"{PAGE}/change?name=letters")
    assert 'value="manage"' not in page.html
    assert "token" not in page.words

    press(jo, "letters", "role", role="publish")
    assert of(cloud, "letters")["role"] == "publish"
    page = press(jo, "letters", "role", role="manage")
    assert (page.status, "never manage" in page.words) == (409, True)
    page = jo.send(f"{PAGE}/token", {"name": "letters", "key": str(uuid4())})
    assert (page.status, "without a token" in page.words) == (409, True)
    assert of(cloud, "letters")["role"] == "publish"
    remove(jo, "letters")
    assert names(cloud) == ["jo"]


def test_nobody_is_there_under_an_unknown_name(jo: Browser) -> None:
    assert jo.open(f"{PAGE}/change?name=Nobody").status == 404
    assert jo.open(f"{PAGE}/change?name=%3Cb%3E").status == 404
    assert jo.open(f"{PAGE}/remove?name=Nobody").status == 404
    form = {"name": "Nobody", "was": "write", "role": "write", "key": str(uuid4())}
    for path in ("role", "token", "old-tokens", "remove"):
        jo.open(f"{PAGE}/add")
        assert jo.send(f"{PAGE}/{path}", form).status == 404
    jo.open(f"{PAGE}/add")
    assert jo.send(f"{PAGE}/role", form | {"role": "owner"}).status == 400


def test_so_many_changes_a_day_leave_the_operator_room(
    cloud: Cloud, jo: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = cloud.environment["AUTHORS_SECRET_ARN"]
    client = boto3.client("secretsmanager")
    versions = len(client.list_secret_version_ids(SecretId=arn)["Versions"])
    monkeypatch.setattr(registering, "_MOST_GIVING", versions + 1)
    monkeypatch.setattr(registering, "_MOST_TAKING", versions + 2)
    assert add(jo, name="jo").status == 409  # what is refused makes no version
    assert add(jo).status == 201

    for page in (
        add(jo, name="Zoe", email="zoe@example.com"),
        press(jo, "Ann", "role", role="manage"),
        press(jo, "Ann", "address", email="zoe@example.com"),
        press(jo, "Ann", "token"),
    ):
        assert page.status == 429
        assert "Authors were changed too often within a day" in page.words
    assert add(jo, name="Zoe", email="zoe@example.com").html.count('value="zoe@example.com"') == 1
    assert names(cloud) == ["jo", "Ada", "Ann"]
    assert remove(jo, "Ann").status == 200
    assert remove(jo, "Ada").status == 429
    assert names(cloud) == ["jo", "Ada"]


def test_the_secret_has_its_end_for_who_comes_and_not_for_who_goes(
    cloud: Cloud, jo: Browser
) -> None:
    many: list[dict[str, object]] = []
    while len(json.dumps({"authors": [JO, *many]})) < ALMOST_FULL:
        many.append(entry(f"author {len(many)}", "write"))
    put_authors(cloud, JO, *many)

    page = add(jo)

    assert page.status == 409
    assert "There are as many authors as there can be" in page.words
    assert 'value="ann@example.com"' in page.html
    assert len(stored(cloud)) == len(many) + 1
    assert remove(jo, "author 7").status == 200
    assert len(stored(cloud)) == len(many)


def test_the_database_may_sleep(cloud: Cloud, jo: Browser) -> None:
    jo.open(PAGE)
    with cloud.database_down():
        assert add(jo).status == 201
        assert remove(jo, "Ada").status == 200
    assert names(cloud) == ["jo", "Ann"]


@pytest.mark.parametrize("action", ["GetSecretValue", "PutSecretValue", "ListSecretVersionIds"])
def test_while_secrets_can_not_be_had_nothing_typed_is_lost(
    cloud: Cloud, jo: Browser, notices: Callable[[], list[str]], action: str
) -> None:
    form = fields(jo.open(f"{PAGE}/add"), "/authors/add") | ANN
    is_down = [True]
    on_call(action, "before-call", lambda: fail() if is_down[0] else None)
    page = jo.send(f"{PAGE}/add", form)
    is_down[0] = False

    assert page.status == 503
    assert 'value="ann@example.com"' in page.html
    assert names(cloud) == ["jo", "Ada"]
    assert notices() == []


def test_an_invitation_that_can_not_be_asked_for_leaves_an_author_and_a_word(
    cloud: Cloud, jo: Browser
) -> None:
    lambdas.client().meta.events.register("before-call.lambda.Invoke", lambda **_: fail())
    page = add(jo)

    assert page.status == 201
    assert names(cloud) == ["jo", "Ada", "Ann"]
    assert "could not be sent" in page.words
    assert token_on(page)


def test_a_change_is_made_though_no_notice_of_it_leaves(cloud: Cloud, jo: Browser) -> None:
    boto3.client("sns").delete_topic(TopicArn=cloud.environment["ALARMS_TOPIC_ARN"])
    assert remove(jo, "Ada").status == 200
    assert names(cloud) == ["jo"]
