import base64
import hashlib
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.domain.voice import Voice
from broadsheet.i18n import ENGLISH, Language
from broadsheet.web import pages
from broadsheet.web.pages import Frame, SignUpForm
from tests.broadsheet.web import every_page
from tests.broadsheet.web.every_page import FRAME

HOSTILE = "\"><script>alert('1')</script>"
PAGES = {name: shown(FRAME) for name, shown in every_page.PAGES.items()}
OWN = ("sign-up", "sign-up-plain", "sign-up-refused", "sign-up-outdated")  # of the sign-up page
ARCHIVED = ("archive", "archive-empty", "issue", "issue-certified", "issue-html")
on_every_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the text outside of its style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.style = ""
        self._in_style = False
        self._in_label = False
        self.labelled: list[int] = []  # the fields inside of each label
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))
        self._in_style = tag == "style"
        if tag == "label":
            self._in_label = True
            self.labelled.append(0)
        elif tag == "input" and self._in_label:
            self.labelled[-1] += 1

    def handle_endtag(self, tag: str) -> None:
        self._in_style = self._in_style and tag != "style"
        self._in_label = self._in_label and tag != "label"

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.style += data
        else:
            self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.all if found == tag]

    def input(self, name: str) -> dict[str, str | None]:
        (found,) = [each for each in self.named("input") if each["name"] == name]
        return found


@on_every_page
def test_a_page_loads_nothing_and_needs_no_script(page: str) -> None:
    elements = Elements(page)
    assert not elements.named("img")
    loaded = {"stylesheet", "icon", "preload", "modulepreload", "manifest"}
    links = [link["href"] for link in elements.named("link") if link["rel"] in loaded]
    assert links == ["/favicon.svg"]
    assert not re.search(r"@import|url\(", elements.style)
    assert len(elements.style.encode()) < 10_000
    for tag, attributes in elements.all:
        assert "style" not in attributes
        assert tag != "script" or not attributes
        assert not [name for name in attributes if name.startswith("on")]


def test_the_policy_allows_a_page_its_own_stylesheet_and_scripts_and_nothing_else() -> None:
    style = _digest(Elements(PAGES["sign-up"]).style)
    (script,) = re.findall("<script>(.*?)</script>", PAGES["form"], flags=re.DOTALL)

    assert pages.policy().split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{style}'",
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
    of_an_issue = {"style-src-attr 'unsafe-inline'", "img-src 'self' https: data:"}
    assert set(pages.OF_AN_ISSUE.split("; ")) - set(pages.policy().split("; ")) == of_an_issue
    own = {f"script-src 'sha256-{_digest(script)}'", "frame-ancestors *"}
    assert set(pages.FRAMED.split("; ")) - set(pages.policy().split("; ")) == own


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@on_every_page
def test_who_deleted_the_mails_finds_the_way_out_on_every_page(page: str) -> None:
    links = Elements(page).named("a")
    assert "/subscription" in [link["href"] for link in links]
    assert ">Change your subscription or leave</a>" in page


@on_every_page
def test_a_page_names_its_newsletter_and_language_and_sends_no_referrer(page: str) -> None:
    elements = Elements(page)
    assert elements.named("html") == [{"lang": "en", "dir": "ltr"}]
    assert {"name": "referrer", "content": "no-referrer"} in elements.named("meta")
    assert re.search("<title>.+ \N{EN DASH} The Harbour Letter</title>", page)
    assert len(elements.named("h1")) == 1


def test_only_the_sign_up_page_and_the_archive_may_be_indexed() -> None:
    noindex = {"name": "robots", "content": "noindex"}
    indexed = [name for name, page in PAGES.items() if noindex not in Elements(page).named("meta")]
    assert set(indexed) == {*OWN, *ARCHIVED}


@pytest.mark.parametrize("name", ["confirm", "unsubscribe"])
def test_confirming_and_unsubscribing_have_one_button_that_posts(name: str) -> None:
    elements = Elements(PAGES[name])
    assert elements.named("form") == [
        {"method": "post", "action": f"/subscriptions/{name}?token=t"}
    ]
    assert elements.named("button") == [{"type": "submit"}]
    assert not elements.named("input")


def test_each_field_has_a_label_and_can_be_filled_in_by_the_browser() -> None:
    elements = Elements(PAGES["sign-up"])
    labels = elements.named("label")
    assert [label["for"] for label in labels if "for" in label] == ["name", "email"]
    # The label of a tag is around its box.
    assert len(labels) > 2
    assert elements.labelled == ["for" not in label for label in labels]
    for name in ("name", "email"):
        field = elements.input(name)
        assert (field["id"], field["autocomplete"]) == (name, name)
        assert "aria-invalid" not in field
    assert elements.input("email")["type"] == "email"
    assert "required" in elements.input("email")
    assert "required" not in elements.input("name")


def test_a_refused_form_comes_back_with_what_was_typed() -> None:
    page = pages.sign_up(
        FRAME,
        SignUpForm(
            "subscriptions",
            asks_for_name=True,
            typed={"name": "Ursula", "email": "ursula@"},
            errors={"email": "this is not a valid email address"},
        ),
    )
    elements = Elements(page)
    assert elements.input("name")["value"] == "Ursula"
    assert elements.input("email")["value"] == "ursula@"


def test_a_message_is_beside_its_field_and_linked_to_it() -> None:
    page = pages.sign_up(
        FRAME,
        SignUpForm(
            "subscriptions", asks_for_name=True, errors={"email": "an email address is needed"}
        ),
    )
    elements = Elements(page)
    assert elements.input("email")["aria-describedby"] == "email-hint email-wrong"
    assert elements.input("email")["aria-invalid"] == "true"
    assert {"class": "wrong", "id": "email-wrong", "role": "alert"} in elements.named("p")
    assert "An email address is needed" in elements.text
    assert "aria-invalid" not in elements.input("name")


