"""The pages a reader sees, as HTML: values in, one self-contained document out.

A page loads nothing else but its icon: the stylesheet is inside, no page needs a script, and
``policy`` allows it nothing but to post its own form.
"""

import base64
import hashlib
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from broadsheet.domain.voice import Voice
from broadsheet.i18n import ENGLISH, Language
from broadsheet.i18n.direction import direction
from broadsheet.web.inboxes import Inbox

if TYPE_CHECKING:
    from jinja2 import Environment

    from broadsheet.domain.archive import ArchivedIssue, ArchivePage
    from broadsheet.domain.circulation import Statement
    from broadsheet.domain.tags import OfferedTag, Tag

_TEMPLATES = Path(__file__).parent / "templates"
PALETTE = (_TEMPLATES / "palette.css").read_text(encoding="utf-8")  # the studio's, too
_STYLESHEET = PALETTE + (_TEMPLATES / "style.css").read_text(encoding="utf-8")
SUBMIT_SCRIPT = (_TEMPLATES / "submit.js").read_text(encoding="utf-8")
_FORM_SCRIPT = (_TEMPLATES / "form.js").read_text(encoding="utf-8")

FIELDS = ("name", "email")  # of the sign-up form, in their order
_DESCRIBED = 20  # of the archive's issues, as many as a feed has

_FRAMED_BY_NOBODY = "'none'"


def policy(*scripts: str, framed_by: str = _FRAMED_BY_NOBODY, shows_an_issue: bool = False) -> str:
    """Return a page's Content-Security-Policy.

    ``scripts``: the whole text of each script inside the page. ``framed_by``: the pages that may
    show it in a frame, as the directive ``frame-ancestors`` names them. ``shows_an_issue``: an
    issue's elements may have styles of their own, and show images from anywhere.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {_source(_STYLESHEET)}",
            *([f"script-src {' '.join(map(_source, scripts))}"] if scripts else []),
            *(["style-src-attr 'unsafe-inline'"] if shows_an_issue else []),
            # The newsletter's icon.
            "img-src 'self' https: data:" if shows_an_issue else "img-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            f"frame-ancestors {framed_by}",
        )
    )


def _source(text: str) -> str:
    """Return what allows a stylesheet or script inside a page (CSP 3, §8.3)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


FRAMED = policy(_FORM_SCRIPT, framed_by="*")
OF_AN_ISSUE = policy(shows_an_issue=True)


class Frame(NamedTuple):
    """What stands around every page.

    ``base_path``: what precedes our paths where the reader came in, without a slash at the end.
    ``newsletter_language``: of the newsletter's name, as BCP 47 writes it. ``choices``: where the
    same page is in each language that the reader can choose; empty if there is no choice.
    ``preview_image``: what previews of links show; empty for none.
    """

    newsletter_name: str
    base_path: str = ""
    language: Language = ENGLISH
    newsletter_language: str = "en"
    choices: Mapping[Language, str] = MappingProxyType({})
    preview_image: str = ""

    def link(self, path: str) -> str:
        """Return one of our own paths as readers see it."""
        return self.base_path + path


class SignUpForm(NamedTuple):
    """What the sign-up's page and its bare form show.

    ``action``: where the form posts to. ``address``: the page's own, in full. ``proof``: the
    form's token. ``offered``: the tags to choose from. When a form was refused, ``typed`` is what
    was typed into each of ``FIELDS``, ``chosen`` the tags, and ``errors`` has a message for each
    wrong field. A message under any other key is shown above the fields.
    """

    action: str
    address: str = ""
    voice: Voice = Voice()
    asks_for_name: bool = False
    proof: str = ""
    newest: "Sequence[ArchivedIssue]" = ()
    offered: "Sequence[OfferedTag]" = ()
    chosen: Collection[str] = ()
    typed: Mapping[str, str] = MappingProxyType({})
    errors: Mapping[str, str] = MappingProxyType({})


