"""The foot of a mail: why it came, and how to leave, to manage it, and to read it online."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from broadsheet import signed_tokens
from functions.preview.app import handler as preview_handler
from local.lambda_events import api_event
from ses_server import Mail
from tests.cloud import Cloud, context, json_of, problem_in
from tests.functions.issues import act_on, deliver_all, edit, pointers, publish_issue, send, tick

SITE = "https://news.page.example"
URSULA = "ursula@example.com"
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()
# A text as it was rendered before a mail's footer had variables.
OLD_HTML = '<p>Dear {{name_html}}</p><a href="{{unsubscribe_url_html}}">Unsubscribe</a>'
OLD_TEXT = "Dear {{name_text}}\n\nUnsubscribe: {{unsubscribe_url_text}}\n"


def the_mail(cloud: Cloud, to: str = URSULA) -> Mail:
    (mail,) = cloud.mails_to(to)
    return mail


def links_of(mail: Mail) -> list[str]:
    """The addresses in a mail's text, without their tokens; its HTML has the same."""
    links = [line for line in (mail.text or "").splitlines() if line.startswith(SITE)]
    assert all(f'href="{link}"' in (mail.html or "") for link in links)
    return [link.partition("?")[0].removeprefix(SITE) for link in links]


def test_an_issue_leads_to_its_page_and_to_the_readers_subscription(cloud: Cloud) -> None:
    (ursula,) = cloud.add_confirmed(URSULA)
    issue_id = publish_issue(slug="tea")
    send(cloud, issue_id)

    mail = the_mail(cloud)
    assert links_of(mail) == ["/subscriptions/unsubscribe", "/subscription", "/archive/tea"]
    managed = (mail.text or "").partition("/subscription?token=")[2].split()[0]
    token = signed_tokens.read_manage(managed)
    assert (token.subscriber_id.root, str(token.issue_id)) == (ursula, issue_id)


def test_the_link_leads_to_the_slug_that_an_edit_chose_before_the_sending(cloud: Cloud) -> None:
    cloud.add_confirmed(URSULA)
    issue_id = publish_issue(publish_at=TOMORROW, slug="tea")
    assert edit(issue_id, slug="coffee")["statusCode"] == 200
    cloud.rows("UPDATE issues SET publish_at = now()")

    send(cloud, issue_id)

    assert links_of(the_mail(cloud))[-1] == "/archive/coffee"


def test_an_issue_that_is_not_archived_leads_to_no_page(cloud: Cloud) -> None:
    cloud.add_confirmed(URSULA)
    send(cloud, publish_issue(archive=False))

    mail = the_mail(cloud)
    assert links_of(mail) == ["/subscriptions/unsubscribe", "/subscription"]
    assert "View online" not in (mail.html or "")


TO_THE_PAGE = "[online]([[archive]])"


def test_an_edit_that_says_nothing_of_the_archive_keeps_it_as_it_was(cloud: Cloud) -> None:
    cloud.add_confirmed(URSULA)
    issue_id = publish_issue(publish_at=TOMORROW, archive=False, slug="tea")

    refused = edit(issue_id, markdown=TO_THE_PAGE)
    assert [each["code"] for each in problem_in(refused)["warnings"]] == [
        "no-archive-page",
        "no-preheader",
    ]
    assert edit(issue_id, markdown="Hello")["statusCode"] == 200
    cloud.rows("UPDATE issues SET publish_at = now()")
    send(cloud, issue_id)
    assert "/archive/tea" not in (the_mail(cloud).text or "")


def test_a_draft_is_published_with_the_archive_that_it_was_stored_with(cloud: Cloud) -> None:
    issue_id = publish_issue(draft=True, archive=False, markdown=TO_THE_PAGE)
    tested = preview_handler(
        api_event(
            "POST",
            "/issues/{id}/test",
            path_parameters={"id": issue_id},
            author="ada",
            role="publish",
            body=json.dumps({"to": [URSULA]}),
            headers={"content-type": "application/json"},
        ),
        context(),
    )
    assert "no-archive-page" in [each["code"] for each in json_of(tested)["warnings"]]
    assert "View online" not in (the_mail(cloud).text or "")

    refused = act_on(issue_id, "publish", key="k")

    assert problem_in(refused)["warnings"][0]["code"] == "no-archive-page"
    assert edit(issue_id, markdown=TO_THE_PAGE, archive=True)["statusCode"] == 200
    assert act_on(issue_id, "publish", key="k")["statusCode"] == 202


