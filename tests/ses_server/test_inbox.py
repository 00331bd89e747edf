"""The inbox shows the received mails to people, and to programs as JSON."""
# ruff: noqa: S310 — every URL is that of the server under test

import asyncio
import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

import pytest
from aiohttp import web

from ses_server import Server, threads
from tests.ses_server.clients import SENDER, entry, pairs, simple, template

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

    type Client = SESV2Client

ONE_CLICK = {"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def get(url: str, *, data: bytes | None = None, **headers: str) -> tuple[str, Message]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with urllib.request.urlopen(urllib.request.Request(url, data=data, headers=named)) as answer:
        return answer.read().decode(), answer.headers


def api(server: Server, query: str = "") -> list[dict[str, Any]]:
    mails: list[dict[str, Any]] = json.loads(get(f"{server.url}/api/mails{query}")[0])["mails"]
    return mails


def send(
    client: "Client", to: str = "ursula@example.com", headers: dict[str, str] | None = None
) -> None:
    client.send_email(
        FromEmailAddress=SENDER,
        Destination={"ToAddresses": [to]},
        Content=simple(Headers=pairs(headers or {})),
    )


@contextmanager
def newsletter(status: int) -> Iterator[tuple[str, list[tuple[str, str, bytes]]]]:
    """Answer every POST with ``status``; yield the URL and the received requests."""
    posts: list[tuple[str, str, bytes]] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        posts.append((request.path_qs, request.headers["Content-Type"], await request.read()))
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async def serve(started: Callable[[int], None], stop: asyncio.Event) -> None:
        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        started(runner.addresses[0][1])
        await stop.wait()
        await runner.cleanup()

    with threads.serving(serve) as port:
        yield f"http://127.0.0.1:{port}", posts


def test_an_empty_inbox_says_what_to_do_next(server: Server) -> None:
    page, _ = get(server.url)

    assert "sign-up page" in page


def test_the_list_shows_the_newest_first_and_has_pages(client: "Client", server: Server) -> None:
    client.send_bulk_email(
        FromEmailAddress=SENDER,
        DefaultContent=template(Text="."),
        BulkEmailEntries=[entry(f"r{number}@example.com") for number in range(50)],
    )
    send(client, "last@example.com")

    first, _ = get(server.url)
    second, _ = get(f"{server.url}/?page=2")

    assert first.index("last@example.com") < first.index("r49@example.com")
    assert "r0@example.com" not in first
    assert 'href="/?page=2"' in first
    assert "r0@example.com" in second
    assert "51–51 of 51" in second  # noqa: RUF001 — a range is set with a dash


def test_the_list_can_show_one_mailbox(client: "Client", server: Server) -> None:
    send(client, "ursula@example.com")
    send(client, "shevek@example.com")

    page, _ = get(f"{server.url}/?to=Ursula%40example.com")

    assert "shevek@example.com" not in page
    assert "/mails/1" in page


@pytest.mark.parametrize("query", ["?page=0", "?page=-1", "?page=x", "?page=" + "9" * 30])
def test_an_invalid_page_number_is_no_error(server: Server, query: str) -> None:
    get(f"{server.url}/{query}")


def test_a_mail_is_shown_whole_and_its_text_has_links(client: "Client", server: Server) -> None:
    client.send_email(
        FromEmailAddress='"The Review" <news@example.com>',
        ReplyToAddresses=["editor@example.com"],
        Destination={"ToAddresses": ["ursula@example.com"]},
        Content=simple(
            "Please confirm",
            "Go to https://example.com/confirm?token=a.b&x=1 now",
            Headers=pairs({"X-Trace": "7"}),
        ),
    )

    page, _ = get(f"{server.url}/mails/1")

    for shown in (
        "The Review &lt;news@example.com&gt;",
        "ursula@example.com",
        "editor@example.com",
    ):
        assert shown in page
    assert "<h1>Please confirm</h1>" in page
    assert 'href="https://example.com/confirm?token=a.b&amp;x=1"' in page
    assert "X-Trace" in page


def test_a_mail_can_not_inject_html_into_the_page(client: "Client", server: Server) -> None:
    attack = "<script>alert(1)</script>"
    client.send_email(
        FromEmailAddress=SENDER,
        Destination={"ToAddresses": ['"<script>alert(1)</script>"@example.com']},
        Content=simple(
            attack,
            f'{attack} javascript:alert(1) https://example.com/"onclick=alert(1)',
            Headers=pairs(
                {"X-A": attack, "List-Unsubscribe": "<javascript:alert(1)>", **ONE_CLICK}
            ),
        ),
    )

    for path in ("/", "/mails/1", "/?to=%3Cscript%3E"):
        page, headers = get(f"{server.url}{path}")
        assert "<script" not in page
        assert '"onclick' not in page
        assert 'href="javascript:' not in page
        assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "Unsubscribe</button>" not in page


def test_html_is_shown_in_a_sandbox_whose_links_open_a_new_tab(
    client: "Client", server: Server
) -> None:
    html = (
        "<!DOCTYPE html><html><head><title>x</title></head><body><script>1</script></body></html>"
    )
    client.send_email(
        FromEmailAddress=SENDER,
        Destination={"ToAddresses": ["ursula@example.com"]},
        Content={"Simple": {"Subject": {"Data": "x"}, "Body": {"Html": {"Data": html}}}},
    )

    page, _ = get(f"{server.url}/mails/1")
    framed, headers = get(f"{server.url}/mails/1/html")

    sandbox = "allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
    assert f'sandbox="{sandbox}"' in page
    assert f"sandbox {sandbox};" in headers["Content-Security-Policy"]
    assert framed.startswith('<!DOCTYPE html><html><head><base target="_blank"><title>')


def test_the_raw_message_can_be_read(client: "Client", server: Server) -> None:
    send(client)

    raw, headers = get(f"{server.url}/mails/1/raw")

    assert headers["Content-Type"] == "message/rfc822"
    assert raw.encode() == server.mails()[0].raw


@pytest.mark.parametrize("path", ["/mails/7", "/mails/7/html", "/mails/" + "9" * 19])
def test_a_mail_that_does_not_exist_is_not_found(server: Server, path: str) -> None:
    with pytest.raises(HTTPError) as caught:
        get(f"{server.url}{path}")

    assert caught.value.code == 404
    assert "No such mail" in caught.value.read().decode()


@pytest.mark.parametrize(
    ("status", "shown"),
    [(200, "good"), (202, "good"), (302, "bad"), (401, "bad"), (500, "bad")],
)
def test_the_unsubscribe_button_posts_as_a_mail_client_does(
    client: "Client", server: Server, status: int, shown: str
) -> None:
    with newsletter(status) as (url, posts):
        header = f"<mailto:leave@example.com>, <{url}/leave?token=a.b>"
        send(client, headers={"List-Unsubscribe": header, **ONE_CLICK})
        page, _ = get(f"{server.url}/mails/1")
        assert posts == []  # looking changes nothing

        answer, _ = get(f"{server.url}/mails/1/unsubscribe", data=b"")

    assert 'action="/mails/1/unsubscribe"' in page
    form = "application/x-www-form-urlencoded"
    assert posts == [("/leave?token=a.b", form, b"List-Unsubscribe=One-Click")]
    assert f'class="notice {shown}"' in answer
    assert f"It answered {status} " in answer


def test_an_unsubscribe_that_fails_to_connect_shows_an_error(
    client: "Client", server: Server
) -> None:
    with newsletter(200) as (url, _):
        pass
    send(client, headers={"List-Unsubscribe": f"<{url}/leave>", **ONE_CLICK})

    answer, _ = get(f"{server.url}/mails/1/unsubscribe", data=b"")

    assert 'class="notice bad"' in answer
    assert "Could not POST" in answer


def test_another_site_can_t_press_the_button(client: "Client", server: Server) -> None:
    with newsletter(200) as (url, posts):
        send(client, headers={"List-Unsubscribe": f"<{url}/leave>", **ONE_CLICK})

        with pytest.raises(HTTPError) as caught:
            get(f"{server.url}/mails/1/unsubscribe", data=b"", Sec_Fetch_Site="cross-site")

    assert caught.value.code == 403
    assert posts == []


def test_without_one_click_the_button_is_a_link(client: "Client", server: Server) -> None:
    send(client, headers={"List-Unsubscribe": "<https://example.com/leave>"})

    page, _ = get(f"{server.url}/mails/1")
    with pytest.raises(HTTPError) as caught:
        get(f"{server.url}/mails/1/unsubscribe", data=b"")

    assert 'href="https://example.com/leave"' in page
    assert "<form" not in page
    assert caught.value.code == 409


def test_a_program_reads_a_mailbox_as_json(client: "Client", server: Server) -> None:
    client.send_bulk_email(
        FromEmailAddress=SENDER,
        ReplyToAddresses=["editor@example.com"],
        DefaultContent=template(Subject="Issue 7", Text="Text", Html="<p>Html"),
        BulkEmailEntries=[
            entry("ursula@example.com", headers={"List-Id": "<x>"}, tags={"issue": "7"})
        ],
        ConfigurationSetName="issues",
    )

    (mail,) = api(server, "?to=Ursula@example.com")

    kept = server.mails()[0]
    assert mail.pop("headers") == [list(header) for header in kept.headers]
    assert mail == {
        "id": 1,
        "message_id": kept.message_id,
        "received_at": kept.received_at.isoformat(timespec="milliseconds"),
        "to": "ursula@example.com",
        "from": SENDER,
        "reply_to": "editor@example.com",
        "subject": "Issue 7",
        "text": "Text",
        "html": "<p>Html",
        "tags": {"issue": "7"},
        "configuration_set": "issues",
        "operation": "SendBulkEmail",
        "outcome": "delivered",
        "reason": "",
    }


def test_a_program_lists_only_the_mails_after_an_id(client: "Client", server: Server) -> None:
    for name in ("a", "b", "a", "c"):
        send(client, f"{name}@example.com")

    assert [mail["id"] for mail in api(server)] == [1, 2, 3, 4]
    assert [mail["id"] for mail in api(server, "?after=2")] == [3, 4]
    assert [mail["id"] for mail in api(server, "?to=a@example.com&after=1")] == [3]
    assert [mail["id"] for mail in api(server, "?limit=2&after=1")] == [2, 3]
    assert api(server, "?to=nobody@example.com") == []


def test_an_undelivered_mail_is_shown_with_its_reason(client: "Client", server: Server) -> None:
    client.put_suppressed_destination(EmailAddress="gone@example.com", Reason="BOUNCE")
    send(client, "gone@example.com")
    client.send_bulk_email(
        FromEmailAddress=SENDER,
        DefaultContent=template(Text="{{link}}"),
        BulkEmailEntries=[entry("ursula@example.com")],
    )

    assert api(server) == []
    assert [mail["outcome"] for mail in api(server, "?outcome=any")] == [
        "suppressed",
        "rendering_failure",
    ]
    assert len(api(server, "?outcome=suppressed")) == 1
    assert get(server.url)[0].count("not delivered") == 2
    assert "Attribute &#39;link&#39; is not present" in get(f"{server.url}/mails/2")[0]


@pytest.mark.parametrize("query", ["?after=x", "?limit=x", "?outcome=lost"])
def test_a_bad_query_is_refused(server: Server, query: str) -> None:
    with pytest.raises(HTTPError) as caught:
        api(server, query)

    assert caught.value.code == 400
