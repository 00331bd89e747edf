"""The preview in a browser follows the file."""

import re
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, expect

from broadsheet_cli.options import connect
from broadsheet_cli.preview_server import PreviewServer
from tests.cli.conftest import ISSUE
from tests.cli.press import Press


@pytest.fixture
def server(press: Press, november: Path) -> Iterator[PreviewServer]:
    with PreviewServer(connect(), november) as server:
        threading.Thread(target=server.watch, daemon=True).start()
        yield server


def get(server: PreviewServer, path: str, host: str | None = None) -> tuple[int, str]:
    address = urlsplit(server.url)
    connection = HTTPConnection(address.hostname or "", address.port)
    connection.request("GET", path, headers={"Host": host} if host else {})
    response = connection.getresponse()
    return response.status, response.read().decode()


def test_it_shows_the_mail_again_when_the_file_is_saved(
    server: PreviewServer, november: Path
) -> None:
    first = server.next_change(0)
    november.write_text(ISSUE + "TK\n")
    second = server.next_change(first["number"])

    assert "it is November" in first["html"]
    assert first["warnings"] == []
    assert second["warnings"][0]["place"] == "november.md:10"


def test_what_can_t_be_rendered_is_said_and_what_was_shown_stays(
    server: PreviewServer, november: Path
) -> None:
    first = server.next_change(0)
    november.write_text("---\ntitle: [\n---\n")
    second = server.next_change(first["number"])

    assert "the front matter can't be read" in second["error"]
    assert second["html"] == first["html"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1"])
def test_a_page_of_another_site_gets_nothing(server: PreviewServer, host: str) -> None:
    server.next_change(0)

    status, body = get(server, "/next?0", host)

    assert status == 421
    assert "November" not in body


def test_only_this_machine_can_reach_it(server: PreviewServer) -> None:
    assert urlsplit(server.url).hostname == "127.0.0.1"
    assert server._http.server_address[0] == "127.0.0.1"


def test_dark_is_as_the_mails_own_styles_say(server: PreviewServer) -> None:
    server._shown = {"html": "<style>@media (prefers-color-scheme: dark) { }</style>"}

    assert get(server, "/mail?dark") == (200, "<style>@media all { }</style>")
    assert get(server, "/mail?light") == (200, "<style>@media not all { }</style>")


def test_the_page_runs_its_own_script_only_and_no_other_site_frames_the_mail(
    server: PreviewServer,
) -> None:
    policies = [
        httpx.get(server.url + path).headers["Content-Security-Policy"] for path in ("", "mail")
    ]
    page = httpx.get(server.url)
    (nonce,) = set(re.findall("'nonce-(.+?)'", page.headers["Content-Security-Policy"]))

    assert re.findall("<(?:script|style)(.*?)>", page.text) == [f' nonce="{nonce}"'] * 2
    assert nonce not in policies[0]
    assert "default-src 'none'" in policies[0]
    assert "frame-ancestors 'self'" in policies[1]


def test_the_page_follows_the_file_and_shows_it_in_several_ways(
    server: PreviewServer, november: Path, browser: Browser
) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server.url)
    mail = page.frame_locator("iframe").locator("body")
    expect(mail).to_contain_text("it is November")
    expect(page.get_by_role("heading")).to_have_text("November")

    tall = "<div style='height: 3000px'></div>"
    november.write_text(f"{ISSUE}TK <script>document.body.textContent = 'run'</script>\n\n{tall}")

    expect(page.get_by_role("listitem")).to_have_text("november.md:10: TK here")
    expect(mail).to_contain_text("TK")
    expect(mail).not_to_contain_text("run", use_inner_text=True)
    mail.evaluate("scrollTo(0, 1000)")
    november.write_text(f"{ISSUE}Milk.\n\n{tall}")
    expect(mail).to_contain_text("Milk")
    page.frames[-1].wait_for_function("scrollY === 1000")
    page.get_by_label("Phone").check()
    expect(page.locator("iframe")).to_have_css("width", "375px")
    page.get_by_label("Text").check()
    expect(page.locator("pre")).to_contain_text("Dear [[name]],")
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(server.url).netloc}
    page.close()