def sign_up(frame: Frame, shown: SignUpForm) -> str:
    """Return the newsletter's own page, with the form that asks for ``FIELDS``."""
    return _render("sign_up.html", frame, **_form(shown))


def bare_form(frame: Frame, shown: SignUpForm) -> str:
    """Return the form alone, for a frame in somebody else's page; its policy is ``FRAMED``."""
    return _render("form.html", frame, **_form(shown), script=_FORM_SCRIPT)


def _form(shown: SignUpForm) -> dict[str, object]:
    errors = shown.errors
    return shown._asdict() | {
        "first_wrong_field": next((field for field in FIELDS if field in errors), None),
        "other_errors": [message for field, message in errors.items() if field not in FIELDS],
    }


def archive(frame: Frame, address: str, issues: "Sequence[ArchivedIssue]", about: str = "") -> str:
    """Return the list of all issues: the newest with what they are about, the others by year.

    ``address``: the page's own, in full. ``about``: what the newsletter is about.
    """
    newest, others = issues[:_DESCRIBED], issues[_DESCRIBED:]
    years = groupby(others, key=lambda issue: issue.published_at.year)
    return _render(
        "archive.html",
        frame,
        address=address,
        description=about,
        newest=newest,
        years=[(year, list(of_year)) for year, of_year in years],
    )


def issue(
    frame: Frame,
    address: str,
    page: "ArchivePage",
    *,
    older: "ArchivedIssue | None" = None,
    newer: "ArchivedIssue | None" = None,
) -> str:
    """Return an issue's page in the archive; its policy is ``OF_AN_ISSUE``.

    ``address``: the page's own, in full. ``older``, ``newer``: the issues before and after it.
    """
    return _render(
        "issue.html",
        frame,
        address=address,
        page=page,
        older=older,
        newer=newer,
        direction=direction(frame.newsletter_language),
    )


def circulation(frame: Frame, issue: "ArchivedIssue", statement: "Statement") -> str:
    """Return the page of an issue's circulation."""
    return _render("circulation.html", frame, issue=issue, statement=statement)


def filled(template: str, frame: Frame, **values: object) -> str:
    """Fill in a template that is no page: a feed, the sitemap or the icon, as XML."""
    return _render(template, frame, **values)


class WaitingSignUp(NamedTuple):
    """What the page after a sign-up shows.

    ``typed``: what was typed into the form, and its new token: it signs up again. ``state``: the
    signed state of the code's form; empty when there is no key to sign with, and so no form.
    ``code`` and ``wrong``: what was typed there, and what is wrong with it. ``tags``: those chosen
    in the form; None if it offered none.
    """

    typed: Mapping[str, str]
    inbox: Inbox | None = None
    state: str = ""
    code: str = ""
    wrong: str = ""
    tags: Sequence["Tag"] | None = None


def check_your_inbox(frame: Frame, waiting: WaitingSignUp) -> str:
    """Return the page after a sign-up, the same for every address, whatever its status."""
    return _render("check_your_inbox.html", frame, **waiting._asdict())


def confirm(
    frame: Frame, action: str, *, submits_itself: bool = False, asks_again: bool = False
) -> str:
    """Return a page with one button, which posts to ``action`` with its token.

    ``submits_itself``: a script posts it, which its ``policy`` has to allow. ``asks_again``: it was
    pressed, and not by a person as far as the browser says.
    """
    script = SUBMIT_SCRIPT if submits_itself else ""
    return _render("confirm.html", frame, action=action, script=script, asks_again=asks_again)


def confirmed(frame: Frame, *, sign_up_url: str) -> str:
    """Return the page after confirming: the confirmation is received, not yet applied.

    It has no effect for a reader who has unsubscribed since the link was made; they can sign up
    again at ``sign_up_url``.
    """
    return _render("confirmed.html", frame, sign_up_url=sign_up_url)


