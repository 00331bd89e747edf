"""The inbox: the received mails as pages for people and as JSON for programs.

A mail's content is untrusted: templates escape it, and its HTML is shown in a sandbox that runs
no script, however it is opened.
"""

import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlencode

import jinja2
from aiohttp import ClientError, ClientSession, ClientTimeout, web

from ses_server import mails
from ses_server.fates import Outcome
from ses_server.mails import Mail

PAGE = 50
MAX_API_PAGE = 1000
MAX_MAIL_ID = 2**63 - 1  # SQLite's
UNSUBSCRIBE_TIMEOUT = ClientTimeout(total=30)  # API Gateway's own limit

ONE_CLICK = "List-Unsubscribe=One-Click"  # RFC 8058 §3.1
SANDBOX = "allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; frame-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = {"Content-Security-Policy": PAGE_POLICY, "Referrer-Policy": "no-referrer"}
MAIL_POLICY = (
    f"sandbox {SANDBOX}; default-src 'none'; style-src 'unsafe-inline' https: http:;"
    " img-src https: http: data:; font-src https: http: data:; frame-ancestors 'self'"
)

TEMPLATES = Path(__file__).parent / "templates"

type Handler = Callable[[web.Request], web.Response]


@dataclass(frozen=True)
class Unsubscribe:
    """A mail's address for unsubscribing; ``is_one_click`` as in RFC 8058."""

    url: str
    is_one_click: bool


@dataclass(frozen=True)
class Notice:
    """A line above a mail; ``kind`` is ``good`` or ``bad``."""

    kind: str
    text: str


def routes(connection: sqlite3.Connection) -> list[web.RouteDef]:
    """Return the routes of the pages and of ``/api/mails``."""
    inbox = Inbox(connection)
    return [
        web.get("/", inbox.list_page),
        web.get("/inbox.css", inbox.stylesheet),
        web.get(r"/mails/{id:\d{1,19}}", inbox.mail_page),
        web.get(r"/mails/{id:\d{1,19}}/html", inbox.mail_html),
        web.get(r"/mails/{id:\d{1,19}}/raw", inbox.mail_raw),
        web.post(r"/mails/{id:\d{1,19}}/unsubscribe", inbox.unsubscribe),
        web.get("/api/mails", inbox.api_mails),
    ]


def unsubscribe_of(mail: Mail) -> Unsubscribe | None:
    """Parse List-Unsubscribe (RFC 2369) and List-Unsubscribe-Post; only web addresses count."""
    urls = re.findall(r"<\s*(https?://[^>\s]+)\s*>", mail.header("List-Unsubscribe") or "")
    if not urls:
        return None
    posted = (mail.header("List-Unsubscribe-Post") or "").strip()
    return Unsubscribe(url=urls[0], is_one_click=posted == ONE_CLICK)


