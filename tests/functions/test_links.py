"""With CountLinks, links in mails lead by way of the stack: counted, and the same for everybody."""

import json
import re
from typing import Any
from uuid import uuid4

import boto3
import pytest

from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.domain.issue_requests import HtmlContent
from broadsheet.domain.issues import IssueTitle
from broadsheet.mail.issue_mail import render_issue
from broadsheet.mail.link_numbers import LinkNumbers
from broadsheet.services.issues import links
from broadsheet.services.sending import pacing
from broadsheet.storage import bucket
from functions.archive.app import handler as archive
from functions.people.app import handler as people
from functions.preview.app import handler as preview
from functions.publish.app import handler as publish
from local.lambda_events import api_event
from tests.broadsheet.mail.mails import NEWSLETTER
from tests.cloud import Cloud, context, json_of, problem_in
from tests.conftest import forget_what_was_read
from tests.functions.issues import (
    act_on,
    content,
    deliver_all,
    edit,
    pointer,
    publish_issue,
    send,
    tick,
)
from tests.functions.test_correct import corrected

SITE = "https://news.page.example"
GUIDE, NEWS = "https://guide.example/a?b=1&c=%20", "https://news.example/"
MARKDOWN = (
    f"Read [the guide]({GUIDE}), {NEWS} or <{NEWS}>, and [the guide]({GUIDE}) again.\n\n"
    "[Me](https://page.example/?for=[[name]]), [leave]([[unsubscribe]]),"
    " [mail](mailto:ada@page.example).\n\n"
    f"    curl {GUIDE}\n"
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture(autouse=True)
def _counting(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cloud
    monkeypatch.setenv("COUNT_LINKS", "true")
    forget_what_was_read()


def sent(cloud: Cloud, **fields: object) -> str:
    """Send an issue to two readers, and return its id."""
    if not cloud.rows("SELECT FROM subscribers"):
        cloud.add_confirmed("ursula@example.com", "ged@example.com")
    issue = publish_issue(**({"markdown": MARKDOWN} | fields))
    send(cloud, issue)
    return issue


def go(link: str, *, source: str = "192.0.2.1", method: str = "GET", **headers: str) -> Any:  # noqa: ANN401 - API Gateway's
    """Follow a link of a mail, as a reader's browser does."""
    issue, _, number = link.removeprefix(f"{SITE}/go/").partition("/")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    event = api_event(
        method,
        "/go/{issue}/{number}",
        path_parameters={"issue": issue, "number": number},
        headers={"user-agent": FIREFOX, "x-forwarded-for": source} | named,
    )
    forget_what_was_read()  # half a minute later
    return archive(event, context())


def counts(issue: str) -> dict[int, int]:
    return {link["number"]: link["clicks"] for link in shown(issue)["links"]}


def shown(issue: str) -> dict[str, Any]:
    event = api_event("GET", "/issues/{id}/links", path_parameters={"id": issue}, author="ada")
    return json_of(publish(event, context()))


def correct(issue: str, number: int | str, target: object, role: str = "publish") -> dict[str, Any]:
    event = api_event(
        "PUT",
        "/issues/{id}/links/{number}",
        path_parameters={"id": issue, "number": str(number)},
        body=json.dumps({"target": target}),
        headers={"content-type": "application/json"},
        author="ada",
        role=role,
    )
    return publish(event, context())


def test_a_link_of_every_reader_s_mail_leads_to_its_target_and_is_counted(cloud: Cloud) -> None:
    issue = sent(cloud)
    page = f"{SITE}/go/{issue}/"

    for reader in ("ursula@example.com", "ged@example.com"):
        (mail,) = cloud.mails_to(reader)
        assert mail.html is not None
        assert mail.text is not None
        assert mail.html.count(f'href="{page}1"') == 2  # both of the guide
        assert len(re.findall(rf'href="{page}2"[^>]*>{NEWS}</a>', mail.html)) == 2
        assert set(re.findall(r"/go/\S+?/(\d+)", mail.html + mail.text)) == {"1", "2"}
        words = " ".join(mail.text.split())
        assert f"the guide ({page}1), {NEWS} ({page}2) or" in words
        # What has a reader's own values, and what is no link on the web.
        assert 'href="https://page.example/?for=Ursula"' in mail.html
        assert mail.html.count(f'href="{SITE}/subscriptions/unsubscribe?token=') == 2
        assert 'href="mailto:ada@page.example"' in mail.html
        assert f"    curl {GUIDE}" in mail.text

    answer = go(f"{page}1")
    assert (answer["statusCode"], answer["headers"]["Location"]) == (302, GUIDE)
    assert answer["headers"]["Cache-Control"] == "no-store"
    assert answer["body"] == ""
    go(f"{page}1", source="192.0.2.2")
    go(f"{page}2")

    assert shown(issue) == {
        "counting": True,
        "links": [
            {"number": number, "written": url, "target": url, "clicks": clicks}
            | {"corrected_at": None, "corrected_by": None}
            for number, url, clicks in ((1, GUIDE, 2), (2, NEWS, 1))
        ],
    }
    (numbers,) = json_of(people(api_event("GET", "/statistics", author="ada"), context()))["issues"]
    assert numbers["links"] == [
        {"number": 1, "target": GUIDE, "clicks": 2},
        {"number": 2, "target": NEWS, "clicks": 1},
    ]


def test_the_statistics_have_clicks_that_nobody_has_looked_at_yet(cloud: Cloud) -> None:
    issue = sent(cloud)
    go(f"{SITE}/go/{issue}/1")

    answer = json_of(people(api_event("GET", "/statistics", author="ada"), context()))

    assert [link["clicks"] for link in answer["issues"][0]["links"]] == [1, 0]


def test_links_in_html_are_counted_in_both_parts() -> None:
    bare = "<html><body><a href=https://a.example/b>A</a> <map><area href='#x'></map></body></html>"
    written = "See https://a.example/b. Or (https://a.example/b)! Not https://a.example/bc"
    for html, text, counted in (
        (
            '<p><a href="https://a.example/b?c=1&amp;d=2">A</a></p>',
            None,
            "A ({{links_page_text}}1)",
        ),
        (bare, None, "A ({{links_page_text}}1)"),
        (
            '<p><a href="https://a.example/b">A</a></p>',
            written,
            "See {{links_page_text}}1. Or ({{links_page_text}}1)! Not https://a.example/bc",
        ),
    ):
        numbers = LinkNumbers({})
        content = HtmlContent(html=html, text=text)
        issue = render_issue(IssueTitle("One"), content, NEWSLETTER, numbers=numbers).issue

        assert re.search(r'<a href="?\{\{links_page_html\}\}1"?[ >]', issue.html)
        assert counted in issue.text
        assert [*numbers.by_address.values()] == [1]


def test_without_the_parameter_nothing_is_rewritten_or_stored(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COUNT_LINKS")
    forget_what_was_read()

    issue = sent(cloud)

    mail = cloud.mails_to("ged@example.com")[0]
    assert "/go/" not in f"{mail.html}{mail.text}"
    assert "links_page" not in str(cloud.rows("SELECT html, text FROM issues"))
    assert cloud.rows("SELECT FROM issue_links") == []
    assert not any("links/" in each["Key"] for each in _stored())
    assert shown(issue) == {"counting": False, "links": []}


def test_previews_test_mails_the_archive_and_the_source_have_the_addresses_themselves(
    cloud: Cloud,
) -> None:
    issue = sent(cloud)
    event = api_event(
        "POST",
        "/issues/preview",
        body=json.dumps({"title": "One", "markdown": MARKDOWN}),
        headers={"content-type": "application/json"},
        author="ada",
    )

    looked_at = json_of(preview(event, context()))

    pages = [
        boto3.client("s3").get_object(Bucket="content", Key=each["Key"])["Body"].read().decode()
        for each in _stored()
        if "pages/" in each["Key"]
    ]
    for text in (looked_at["html"], looked_at["text"], *pages, content(issue)["body"]):
        assert "/go/" not in text
        assert "guide.example" in text
    assert len(pages) == 1


def _stored() -> list[Any]:
    listed = boto3.client("s3").list_objects_v2(Bucket="content").get("Contents", [])
    return list(listed)


# Corrections


def test_a_corrected_link_leads_elsewhere_in_the_mails_that_readers_have(cloud: Cloud) -> None:
    issue = sent(cloud)

    answer = correct(issue, 1, " https://guide.example/zürich?x=[1] ")

    corrected = json_of(answer)
    target = "https://guide.example/z%C3%BCrich?x=[1]"
    assert (answer["statusCode"], corrected["target"], corrected["written"]) == (200, target, GUIDE)
    assert corrected["corrected_by"] == "ada"
    assert go(f"{SITE}/go/{issue}/1")["headers"]["Location"] == target
    assert go(f"{SITE}/go/{issue}/2")["headers"]["Location"] == NEWS


def test_a_link_leads_only_to_a_whole_address_on_the_web(cloud: Cloud) -> None:
    issue = sent(cloud)

    for target in (
        *("", "/archive", "javascript:alert(1)", "//evil.example", "ftp://a.example", 7, None),
        *("https://ada:secret@a.example/", "https://a.example/\r\nX: y", f"https://a/{'x' * 2000}"),
        *("https://zürich.example/", "https://a.example/{{name}}", "https://a.example/ b"),
    ):
        assert correct(issue, 1, target)["statusCode"] == 400, target
    assert go(f"{SITE}/go/{issue}/1")["headers"]["Location"] == GUIDE


def test_who_may_not_publish_may_not_correct(cloud: Cloud) -> None:
    issue = sent(cloud)

    assert correct(issue, 1, NEWS, role="write")["statusCode"] == 403
    assert problem_in(correct(issue, 3, NEWS))["code"] == "link-not-found"
    assert problem_in(correct(issue, "1x", NEWS))["code"] == "link-not-found"
    assert problem_in(correct(str(uuid4()), 1, NEWS))["code"] == "issue-not-found"


def test_of_no_issue_there_are_no_links_to_show_or_to_correct() -> None:
    nothing = str(uuid4())
    event = api_event("GET", "/issues/{id}/links", path_parameters={"id": nothing}, author="ada")

    assert problem_in(publish(event, context()))["code"] == "issue-not-found"
    assert problem_in(correct(nothing, 1, NEWS))["code"] == "issue-not-found"


def test_only_stored_links_lead_anywhere(cloud: Cloud) -> None:
    issue = sent(cloud)

    for number in ("3", "0", "-1", "01", "1x", "9999999", "https://evil.example"):
        assert go(f"{SITE}/go/{issue}/{number}")["statusCode"] == 404, number
    assert go(f"{SITE}/go/{uuid4()}/1")["statusCode"] == 404
    assert go(f"{SITE}/go/x/1")["statusCode"] == 404
    assert counts(issue) == {1: 0, 2: 0}


def test_an_edit_keeps_the_numbers_that_readers_have(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue = publish_issue(markdown=MARKDOWN)
    act_on(issue, "pause")

    edit(issue, markdown=f"[New](https://new.example/) and [news]({NEWS})")
    act_on(issue, "resume")
    send(cloud, issue)

    (mail,) = cloud.mails_to("ursula@example.com")
    page = f"{SITE}/go/{issue}/"
    assert f"New ({page}3) and news ({page}2)" in (mail.text or "")
    leads = [go(f"{page}{number}")["headers"]["Location"] for number in (1, 2, 3)]
    assert leads == [GUIDE, NEWS, "https://new.example/"]


def test_the_links_of_a_correction_are_its_own(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "batch_size", lambda _rate: 1)
    cloud.add_confirmed("ursula@example.com", "ged@example.com")
    issue = publish_issue(markdown=MARKDOWN)
    tick(issue)
    deliver_all([pointer(issue, 1)])
    act_on(issue, "pause")
    edit(issue, markdown=MARKDOWN)
    act_on(issue, "resume")
    send(cloud, issue)

    correction = str(corrected(issue, markdown=f"[News]({NEWS})")["id"])
    send(cloud, correction)

    mail = cloud.ses.mails()[-1]
    assert f"{SITE}/go/{correction}/1" in (mail.text or "")
    assert go(f"{SITE}/go/{correction}/1")["headers"]["Location"] == NEWS


def test_a_draft_has_its_links_once_it_is_published(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue = publish_issue(markdown=MARKDOWN, draft=True)
    edit(issue, markdown=f"[news]({NEWS})")
    assert shown(issue)["links"] == []

    act_on(issue, "publish", key="k")
    act_on(issue, "publish", key="k")
    send(cloud, issue)

    assert f"news ({SITE}/go/{issue}/1)" in (cloud.mails_to("ursula@example.com")[0].text or "")
    assert [link["target"] for link in shown(issue)["links"]] == [NEWS]


def test_an_issue_whose_links_can_t_be_stored_is_not_published(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DependencyUnavailable("S3 is away")

    monkeypatch.setattr(bucket, "put", fail)
    event = api_event(
        "POST",
        "/issues",
        body=json.dumps({"title": "One", "markdown": MARKDOWN}),
        headers={"content-type": "application/json", "idempotency-key": "k"},
        author="ada",
    )

    assert publish(event, context())["statusCode"] == 503
    assert cloud.rows("SELECT FROM issues") == cloud.rows("SELECT FROM issue_links") == []


# Counting


def test_a_robot_gets_there_and_only_people_count(cloud: Cloud) -> None:
    issue = sent(cloud)
    link = f"{SITE}/go/{issue}/1"

    robots: list[dict[str, str]] = [
        {"method": "HEAD"},
        {"user_agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"},
        {"user_agent": "python-requests/2.32"},
        {"user_agent": "Mozilla/5.0 HeadlessChrome/140.0"},
        {"user_agent": "Mozilla/5.0 BingPreview/1.0b"},
        {"user_agent": ""},
        {"sec_purpose": "prefetch;prerender"},
        {"purpose": "prefetch"},
        {"x_moz": "prefetch"},
        {"sec_fetch_mode": "no-cors"},
    ]
    for robot in robots:
        assert go(link, **robot)["headers"]["Location"] == GUIDE
    assert counts(issue) == {1: 0, 2: 0}

    go(link, user_agent="Mozilla/5.0 (Linux; Android 15; CUBOT X90) Chrome/140")
    go(link, sec_fetch_mode="navigate")
    assert counts(issue) == {1: 2, 2: 0}


def test_an_address_that_follows_three_links_at_once_is_a_robot(cloud: Cloud) -> None:
    pages = [f"https://a.example/{number}" for number in range(4)]
    issue = sent(cloud, markdown=" ".join(f"[{page[-1]}]({page})" for page in pages))

    for number in (1, 2, 3, 4, 1):
        go(f"{SITE}/go/{issue}/{number}", source="198.51.100.7")
    for number in (1, 2):  # two tabs
        go(f"{SITE}/go/{issue}/{number}", source="192.0.2.9, 203.0.113.1")
        go(f"{SITE}/go/{issue}/{number}", source="192.0.2.10, 203.0.113.1")

    assert counts(issue) == {1: 2, 2: 2, 3: 0, 4: 0}


def test_a_burst_is_what_happens_within_two_seconds() -> None:
    def outside(*clicks: tuple[float, int]) -> list[int]:
        return [*links._outside_bursts([links._At(*each) for each in clicks])]

    assert outside((0, 1), (1, 2), (2, 3)) == []
    assert outside((0, 1), (1, 2), (2.1, 3)) == [1, 2, 3]
    assert outside((0, 1), (0, 1), (1, 1), (1, 2)) == [1, 1, 1, 2]
    assert outside((0, 1), (9, 1), (10, 2), (11, 3), (12, 4), (20, 4)) == [1, 4]


def test_clicks_say_nothing_of_who_clicked(cloud: Cloud) -> None:
    issue = sent(cloud)
    go(f"{SITE}/go/{issue}/1", source="198.51.100.7")

    (message,) = cloud.messages("CLICKS")

    click = json.loads(message["body"])
    assert click == {"issue_id": issue, "number": 1, "group": click["group"]}
    assert len(click["group"]) == 4
    assert message["messageAttributes"] == {}


def test_links_work_while_the_database_is_down_and_are_counted_by_the_daily_look(
    cloud: Cloud,
) -> None:
    issue = sent(cloud)

    with cloud.database_down():
        assert go(f"{SITE}/go/{issue}/2")["statusCode"] == 302
    boto3.client("sqs").send_message(QueueUrl=cloud.queues["CLICKS"], MessageBody="no click")
    tick(None)

    query = "SELECT number, clicks FROM issue_links ORDER BY number"
    assert [row["clicks"] for row in cloud.rows(query)] == [0, 1]
    tick(None)  # each click once
    assert [row["clicks"] for row in cloud.rows(query)] == [0, 1]
    assert cloud.messages("CLICKS") == []


def test_a_reader_gets_there_though_the_click_can_not_be_counted(cloud: Cloud) -> None:
    issue = sent(cloud)
    boto3.client("sqs").delete_queue(QueueUrl=cloud.queues["CLICKS"])

    assert go(f"{SITE}/go/{issue}/1")["statusCode"] == 302
    assert counts(issue) == {1: 0, 2: 0}  # the page shows what was counted before


def test_many_clicks_are_counted_in_one_request(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "FOR_AUTHORS", 60.0)
    issue = sent(cloud)
    click = json.dumps({"issue_id": issue, "number": 1, "group": "0a1b"})
    for _ in range(12):
        boto3.client("sqs").send_message_batch(
            QueueUrl=cloud.queues["CLICKS"],
            Entries=[{"Id": str(each), "MessageBody": click} for each in range(10)],
        )

    assert counts(issue) == {1: 120, 2: 0}


def test_links_that_were_sent_lead_on_when_nothing_is_counted_any_more(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue = sent(cloud)
    monkeypatch.delenv("COUNT_LINKS")

    assert go(f"{SITE}/go/{issue}/1")["headers"]["Location"] == GUIDE
    assert cloud.messages("CLICKS") == []
    assert shown(issue)["counting"] is False


def test_links_that_came_with_a_move_are_stored_by_the_daily_look(cloud: Cloud) -> None:
    issue = sent(cloud)
    boto3.client("s3").delete_object(Bucket="content", Key=f"archive/links/{issue}.json")
    assert go(f"{SITE}/go/{issue}/1")["statusCode"] == 404
    cloud.rows("UPDATE issue_links SET is_stored = false")

    tick(None)

    assert go(f"{SITE}/go/{issue}/1")["headers"]["Location"] == GUIDE
    assert cloud.rows("SELECT FROM issue_links WHERE NOT is_stored") == []
