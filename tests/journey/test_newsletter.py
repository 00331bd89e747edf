"""From sign-up to inbox and out again, as readers, their mail clients and an author do it."""

import re

import pytest
import urllib3

from tests.journey.people import BROWSER, FORM, ONE_CLICK, Town, until


def test_the_sign_up_page_signs_a_reader_up(town: Town):
    page = town.ask("GET", "/", headers=BROWSER)
    reader = town.reader()

    assert page.status == 200
    assert re.search(r'<form method="post" action="/subscriptions"', page.data.decode())
    answer = reader.sign_up(BROWSER)

    assert answer.status == 202
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "inbox" in answer.data.decode()
    assert reader.confirmation_link().startswith(f"{town.stack.public_url}/subscriptions/confirm?")


def test_a_german_reader_is_met_and_mailed_in_german(town: Town):
    german = {**BROWSER, "Accept-Language": "de-AT, en;q=0.5"}
    reader = town.reader()

    page = town.ask("GET", "/", headers=german)
    chosen = town.ask("GET", "/?lang=en", headers=german)
    reader.sign_up(german)

    assert '<html lang="de" dir="ltr">' in page.data.decode()
    assert '<html lang="en" dir="ltr">' in chosen.data.decode()
    assert chosen.headers["Set-Cookie"].startswith("language=en; Max-Age=")
    assert reader.confirmation_link()
    assert reader.mails()[0].subject.startswith("Bitte bestätigen Sie Ihr Abonnement: ")


def test_a_program_may_sign_up_by_json(town: Town):
    reader = town.reader()

    answer = town.http.request(
        "POST",
        f"{town.stack.public_url}/subscriptions",
        json={"name": reader.name, "email": reader.email},
    )

    assert (answer.status, answer.json()) == (202, {"status": "received"})
    assert reader.confirmation_link()


def test_a_reader_who_reloads_the_answer_to_the_form_comes_to_the_form(town: Town):
    answer = town.ask("GET", "/subscriptions", headers=BROWSER)

    assert answer.status == 303
    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", BROWSER),
        ("/health", {}),
        ("/nowhere", BROWSER),
        ("/subscriptions/confirm?token=x", {}),
        ("/subscriptions/unsubscribe?token=x", BROWSER),
    ],
)
def test_head_is_answered_where_get_is_and_without_a_body(
    town: Town, path: str, headers: dict[str, str]
):
    got, head = (town.ask(method, path, headers=headers) for method in ("GET", "HEAD"))

    assert head.status == got.status
    assert head.data == b""
    for header in ("Content-Type", "Content-Length", "Cache-Control"):
        assert head.headers[header] == got.headers[header]


def test_head_is_answered_to_an_author_whose_program_shouts_its_scheme(town: Town):
    issue = town.publish()
    shouted = {"Authorization": town.as_author["Authorization"].replace("Bearer", "BEARER")}

    answers = [
        town.ask("HEAD", path, headers=shouted)
        for path in ("/issues", issue.href, f"{issue.href}/deliveries")
    ]

    assert [(answer.status, answer.data) for answer in answers] == [(200, b"")] * 3


def test_only_the_button_confirms_and_only_the_confirmed_get_an_issue_each_of_them_once(
    town: Town,
):
    confirmed = [town.subscriber(), town.subscriber("Grace Hopper")]
    pending = town.reader("Charles Babbage")
    pending.sign_up()
    link = pending.confirmation_link()
    pages = [town.ask("GET", link, headers=BROWSER) for _ in range(2)]

    issue = town.publish(title="Once for each")
    again = town.publish(title="Once for each")

    assert [page.status for page in pages] == [200, 200]
    assert again.answer.json()["id"] == issue.answer.json()["id"]
    assert again.href == issue.href
    assert issue.answer.json()["audience_now"] >= len(confirmed)
    issue.sent()
    assert [len(reader.copies(issue)) for reader in confirmed] == [1, 1]
    assert pending.copies(issue) == []

    answer = pending.press_button(pages[0])
    town.await_readers_wishes()
    next_issue = town.publish().sent()

    assert answer.status == 202
    assert len(pending.copies(next_issue)) == 1
    assert pending.copies(issue) == []
    assert [len(reader.copies(issue)) for reader in confirmed] == [1, 1]


def test_an_issue_says_who_it_is_from_and_how_to_leave(town: Town):
    reader = town.subscriber()

    mail = reader.the_copy(town.publish().sent())

    assert mail.sender == "The Local Broadsheet <newsletter@broadsheet.example>"
    assert mail.header("List-Id") == "<the-local-broadsheet.broadsheet.example>"
    assert mail.header("List-Unsubscribe-Post") == ONE_CLICK
    assert mail.header("List-Unsubscribe") == f"<{mail.one_click}>"
    assert mail.one_click == mail.link("/subscriptions/unsubscribe?token=")
    assert mail.one_click.startswith(f"{town.stack.public_url}/subscriptions/unsubscribe?token=")


def test_a_mail_clients_one_click_unsubscribes_and_others_go_on_reading(town: Town):
    stays, by_form, by_multipart = (town.subscriber() for _ in range(3))
    first = town.publish().sent()
    as_multipart, its_type = urllib3.encode_multipart_formdata({"List-Unsubscribe": "One-Click"})

    answers = [
        town.ask("POST", by_form.the_copy(first).one_click, body=ONE_CLICK, headers=FORM),
        town.ask(
            "POST",
            by_multipart.the_copy(first).one_click,
            body=as_multipart,
            headers={"Content-Type": its_type},
        ),
    ]
    town.await_readers_wishes()
    second = town.publish().sent()

    assert [answer.status for answer in answers] == [200, 200]
    assert len(stays.copies(second)) == 1
    assert by_form.copies(second) == by_multipart.copies(second) == []


