"""Every way to ask wrongly, and the status of its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.journey.people import FORM, JSON, Answer, Reader

MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
KEY = {"Idempotency-Key": "never-used"}
NO_ISSUE = "/issues/00000000-0000-4000-8000-000000000000"
A_SIGNED_WORD = "eyJlbWFpbCI6ImF0dGFja2VyQGV4YW1wbGUuY29tIn0"  # as a token, but for its signature


@dataclass(frozen=True)
class BadRequest:
    """A request that must be refused with ``status``.

    ``{name}`` and ``{email}`` in it are its sender's. ``author``: sent with a good token.
    ``for_browsers``: a function of ours answers, which has pages; API Gateway has none.
    """

    status: int
    method: str
    path: str
    body: str | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    author: bool = False
    for_browsers: bool = True

    def sent_by(self, reader: Reader, more_headers: Mapping[str, str] | None = None) -> Answer:
        """Send it with the reader's own name and address where it has places for them."""
        headers = {
            header: value.replace("{email}", reader.email)
            for header, value in {**self.headers, **(more_headers or {})}.items()
        }
        if self.author:
            headers |= reader.town.as_author
        body = self.body.encode() if isinstance(self.body, str) else self.body
        if body is not None:
            body = body.replace(b"{name}", reader.name.encode())
            body = body.replace(b"{email}", reader.email.encode())
        path = self.path.replace("{email}", reader.email)
        return reader.town.ask(self.method, path, body=body, headers=headers)


@dataclass(frozen=True)
class Refused:
    """A bad request's answers, and who sent it."""

    reader: Reader
    to_program: Answer
    to_browser: Answer


def _sign_up(
    body: str | bytes, headers: Mapping[str, str] = FORM, *, status: int = 400
) -> BadRequest:
    return BadRequest(status, "POST", "/subscriptions", body, headers)


def _issue(
    body: str | bytes, *, status: int = 400, headers: Mapping[str, str] = JSON | KEY
) -> BadRequest:
    return BadRequest(status, "POST", "/issues", body, headers, author=True)


def _edit(headers: dict[str, str], *, status: int) -> BadRequest:
    body = '{"title": "{name}", "markdown": "x"}'
    return BadRequest(status, "PUT", NO_ISSUE, body, JSON | headers, author=True)


def _closed(method: str, path: str, body: str | None = None) -> BadRequest:
    return BadRequest(404, method, path, body, for_browsers=False)