def test_the_first_wrong_field_has_the_focus() -> None:
    page = pages.sign_up(
        FRAME, SignUpForm("s", asks_for_name=True, errors={"email": "wrong", "name": "wrong"})
    )
    focused = [each["name"] for each in Elements(page).named("input") if "autofocus" in each]
    assert focused == ["name"]


def test_a_message_that_belongs_to_no_field_is_shown_above_them() -> None:
    page = pages.sign_up(FRAME, SignUpForm("s", errors={"form": "the form was too long"}))
    assert page.index("The form was too long") < page.index("Your email")


def test_nothing_that_was_typed_becomes_markup() -> None:
    page = pages.sign_up(
        Frame(HOSTILE),
        SignUpForm(
            HOSTILE,
            HOSTILE,
            Voice(*[HOSTILE] * len(Voice._fields)),
            asks_for_name=True,
            newest=[
                issue.model_copy(update={"title": HOSTILE, "slug": HOSTILE, "description": HOSTILE})
                for issue in every_page.NEWEST
            ],
            typed={"name": HOSTILE, "email": HOSTILE},
            errors={"name": HOSTILE},
        ),
    )
    elements = Elements(page)
    assert not elements.named("script")
    assert elements.input("name")["value"] == HOSTILE
    assert elements.named("form")[0]["action"] == HOSTILE


@given(text=st.text())
def test_an_error_page_shows_any_text_as_it_is(text: str) -> None:
    page = pages.error(Frame(text), 400, text, text, sign_up_url=text)
    tags = [tag for tag, _ in Elements(page).all]
    usual = pages.error(Frame("W"), 400, "t", "d", sign_up_url=text)
    assert tags == [tag for tag, _ in Elements(usual).all]


def test_an_error_page_says_what_can_be_done() -> None:
    page = pages.error(Frame("W"), 410, "Expired", "Too old.", sign_up_url="../?a=1&b=2")
    elements = Elements(page)
    assert "Error 410" in elements.text
    assert {"href": "../?a=1&b=2"} in elements.named("a")


@pytest.mark.parametrize("name", ["confirmed", "unsubscribed"])
def test_the_page_after_an_action_links_to_the_sign_up_page(name: str) -> None:
    assert '<a href="/">sign up again</a>' in PAGES[name]


def test_the_page_after_a_sign_up_says_what_is_left_and_asks_for_the_code() -> None:
    elements = Elements(PAGES["check-your-inbox"])
    code = elements.input("code")
    assert "This alone does not subscribe you." in elements.text
    assert (code["autocomplete"], code["inputmode"]) == ("one-time-code", "numeric")
    assert code["aria-describedby"] == "code-hint"
    assert {"for": "code"} in elements.named("label")
    assert [form["action"] for form in elements.named("form")] == [
        "/subscriptions/code",
        "/subscriptions",
    ]
    assert "/" in [link["href"] for link in elements.named("a")]


def test_a_wrong_code_is_said_beside_its_field_which_has_the_focus() -> None:
    code = Elements(PAGES["check-your-inbox-wrong-code"]).input("code")
    assert code["aria-describedby"] == "code-hint code-wrong"
    assert code["value"] == "1234 5678"
    assert {"aria-invalid", "autofocus"} < code.keys()


def test_pages_say_received_and_not_done() -> None:
    assert "We have your confirmation" in PAGES["confirmed"]
    assert "We have your request" in PAGES["check-your-inbox"]
    assert "We have your request" in PAGES["unsubscribed"]


def test_the_page_after_confirming_says_that_it_does_not_undo_unsubscribing() -> None:
    page = Elements(PAGES["confirmed"])
    assert "Have you unsubscribed since we sent our email?" in page.text


def test_pages_import_nothing_heavy() -> None:
    heavy = "{'pydantic', 'boto3', 'css_inline', 'markdown_it', 'psycopg', 'regex'}"
    program = f"import sys, broadsheet.web.pages; print(sorted({heavy} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": "layers/common"},
    )
    assert loaded.stdout.strip() == "[]"


def test_a_page_offers_itself_in_each_language_and_says_which_one_it_is_in() -> None:
    german = Language("de")
    choices = {ENGLISH: "?lang=en&token=t", german: "?lang=de"}
    frame = Frame("Le Phare", language=german, choices=choices)

    elements = Elements(pages.confirm(frame, "confirm?token=t"))

    assert elements.named("html") == [{"lang": "de", "dir": "ltr"}]
    english, chosen = [each for each in elements.named("a") if "hreflang" in each]
    assert (english["href"], english["lang"]) == ("?lang=en&token=t", "en")
    assert "aria-current" not in english
    assert (chosen["lang"], chosen["aria-current"]) == ("de", "true")
    assert ("English" in elements.text, "Deutsch" in elements.text) == (True, True)
    assert {"aria-label": "Sprache dieser Seite"} in elements.named("nav")


def test_the_newsletters_name_is_in_the_newsletters_language() -> None:
    frame = Frame("Le Phare", newsletter_language="fr")

    elements = Elements(pages.confirm(frame, "confirm?token=t"))

    assert elements.named("html")[0]["lang"] == "en"
    assert [each["lang"] for each in elements.named("cite")] == ["fr"]
    assert {"class": "masthead", "lang": "fr"} in elements.named("div")