class Inbox:
    """The handlers; they share the server's database connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
        )
        self._templates.filters |= {
            "moment": _moment,
            "long_moment": _long_moment,
            "person": _person,
        }
        self._stylesheet = (TEMPLATES / "inbox.css").read_text()

    async def stylesheet(self, _: web.Request) -> web.Response:
        return web.Response(text=self._stylesheet, content_type="text/css")

    async def list_page(self, request: web.Request) -> web.Response:
        to = request.query.get("to", "").strip()
        number = _number(request.query.get("page", "1"))
        total = mails.count(self._connection, to=to or None)
        offset = (number - 1) * PAGE
        return self._page(
            "inbox.html",
            to=to,
            total=total,
            first=offset + 1,
            mails=mails.newest_first(self._connection, to=to or None, offset=offset, limit=PAGE),
            newer=_page_link(to, number - 1) if number > 1 else None,
            older=_page_link(to, number + 1) if offset + PAGE < total else None,
        )

    async def mail_page(self, request: web.Request) -> web.Response:
        return self._mail_page(self._find(request), request.query.get("view"))

    async def mail_html(self, request: web.Request) -> web.Response:
        mail = self._find(request)
        return web.Response(
            text=_with_links_in_new_tabs(mail.html or ""),
            content_type="text/html",
            headers={"Content-Security-Policy": MAIL_POLICY, "X-Content-Type-Options": "nosniff"},
        )

    async def mail_raw(self, request: web.Request) -> web.Response:
        mail = self._find(request)
        return web.Response(
            body=mail.raw,
            content_type="message/rfc822",
            headers={"Content-Disposition": f'inline; filename="mail-{mail.id}.eml"'},
        )

    async def unsubscribe(self, request: web.Request) -> web.Response:
        """Unsubscribe as a mail client does: by one POST, without following redirects.

        Other web sites may not cause it: ``Sec-Fetch-Site`` identifies their forms.
        """
        if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
            raise self._problem(
                web.HTTPForbidden,
                "This request came from another site",
                "Press the button on this page.",
            )
        mail = self._find(request)
        target = unsubscribe_of(mail)
        if target is None or not target.is_one_click:
            raise self._problem(
                web.HTTPConflict,
                "No one-click unsubscribe",
                f"It needs a List-Unsubscribe address and “List-Unsubscribe-Post: {ONE_CLICK}”.",
            )
        return self._mail_page(mail, request.query.get("view"), await _post_one_click(target.url))

    async def api_mails(self, request: web.Request) -> web.Response:
        """Answer with mails as JSON, oldest first.

        ``to``: the recipient; ``after``: only mails after that id; ``limit``: at most 1,000, the
        default; ``outcome``: one of ``Outcome``, by default ``delivered``, or ``any``.
        """
        query = request.query
        try:
            after, limit = int(query.get("after", "0")), int(query.get("limit", MAX_API_PAGE))
            outcome = query.get("outcome", Outcome.DELIVERED)
            outcomes = list(Outcome) if outcome == "any" else [Outcome(outcome)]
        except ValueError as error:
            return web.json_response({"message": str(error)}, status=HTTPStatus.BAD_REQUEST)
        found = mails.oldest_first(
            self._connection,
            to=query.get("to"),
            outcomes=outcomes,
            after=max(0, min(after, MAX_MAIL_ID)),
            limit=max(0, min(limit, MAX_API_PAGE)),
        )
        return web.json_response({"mails": [as_json(mail) for mail in found]})

    def _find(self, request: web.Request) -> Mail:
        mail_id = min(int(request.match_info["id"]), MAX_MAIL_ID)
        mail = mails.find(self._connection, mail_id)
        if mail is None:
            raise self._problem(web.HTTPNotFound, "No such mail", f"There is no mail {mail_id}.")
        return mail

    def _mail_page(
        self, mail: Mail, view: str | None, notice: Notice | None = None
    ) -> web.Response:
        views = [name for name in ("html", "text") if getattr(mail, name) is not None]
        return self._page(
            "mail.html",
            mail=mail,
            view=view if view in views else next(iter(views), None),
            notice=notice,
            unsubscribe=unsubscribe_of(mail),
            sandbox=SANDBOX,
        )

    def _page(self, template: str, **values: object) -> web.Response:
        return web.Response(
            text=self._templates.get_template(template).render(values),
            content_type="text/html",
            headers=PAGE_HEADERS,
        )

    def _problem(
        self, problem: type[web.HTTPClientError], title: str, text: str
    ) -> web.HTTPException:
        page = self._templates.get_template("problem.html").render(title=title, text=text)
        return problem(text=page, content_type="text/html", headers=PAGE_HEADERS)


async def _post_one_click(url: str) -> Notice:
    try:
        async with (
            ClientSession(timeout=UNSUBSCRIBE_TIMEOUT) as session,
            session.post(
                url,
                data=ONE_CLICK.encode(),
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                allow_redirects=False,
            ) as answer,
        ):
            status = HTTPStatus(answer.status)
    except (ClientError, TimeoutError, ValueError) as error:
        return Notice("bad", f"Could not POST to {url}: {error or type(error).__name__}")
    return Notice(
        "good" if status.is_success else "bad",  # a redirect is bad: RFC 8058 §3.1 forbids it
        f"Sent “{ONE_CLICK}” to {url}. It answered {status} {status.phrase}.",
    )


def as_json(mail: Mail) -> dict[str, object]:
    """Return a mail as in ``/api/mails``; ``received_at`` is ISO 8601 in UTC."""
    return {
        "id": mail.id,
        "message_id": mail.message_id,
        "received_at": mail.received_at.isoformat(timespec="milliseconds"),
        "to": mail.to,
        "from": mail.sender,
        "reply_to": mail.reply_to,
        "subject": mail.subject,
        "headers": mail.headers,
        "text": mail.text,
        "html": mail.html,
        "tags": mail.tags,
        "configuration_set": mail.configuration_set,
        "operation": mail.operation,
        "outcome": mail.outcome,
        "reason": mail.reason,
    }


def _with_links_in_new_tabs(html: str) -> str:
    """Make links open in a new tab: in the frame, a page that forbids framing stays blank.

    The element is inserted where it doesn't change the mail's rendering mode.
    """
    place = re.search(r"<head\b[^>]*>", html, re.IGNORECASE) or re.match(
        r"\s*<!doctype[^>]*>", html, re.IGNORECASE
    )
    end = place.end() if place else 0
    return f'{html[:end]}<base target="_blank">{html[end:]}'


def _number(text: str) -> int:
    return max(1, int(text)) if re.fullmatch("[0-9]{1,9}", text) else 1


def _page_link(to: str, number: int) -> str:
    query = {"to": to} if to else {}
    return f"/?{urlencode({**query, 'page': number})}"


def _moment(moment: datetime) -> str:
    local = moment.astimezone()
    is_today = local.date() == datetime.now(local.tzinfo).date()
    return f"{local:%H:%M:%S}" if is_today else f"{local.day} {local:%b %Y, %H:%M}"


def _long_moment(moment: datetime) -> str:
    local = moment.astimezone()
    return f"{local:%A}, {local.day} {local:%B %Y, %H:%M:%S}"


def _person(sender: str) -> str:
    name, address = parseaddr(sender)
    return f"{name} <{address}>" if name and address else sender