LANGUAGES = {
    URSULA: ("en", "You get this because you subscribed to The Daily Page."),
    "greta@example.com": ("de", "Sie erhalten diese E-Mail, weil Sie The Daily Page abonniert"),
    "resi@example.com": ("de-AT", "Sie erhalten diese E-Mail, weil Sie The Daily Page abonniert"),
    "aino@example.com": ("fi", "You get this because you subscribed to The Daily Page."),
}


def test_the_foot_is_in_each_readers_language(cloud: Cloud) -> None:
    cloud.add_confirmed(*LANGUAGES)
    for email, (language, _) in LANGUAGES.items():
        cloud.rows(
            "UPDATE subscribers SET language = %(of)s WHERE email = %(email)s",
            of=language,
            email=email,
        )

    send(cloud, publish_issue())

    for email, (language, sentence) in LANGUAGES.items():
        mail = the_mail(cloud, email)
        assert sentence in (mail.text or "")
        assert sentence in (mail.html or "")
        is_german = language.startswith("de")
        assert ("Im Browser ansehen" in (mail.html or "")) is is_german
        assert ("View online" in (mail.text or "")) is not is_german


def test_a_version_that_was_rendered_before_reaches_its_readers(cloud: Cloud) -> None:
    cloud.add_confirmed(URSULA)
    cloud.rows("UPDATE subscribers SET language = 'de'")
    issue_id = publish_issue()
    cloud.rows(
        "UPDATE issue_versions SET html = %(html)s, text = %(text)s", html=OLD_HTML, text=OLD_TEXT
    )

    send(cloud, issue_id)

    mail = the_mail(cloud)
    link = (mail.header("List-Unsubscribe") or "").strip("<>")
    assert link.startswith(f"{SITE}/subscriptions/unsubscribe?token=")
    assert mail.text == f"Dear Ursula\n\nUnsubscribe: {link}\n"
    assert mail.html == f'<p>Dear Ursula</p><a href="{link}">Unsubscribe</a>'


@pytest.mark.parametrize("is_frozen", [False, True])
def test_a_paused_issue_sends_the_page_that_an_edit_left(cloud: Cloud, *, is_frozen: bool) -> None:
    cloud.add_confirmed(URSULA)
    issue_id = publish_issue(slug="tea", publish_at=None if is_frozen else TOMORROW)
    tick(issue_id)
    act_on(issue_id, "pause")
    assert edit(issue_id, archive=False)["statusCode"] == 200
    cloud.rows("UPDATE issues SET publish_at = now()")
    act_on(issue_id, "resume")
    tick(issue_id)
    cloud.rows("UPDATE delivery_batches SET not_before = now()")
    deliver_all(pointers(cloud))

    assert "/archive/" not in (the_mail(cloud).text or "")


def preview(**fields: object) -> dict[str, Any]:
    body = json.dumps({"title": "Number one", "markdown": TO_THE_PAGE} | fields)
    headers = {"content-type": "application/json"}
    event = api_event("POST", "/issues/preview", body=body, headers=headers, author="ada")
    return json_of(preview_handler(event, context()))


def test_a_preview_has_the_foot_in_the_newsletters_language_with_links_that_do_nothing(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWSLETTER_LANGUAGE", "de")

    shown = preview()

    assert "Abbestellen\n#\n\nAbonnement verwalten\n#\n\nIm Browser ansehen\n#\n" in shown["text"]
    assert 'lang="de"' in shown["html"].partition('class="footer"')[2]
    assert "no-archive-page" in [each["code"] for each in preview(archive=False)["warnings"]]
