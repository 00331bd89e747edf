"""Every screen of the studio, once, as it stands in a newsletter that lives: add yours to a list.

A screen that is listed is judged in all ways by ``test_studio_screens.py``. All are asked for
behind API Gateway's own address, whose paths begin with the stage; what the pages link to is kept
beside them, so that Chromium can open them without a stack.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from broadsheet.domain.people import PeopleFormat, Person
from broadsheet.transfer import write
from tests.cloud import json_of
from tests.functions.issues import (
    act_on,
    deliver_all,
    edit,
    pointers,
    publish_issue,
    send,
    ses_event,
    tell,
    tick,
)
from tests.functions.studio import (
    TWO_PEOPLE,
    Browser,
    Page,
    entry,
    link_of,
    put_authors,
    signed_in,
)
from tests.functions.test_drafts import post, stored_draft
from tests.functions.test_studio_sending import fields
from tests.functions.test_studio_writing import key_in
from tests.functions.webhooks import Functions

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from tests.cloud import Cloud

    type Asked = Callable[[Town, Browser], Page]

LONG = (
    "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz, and what the tide makes of it"
)
ADDRESS = "bartholomew.featherstonehaugh-cholmondeley@a-long-department.university.example"
TEXT = """\
Dear [[nome]],

a newspaper on a single sheet of paper was called a *broadsheet*. [Read](http://bit.ly/tide) on.

![](https://harbour.example/pier.jpg)

#### What the tide brought

- Ropes, [click here](https://harbour.example/ropes-and-knots/three-strand?from=letter#breaks-at)
- TODO: nets
"""
HTML = {"title": "In HTML", "content": {"html": f"<p>{'Waves and wind. ' * 40}</p>"}, "draft": True}
LANGUAGES = ("en", "de")


@dataclass
class Town:
    """What the screens are about: ids of issues, people and imports."""

    draft: str
    html: str
    soon: str
    later: str
    sending: str
    paused: str
    stopped: str
    finished: str
    canceled: str
    correction: str
    reader: str
    bounced: str
    imports: dict[str, str]
    export: str


def found(cloud: Cloud) -> Town:
    """Make a newsletter with something of everything; most of it long."""
    functions = Functions()
    put_authors(
        cloud,
        entry("max", "manage", email="max@example.com"),
        entry("jo", "publish", email="jo@example.com"),
        entry("ada", "write", email="ada@example.com"),
        entry("a-guest-with-a-long-name", "write"),
    )
    readers = [
        *cloud.add_confirmed(*(f"reader{number}@example.com" for number in range(6))),
        *cloud.add_confirmed(ADDRESS, name="Bartholomew Featherstonehaugh-Cholmondeley"),
    ]
    cloud.rows("UPDATE subscribers SET tags = '{events,jobs}'")
    ada, jo, max_ = signed_in("ada"), signed_in("jo"), signed_in("max")
    max_.open("/people/segments")
    max_.send("/people/segments", {"name": "whoever-reads-of-events", "any": "events"})
    finished = _finished(cloud, readers)
    paused = _with_two_texts(cloud)
    welcome = {"title": "Welcome aboard", "text": "Hello [[name]].", "do": "save"}
    jo.open("/settings/welcome")
    jo.send("/settings/welcome", welcome)
    return Town(
        finished=finished,
        paused=paused,
        correction=_corrected(jo, paused),
        draft=_written(ada),
        html=str(json_of(post(HTML))["id"]),
        soon=_published_soon(jo),
        imports=_imports(max_, functions),
        export=_exported(max_),
        **_under_way(cloud),
        reader=str(readers[-1]),
        bounced=str(readers[0]),
    )


def _under_way(cloud: Cloud) -> dict[str, str]:
    sending, stopped, canceled = (
        publish_issue(title=title, markdown=f"{title}.", slug=title.lower())
        for title in ("Ropes", "Nets", "Knots")
    )
    tick(sending)
    tick(stopped)
    cloud.rows(
        "UPDATE issues SET status = 'paused', paused_because ="
        " 'of 1000 mails, 51 bounced and 0 were complained of' WHERE id = %(id)s",
        id=stopped,
    )
    act_on(canceled, "cancel")
    at = datetime.now(UTC) + timedelta(days=9)
    later = publish_issue(title=LONG, markdown="Sails.", slug="sails", publish_at=at.isoformat())
    return {"sending": sending, "stopped": stopped, "canceled": canceled, "later": later}


def _published_soon(author: Browser) -> str:
    issue_id = stored_draft(title="In a minute")
    form = fields(author.open(f"/issues/{issue_id}"), "/publish")
    author.send(f"/issues/{issue_id}/publish", form)
    return issue_id


def _corrected(author: Browser, issue_id: str) -> str:
    form = fields(author.open(f"/issues/{issue_id}/correct"), "/correct")
    typed = {"title": "On Tuesday", "text": "Not on Monday."}
    return _id(author.send(f"/issues/{issue_id}/correct", form | typed).address)


def _exported(author: Browser) -> str:
    author.open("/people/exports")
    return _id(author.send("/people/exports", {"format": "csv"}).address)


def _id(address: str) -> str:
    return str(re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", address)[-1])


def _finished(cloud: Cloud, readers: list[UUID]) -> str:
    issue_id = publish_issue(title=LONG, markdown="Tides.", slug="tides", preheader="Twice.")
    send(cloud, issue_id)
    kinds = ("Bounce", "Complaint", *["Delivery"] * 5)
    known = cloud.rows("SELECT subscriber_id, message_id FROM deliveries")
    ids = {row["subscriber_id"]: row["message_id"] for row in known}
    tell(
        *(
            ses_event(kind, issue=issue_id, subscriber=reader, message_id=ids[reader])
            for kind, reader in zip(kinds, readers, strict=True)
        )
    )
    tick(issue_id)
    return issue_id


def _with_two_texts(cloud: Cloud) -> str:
    issue_id = publish_issue(title="Paused", markdown="On Monday.", slug="monday")
    tick(issue_id)
    deliver_all(pointers(cloud))
    act_on(issue_id, "pause")
    edit(issue_id, title="Paused", markdown="On Tuesday.", author="jo")
    return issue_id


def _written(ada: Browser) -> str:
    ada.open("/issues/new")
    form = {"key": key_in(ada.page), "do": "save", "archive": "true"}
    ada.send("/issues/new", form | {"title": "Tea in November", "text": "Three pots."})
    issue_id = _id(ada.page.address)
    changed = form | {"title": LONG, "preheader": "What the cold does to tea.", "text": TEXT}
    ada.send(f"/issues/{issue_id}/write", changed | {"version": "1"})
    return issue_id


def _imports(author: Browser, functions: Functions) -> dict[str, str]:
    """Make an import in each state that a screen shows."""
    csv = b"".join(write(PeopleFormat.CSV, [*TWO_PEOPLE, Person(ADDRESS)]))
    made = {}
    for name, content in {
        "waiting": csv,
        "ready": csv,
        "applied": csv,
        "failed": b"\x00\x01\x02" * 40,
    }.items():
        author.open("/people/imports")
        author.upload("/people/imports", {}, file=("readers-of-the-former-letter.csv", content))
        made[name] = _id(author.page.address)
        if name != "waiting":
            functions.transfer()
        functions.transfers.clear()
    author.open(f"/people/imports/{made['applied']}")
    author.send(f"/people/imports/{made['applied']}/apply")
    functions.transfer()
    return made


def _refused_publication(town: Town, author: Browser) -> Page:
    page = author.open(f"/issues/{town.draft}")
    form = fields(page, "/publish") | {"when": "later", "at": "2020-01-01T10:00"}
    return author.send(f"/issues/{town.draft}/publish", form)


def _second_author(town: Town, author: Browser) -> Page:
    author.open(f"/issues/{town.draft}/write")
    form = {"key": "", "version": "1", "do": "save", "title": LONG, "text": TEXT.upper()}
    return author.send(f"/issues/{town.draft}/write", form)


def _wrong_draft(town: Town, author: Browser) -> Page:
    page = author.open("/issues/new")
    form = {"key": key_in(page), "do": "save", "title": "x" * 500, "slug": "A b", "text": ""}
    return author.send("/issues/new", form)


def _wrong_welcome(town: Town, author: Browser) -> Page:
    author.open("/settings/welcome")
    form = {"title": "Welcome", "text": "Hello [[nome]].", "edited_at": "", "do": "save"}
    return author.send("/settings/welcome", form)


def _added(_: Town, author: Browser) -> Page:
    form = fields(author.open("/settings/authors/add"), "/authors/add")
    name = f"Bartholomew Featherstonehaugh-Cholmondeley {author.language}"
    form |= {"name": name, "role": "write", "email": f"{author.language}.{ADDRESS}"}
    return author.send("/settings/authors/add", form)


def _with_token(_: Town, author: Browser) -> Page:
    page = author.open("/settings/authors/change?name=a-guest-with-a-long-name")
    return author.send("/settings/authors/token", fields(page, "/authors/token"))


def _sent(path: str, **form: str) -> Asked:
    """Return a screen that answers a form of its own page."""

    def asked(_: Town, author: Browser) -> Page:
        author.open(path)
        return author.send(path, form)

    return asked


def _opened(path: str) -> Asked:
    """Return a screen by its path, in which ``{…}`` is something of the town."""
    return lambda town, author: author.open(path.format(**vars(town)))


# By the names of the files of their pictures.
OF_WRITERS: dict[str, Asked] = {
    "issues": _opened("/"),
    "issues-none": _opened("/?kind=other"),
    "write-new": _opened("/issues/new"),
    "write": _opened("/issues/{draft}/write"),
    "write-html": _opened("/issues/{html}/write"),
    "write-refused": _wrong_draft,
    "write-second": _second_author,
    "write-closed": _opened("/issues/{finished}/write"),
    "history": _opened("/issues/{draft}/versions"),
    "draft": _opened("/issues/{draft}"),
    "delete": _opened("/issues/{draft}/delete"),
    "countdown": _opened("/issues/{soon}"),
    "scheduled": _opened("/issues/{later}?said=scheduled"),
    "sending": _opened("/issues/{sending}"),
    "paused": _opened("/issues/{paused}"),
    "stopped": _opened("/issues/{stopped}"),
    "finished": _opened("/issues/{finished}"),
    "canceled": _opened("/issues/{canceled}"),
    "correction": _opened("/issues/{correction}"),
    "settings": _opened("/settings"),
    "welcome": _opened("/settings/welcome"),
    "not-found": _opened("/nothing"),
    "no-form": _sent("/settings/welcome", form_token="x", text="What I wrote."),
}
OF_PUBLISHERS: dict[str, Asked] = {
    "draft-refused": _refused_publication,
    "write-scheduled": _opened("/issues/{later}/write"),
    "cancel": _opened("/issues/{paused}/cancel"),
    "correct": _opened("/issues/{paused}/correct"),
    "welcome-refused": _wrong_welcome,
}
OF_MANAGERS: dict[str, Asked] = {
    "people": _opened("/people"),
    "people-none": _opened("/people?query=nobody"),
    "person": _opened("/people/{reader}"),
    "person-bounced": _opened("/people/{bounced}"),
    "erase": _opened("/people/{reader}/erase"),
    "why": _opened("/people/why?issue={finished}&email=" + ADDRESS),
    "why-refused": _opened("/people/why?issue={finished}&email=ursula"),
    "add": _opened("/people/add"),
    "add-refused": _sent("/people/add", email="zora", has_consent="true"),
    "growth": _opened("/people/growth"),
    "segments": _opened("/people/segments"),
    "segments-refused": _sent("/people/segments", name="No good", any=""),
    "segment": _opened("/people/segments/whoever-reads-of-events"),
    "imports": _opened("/people/imports"),
    "import-waiting": _opened("/people/imports/{imports[waiting]}"),
    "import-ready": _opened("/people/imports/{imports[ready]}"),
    "import-applied": _opened("/people/imports/{imports[applied]}"),
    "import-failed": _opened("/people/imports/{imports[failed]}"),
    "exports": _opened("/people/exports"),
    "export": _opened("/people/exports/{export}"),
    "authors": _opened("/settings/authors"),
    "author-add": _opened("/settings/authors/add"),
    "author-refused": _sent("/settings/authors/add", name="<b>", role="", email="ada"),
    "author": _opened("/settings/authors/change?name=a-guest-with-a-long-name"),
    "author-own": _opened("/settings/authors/change?name=max"),
    "author-removed": _opened("/settings/authors/remove?name=jo"),
    "author-added": _added,
    "author-token": _with_token,
    "sign-up-page": _opened("/settings/sign-up"),
    "sign-up-page-refused": _sent("/settings/sign-up", frequency="x" * 61, do="save"),
}
OF_NOBODY: dict[str, Asked] = {
    "signed-out": _opened("/"),
    "enter": lambda _, author: author.open(link_of("max").partition("/studio")[2]),
    "link-asked": lambda _, author: author.post("/studio/sign-in", {"email": "max@example.com"}),
    "email-wrong": lambda _, author: author.post("/studio/sign-in", {"email": "max"}),
}
# What those see who may do less than manage, where that is something else: judged in all ways.
LESS = {
    "jo": ("draft", "settings"),
    "ada": ("issues", "draft", "scheduled", "paused", "settings", "welcome"),
}
SCREENS: dict[str, tuple[str, Asked]] = (
    {name: ("", asked) for name, asked in OF_NOBODY.items()}
    | {name: ("max", asked) for name, asked in (OF_WRITERS | OF_PUBLISHERS | OF_MANAGERS).items()}
    | {
        f"{name}-{author}": (author, OF_WRITERS[name])
        for author, names in LESS.items()
        for name in names
    }
    | {"forbidden": ("ada", OF_MANAGERS["people"])}
)
# Every other screen that they may open.
OF_OTHERS: dict[str, tuple[str, Asked]] = {
    f"{name}-{author}": (author, asked)
    for author, screens in {"jo": OF_WRITERS | OF_PUBLISHERS, "ada": OF_WRITERS}.items()
    for name, asked in screens.items()
    if name not in LESS[author]
}
# What frames and scripts ask for.
PARTS: dict[str, Asked] = {
    "/settings/theme": _opened("/settings/theme"),
    "/settings/welcome/mail": _opened("/settings/welcome/mail"),
    "/preview": _opened("/preview"),
}


@dataclass
class Shots:
    """The answers: ``pages`` by name and language, ``parts`` by path."""

    pages: dict[tuple[str, str], Page]
    parts: dict[str, Page]


def taken(cloud: Cloud) -> Shots:
    """Ask for every screen in each language, and for those of others in English."""
    town = found(cloud)
    shots = Shots({}, {})
    for language in LANGUAGES:
        browsers = {name: signed_in(name, language) for name in ("max", "jo", "ada")}
        for name, (author, asked) in (SCREENS | (OF_OTHERS if language == "en" else {})).items():
            browser = browsers[author] if author else Browser(language)
            shots.pages[name, language] = asked(town, browser)
    max_ = signed_in("max")
    shots.parts |= {path: asked(town, max_) for path, asked in PARTS.items()}
    max_.open(f"/issues/{town.draft}/write")
    typed = {"title": LONG, "text": TEXT, "preheader": "What the cold does to tea."}
    typed |= {"written_as": "markdown", "view": "light"}
    shots.parts["POST /preview"] = max_.send("/preview", typed, accept="application/json")
    return shots