BAD_REQUESTS = {
    # A field is missing, blank, too long or not what it should be.
    "form without an address": _sign_up("name={name}"),
    "JSON without an address": _sign_up('{"name": "{name}"}', JSON),
    "empty form": _sign_up(""),
    "empty JSON object": _sign_up("{}", JSON),
    "name with markup": _sign_up("name=<b>{name}</b>&email={email}"),
    "name that is too long": _sign_up("name=" + 257 * "n" + "&email={email}"),
    "address that is too long": _sign_up("name={name}&email=" + 250 * "a" + "{email}"),
    "address without an at": _sign_up("name={name}&email=at.{name}.example"),
    "address without a dot in its domain": _sign_up("name={name}&email={email}@localhost"),
    "address with two ats": _sign_up("name={name}&email=two@{email}"),
    "address that is not ASCII": _sign_up("name={name}&email=%C3%A9{email}"),
    "name that is a list": _sign_up('{"name": ["{name}"], "email": "{email}"}', JSON),
    "address that is an object": _sign_up('{"name": "{name}", "email": {"{email}": 1}}', JSON),
    # Control characters.
    "NUL in a form's name": _sign_up("name={name}%00&email={email}"),
    "line break in a form's name": _sign_up("name={name}%0D%0Ax&email={email}"),
    "line break in an address": _sign_up("name={name}&email=a%0D%0ABcc:{email}"),
    "NUL in JSON's name": _sign_up('{"name": "{name}\\u0000", "email": "{email}"}', JSON),
    "bare control character in JSON": _sign_up('{"name": "{name}\x01", "email": "{email}"}', JSON),
    "half a surrogate pair": _sign_up('{"name": "{name}\\ud800", "email": "{email}"}', JSON),
    "text that turns around": _sign_up("name=%E2%80%AE{name}&email={email}"),
    # A body that can't be read, or not that way.
    "wrong JSON": _sign_up('{"name": "{name}", "email": "{email}"', JSON),
    "JSON array": _sign_up('["{name}", "{email}"]', JSON),
    "endlessly nested JSON": _sign_up(7000 * "[" + "{email}", JSON),
    "form that is not UTF-8": _sign_up("name=%FF{name}&email={email}"),
    "form with too many fields": _sign_up(20 * "x=1&" + "name={name}&email={email}"),
    "multipart, which no page of ours sends": _sign_up(
        '--b\r\nContent-Disposition: form-data; name="email"\r\n\r\n{email}\r\n--b--\r\n',
        MULTIPART,
        status=415,
    ),
    "multipart that can't be read": _sign_up(
        "--b\r\nContent-Disposition: form-data; u*\r\n\r\n{email}\r\n--b--\r\n",
        MULTIPART,
        status=415,
    ),
    "name of which a character was lost": _sign_up("name={name}%EF%BF%BD&email={email}"),
    "form called text": _sign_up(
        "name={name}&email={email}", {"Content-Type": "text/plain"}, status=415
    ),
    "XML": _sign_up("<email>{email}</email>", {"Content-Type": "application/xml"}, status=415),
    "oversized body": _sign_up("name={name}&email={email}&x=" + 17_000 * "x", status=413),
    "body beyond API Gateway's limit": BadRequest(
        413, "POST", "/subscriptions", 11_000_000 * b"x", FORM, for_browsers=False
    ),
    # Paths and methods that are not there.
    "unknown path": BadRequest(404, "GET", "/{email}"),
    "unknown path with an extension": BadRequest(404, "GET", "/wp-admin/{email}.php?q={email}"),
    "POST to an unknown path": _closed("POST", "/{email}", "{email}"),
    "POST to the page": _closed("POST", "/", "email={email}"),
    "PUT of a sign-up": _closed("PUT", "/subscriptions", "name={name}&email={email}"),
    "DELETE of a sign-up": _closed("DELETE", "/subscriptions"),
    "PATCH of an issue": _closed("PATCH", "/issues"),
    "HEAD of an unknown path": BadRequest(404, "HEAD", "/{email}"),
    "HEAD of a confirmation": BadRequest(401, "HEAD", "/subscriptions/confirm?token=x"),
    "HEAD of the issues without a token": BadRequest(401, "HEAD", "/issues", for_browsers=False),
    "HEAD of what is only posted": _closed("HEAD", "/issues/1/pause"),
    # Tokens that we did not make.
    **{
        f"{method} {purpose} {what}": BadRequest(401, method, f"/subscriptions/{purpose}{query}")
        for method in ("GET", "POST")
        for purpose in ("confirm", "unsubscribe")
        for what, query in {
            "without a token": "",
            "with an empty token": "?token=",
            "with a made-up token": "?token={email}",
            "with a token that nobody signed": f"?token={A_SIGNED_WORD}.c2lnbmF0dXJl",
            "with bytes for a token": "?token=%00%FF",
        }.items()
    },
    # What readers meet besides.
    "code of no sign-up": BadRequest(
        400, "POST", "/subscriptions/code", "code=12345678&state={email}", FORM
    ),
    "subscription by a made-up token": BadRequest(401, "GET", "/subscription?token={email}"),
    "erasing by a made-up token": BadRequest(
        401, "POST", "/subscription?token={email}", "do=erase", FORM
    ),
    "link for no address": BadRequest(400, "POST", "/subscription/link", "email=at.{name}", FORM),
    "issue that is not in the archive": BadRequest(404, "GET", "/archive/{email}"),
    "slug that climbs": BadRequest(404, "GET", "/archive/%2e%2e%2f{email}"),
    "image that is not there": BadRequest(404, "GET", "/images/{email}"),
    # Authors.
    "publishing without a token": BadRequest(
        401, "POST", "/issues", '{"title": "{name}"}', JSON | KEY, for_browsers=False
    ),
    "listing without a token": BadRequest(401, "GET", "/issues", for_browsers=False),
    "showing without a token": BadRequest(401, "GET", "/issues/1", for_browsers=False),
    "token of another scheme": BadRequest(
        *(401, "GET", "/issues"), headers={"Authorization": "Basic {email}"}, for_browsers=False
    ),
    "wrong author's token": BadRequest(
        *(403, "GET", "/issues"), headers={"Authorization": "Bearer {email}"}, for_browsers=False
    ),
    "publishing with a wrong token": BadRequest(
        *(403, "POST", "/issues", '{"title": "{name}", "markdown": "x"}'),
        headers={"Authorization": "Bearer bs_{email}"} | JSON | KEY,
        for_browsers=False,
    ),
    "issue without a key": _issue('{"title": "{name}", "markdown": "x"}', headers=JSON),
    "key with a space": _issue(
        '{"title": "{name}", "markdown": "x"}', headers=JSON | {"Idempotency-Key": "a key"}
    ),
    "issue that is no JSON": _issue("{email}"),
    "issue that is an array": _issue("[]"),
    "issue called a text": _issue(
        "{email}", status=415, headers=KEY | {"Content-Type": "text/plain"}
    ),
    "issue without a title": _issue('{"markdown": "{email}"}'),
    "issue without content": _issue('{"title": "{name}"}'),
    "issue of two kinds": _issue('{"title": "x", "markdown": "x", "content": {"markdown": "x"}}'),
    "issue with text alone": _issue('{"title": "x", "content": {"text": "{email}"}}'),
    "blank title": _issue('{"title": " ", "markdown": "{email}"}'),
    "title with a line break": _issue('{"title": "a\\nBcc: {email}", "markdown": "x"}'),
    "time without a zone": _issue(
        '{"title": "x", "markdown": "x", "publish_at": "2030-01-01T00:00:00"}'
    ),
    "time that is a number": _issue('{"title": "x", "markdown": "x", "publish_at": 20261224}'),
    "time that is a year": _issue('{"title": "x", "markdown": "x", "publish_at": "2026"}'),
    "time that is a word": _issue('{"title": "x", "markdown": "x", "publish_at": "{name}"}'),
    "field that nobody knows": _issue('{"title": "x", "markdown": "x", "to": "{email}"}'),
    "oversized issue": _issue('{"title": "x", "markdown": "' + 2_200_000 * "x" + '"}', status=413),
    "issue that nobody published": BadRequest(404, "GET", NO_ISSUE, author=True),
    "issue with no id": BadRequest(404, "GET", "/issues/{email}", author=True),
    "edit of no version": _edit({}, status=428),
    "edit of an issue that nobody wrote": _edit({"If-Match": "*"}, status=404),
    "text of an issue that nobody wrote": BadRequest(
        404, "GET", f"{NO_ISSUE}/content", author=True
    ),
    "publishing a draft that nobody wrote": BadRequest(
        404, "POST", f"{NO_ISSUE}/publish", "{}", JSON | KEY, author=True
    ),
    "publishing a draft without a key": BadRequest(
        400, "POST", f"{NO_ISSUE}/publish", "{}", JSON, author=True
    ),
    "deleting a draft that nobody wrote": BadRequest(404, "DELETE", NO_ISSUE, author=True),
    "page of no length": BadRequest(400, "GET", "/issues?limit=0", author=True),
    "page after nothing": BadRequest(400, "GET", "/issues?before={email}", author=True),
}