def test_the_link_in_an_issue_unsubscribes_by_its_button_and_not_by_being_opened(town: Town):
    reader = town.subscriber()
    link = reader.the_copy(town.publish().sent()).link("/subscriptions/unsubscribe?token=")

    page = town.ask("GET", link, headers=BROWSER)
    town.await_readers_wishes()
    still_read = town.publish().sent()
    answer = reader.press_button(page)
    town.await_readers_wishes()
    not_read = town.publish().sent()

    assert (page.status, answer.status) == (200, 202)
    assert "text/html" in answer.headers["Content-Type"]
    assert len(reader.copies(still_read)) == 1
    assert reader.copies(not_read) == []


def test_an_issue_greets_everyone_by_name_safely_and_leaves_the_authors_text_as_written(
    town: Town,
):
    irish, firm = town.subscriber("Siobhan O'Brien"), town.subscriber("Marks & Spencer")
    markdown = "Dear [[name]], write `{{name}}` or {{name}} & we *wave* back."
    html = "<p>Dear [[name]], write {{name}} &amp; wave.</p>"

    from_markdown = town.publish(markdown).sent()
    from_html = town.publish(
        content={"html": html, "text": "Dear [[name]], write {{name}} & wave."}
    ).sent()

    assert "Dear Siobhan O'Brien, write" in _on_one_line(irish.the_copy(from_markdown).text)
    assert "Dear Marks & Spencer, write" in _on_one_line(firm.the_copy(from_markdown).text)
    assert "Dear Siobhan O&#x27;Brien, write" in _on_one_line(irish.the_copy(from_markdown).html)
    assert "Dear Marks &amp; Spencer, write" in _on_one_line(firm.the_copy(from_markdown).html)
    for reader in (irish, firm):
        mail = reader.the_copy(from_markdown)
        assert "{{name}} & we" in _on_one_line(mail.text)
        assert "{{name}} &amp; we <em>wave</em> back." in _as_shown(mail.html)
    assert "Dear Marks & Spencer, write {{name}} & wave." in _on_one_line(
        firm.the_copy(from_html).text
    )
    assert "<p>Dear Marks &amp; Spencer, write {{name}} &amp; wave.</p>" in _as_shown(
        firm.the_copy(from_html).html
    )


def test_an_author_sees_the_issues_and_books_that_balance(town: Town):
    town.subscriber()
    issue = town.publish()

    seen = [issue.shown()]
    issue.sent()
    seen.append(issue.shown())
    listed = town.ask_as_author("GET", "/issues?limit=1").json()

    for shown in seen:
        books = shown["books"]
        assert books is None or shown["audience"] == _total(books)
    assert seen[-1]["books"]["accepted"] > 0
    assert (seen[-1]["books"]["waiting"], seen[-1]["books"]["unresolved"]) == (0, 0)
    assert [(row["title"], row["status"]) for row in listed["issues"]] == [
        (issue.title, "finished")
    ]
    assert town.ask_as_author("GET", listed["next"]).json()["issues"][0]["title"] != issue.title


def test_the_same_key_with_another_issue_is_refused(town: Town):
    reader = town.subscriber()
    issue = town.publish().sent()
    key = {"Idempotency-Key": issue.title.replace(" ", "-")}

    answer = town.ask_as_author(
        "POST", "/issues", json={"title": "Another", "markdown": "Hello"}, headers=key
    )

    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [mail.subject for mail in reader.mails()][1:] == [issue.title]


@pytest.mark.parametrize("headers", [BROWSER, {}], ids=["browser", "program"])
def test_the_answer_does_not_tell_who_subscribes(town: Town, headers: dict[str, str]):
    new, pending, confirmed = town.reader(), town.reader(), town.subscriber()
    pending.sign_up()
    pending.confirmation_link()

    readers = (new, pending, confirmed)
    answers = [reader.sign_up(headers) for reader in readers]

    assert {answer.status for answer in answers} == {202}
    pages = {
        OWN_TO_EACH.sub("own", answer.data.decode().replace(reader.email, ""))
        for reader, answer in zip(readers, answers, strict=True)
    }
    assert len(pages) == 1
    assert len({tuple(sorted(_constant(answer.headers))) for answer in answers}) == 1
    until(lambda: len(confirmed.mails()) == 2, what="the mail that says so")
    assert "already subscribed" in confirmed.mails()[-1].subject
    until(lambda: len(pending.mails()) == 2, what="a second confirmation mail")
    assert new.confirmation_link()


# What is signed for each sign-up, whoever it is of: the form for the code, and the next sign-up's.
OWN_TO_EACH = re.compile(r'(?<=name="state" value=")[^"]+|(?<=name="proof" value=")[^"]+')


def _constant(headers: urllib3.HTTPHeaderDict) -> list[tuple[str, str]]:
    """Leave out what is different in any two answers."""
    different = {"date", "x-amzn-requestid", "x-amz-request-id"}
    return [
        (name, re.sub("(?<=sign-up=)[^;]+", "own", value))
        for name, value in headers.items()
        if name.lower() not in different
    ]


PARTS = ("waiting", "accepted", "failed", "skipped", "unresolved")


def _total(books: dict[str, object]) -> int:
    return sum(
        sum(number.values()) if isinstance(number, dict) else int(str(number))
        for number in (books[part] for part in PARTS)
    )


def _on_one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _as_shown(html: str | None) -> str:
    """Read characters that are written as references only to keep SES from reading them."""
    return _on_one_line(html).replace("&#123;", "{").replace("&#125;", "}")