def unsubscribe(frame: Frame, action: str) -> str:
    """Return a page with one button, which posts to ``action`` with its token."""
    return _render("unsubscribe.html", frame, action=action)


def unsubscribed(frame: Frame, *, sign_up_url: str = "") -> str:
    """Return the page after unsubscribing; a ``sign_up_url`` is offered to come back."""
    return _render("unsubscribed.html", frame, sign_up_url=sign_up_url)


class ManageForm(NamedTuple):
    """What the page shows where a reader manages their subscription.

    ``action``: where its forms post to. ``is_fresh``: whether the link was mailed on request
    lately, so that it may also move and erase. ``offered``: the tags to choose from. When a form
    was refused, ``typed`` is what was typed into each field, ``chosen`` the tags, and ``errors``
    has a message for each wrong one.
    """

    action: str
    erase_url: str
    is_fresh: bool
    languages: Sequence[Language]
    offered: "Sequence[OfferedTag]" = ()
    chosen: Collection[str] = ()
    typed: Mapping[str, str] = MappingProxyType({})
    errors: Mapping[str, str] = MappingProxyType({})


def manage(frame: Frame, shown: ManageForm) -> str:
    """Return the page where a reader manages their subscription."""
    others = [message for field, message in shown.errors.items() if field not in {"name", "email"}]
    return _render("subscription.html", frame, **shown._asdict(), other_errors=others)


def manage_link(
    frame: Frame,
    action: str,
    *,
    typed: Mapping[str, str] = MappingProxyType({}),
    errors: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return the form that asks for an address, to which the link to its subscription is mailed."""
    others = [message for field, message in errors.items() if field != "email"]
    return _render(
        "subscription_link.html",
        frame,
        action=action,
        typed=typed,
        errors=errors,
        other_errors=others,
    )


def ask_to_erase(frame: Frame, action: str, *, back_url: str) -> str:
    """Return a page with one button, which posts to ``action`` that everything be erased."""
    return _render("subscription_erase.html", frame, action=action, back_url=back_url)


def subscription_received(frame: Frame, act: str, *, back_url: str = "") -> str:
    """Return the page after a request: it is received, not yet applied.

    ``act``: what was asked for. ``back_url``: of the reader's subscription, if it goes on, and was
    not asked for by an address, which may be nobody's.
    """
    return _render(
        "subscription_received.html",
        frame,
        act=act,
        back_url=back_url,
        link_url=frame.link("/subscription"),
    )


def new_address(frame: Frame, action: str) -> str:
    """Return a page with one button, which posts to ``action`` with its token."""
    return _render("new_address.html", frame, action=action)


def error(  # noqa: PLR0913 - what the page shows
    frame: Frame,
    status: int,
    title: str,
    detail: str,
    *,
    sign_up_url: str = "",
    link_url: str = "",
) -> str:
    """Return the page for an error: what is wrong, and what a person can do about it.

    ``title`` is a short heading, ``detail`` a sentence or more. ``link_url``: of the page that
    mails the link to a subscription.
    """
    return _render(
        "error.html",
        frame,
        status=status,
        title=title,
        detail=detail,
        sign_up_url=sign_up_url,
        link_url=link_url,
    )


def _render(template: str, frame: Frame, **values: object) -> str:
    return (
        _environment()
        .get_template(template)
        .render(
            stylesheet=_STYLESHEET,
            frame=frame,
            newsletter_name=frame.newsletter_name,
            reader_language=frame.language,
            **values,
        )
    )


@cache
def _environment() -> "Environment":
    # Programs and a mail client's one click need no page, and shouldn't wait for this import.
    from broadsheet.i18n import templates  # noqa: PLC0415

    environment = templates.of_pages(_TEMPLATES)
    environment.filters["as_sentence"] = _as_sentence
    return environment


def _as_sentence(message: str) -> str:
    """Return a message with a capital at its beginning, and typographic apostrophes."""
    return (message[:1].upper() + message[1:]).replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")
