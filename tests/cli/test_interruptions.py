"""A terminal that is killed at any request, and a connection that is lost there."""

import itertools
import signal
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from PIL import Image

from local.http_api import serving
from tests.cli import commands
from tests.cli.handlers import Handlers
from tests.cli.press import TOKEN, Interruptible, Press
from tests.cloud import Cloud
from tests.functions.issues import send

TEXTS = ("It is November.\n", "It is still November.\n")


class Case(NamedTuple):
    """What is interrupted, what goes before, and what the author does about it afterwards."""

    before: tuple[str, ...]
    interrupted: str
    after: tuple[str, ...]


PUBLISH, EDIT = "publish {file} --yes", "edit {file}"
SCHEDULE = "schedule {file} 2099-12-01T08:00 --yes"
CORRECT = "correct first-{file} {file} --yes"
CASES = [
    Case((), PUBLISH, (PUBLISH, EDIT)),
    Case((), SCHEDULE, (SCHEDULE, EDIT)),
    Case((PUBLISH,), EDIT, (EDIT,)),
    Case((PUBLISH.format(file="first-{file}"),), CORRECT, (CORRECT, EDIT)),
]


def write(slug: str, text: str) -> None:
    Path(f"{slug}.md").write_text(f"---\ntitle: {slug}\nslug: {slug}\n---\n{text}")


def words(command: str, slug: str) -> list[str]:
    return [word.format(file=f"{slug}.md", slug=slug) for word in command.split()]


def killed(newsletter: Interruptible, number: int, moment: str, arguments: list[str]) -> bool:
    """Run a command that is killed at its n-th request; return False if it has fewer."""
    first = len(newsletter.requests)

    def kill(at: int) -> None:
        if at - first == number:
            victim = psutil.Process(process.pid)
            victim.kill()
            victim.wait(commands.SECONDS)
            raise ConnectionError

    setattr(newsletter, moment, kill)
    process = commands.start(*arguments)
    process.join(commands.SECONDS)
    newsletter.before = newsletter.after = lambda _: None
    assert process.exitcode in {-signal.SIGKILL, 0}
    return process.exitcode != 0


def sent_and_edited(cloud: Cloud, slug: str) -> None:
    """Let everybody get an issue, which then has another version, as if edited on its way."""
    issue = cloud.row(
        "UPDATE issues SET publish_at = now() WHERE slug = %(s)s RETURNING id", s=slug
    )
    send(cloud, str(issue["id"]))
    cloud.rows("UPDATE issues SET version = 2 WHERE id = %(id)s", id=issue["id"])


each_moment = pytest.mark.parametrize("moment", ["before", "after"])
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.interrupted.split()[0])


@each_moment
@each_case
def test_a_terminal_killed_at_any_request_sends_once_and_loses_no_text(
    press: Press, author: Path, case: Case, moment: str
) -> None:
    assert kill_at_each_request(press, case, moment) > 1

    press.publish_everything()
    sent = Counter(issue for issue, _ in press.mailed)
    assert sent == dict.fromkeys(press.issues, 1)


@each_moment
@each_case
def test_so_it_is_with_the_real_functions(
    cloud: Cloud, nobody: Path, case: Case, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add_confirmed("ursula@example.com")
    handlers = Handlers(cloud=cloud)
    with serving(handlers.handle) as port:
        monkeypatch.setenv("BROADSHEET_URL", f"http://localhost:{port}")
        monkeypatch.setenv("BROADSHEET_TOKEN", TOKEN)

        def go_out(slug: str) -> None:
            if case.interrupted == CORRECT:
                sent_and_edited(cloud, f"first-{slug}")

        times = kill_at_each_request(handlers, case, moment, go_out)

    assert times > 1
    statuses = cloud.rows("SELECT status, count(*) AS issues FROM issues GROUP BY status")
    originals = {"finished": times + 1} if case.interrupted == CORRECT else {}
    assert {row["status"]: row["issues"] for row in statuses} == {
        "scheduled": times + 1,
        **originals,
    }


@each_moment
def test_an_image_beside_the_file_of_a_killed_terminal_is_uploaded_once(
    press: Press, author: Path, moment: str
) -> None:
    for number in itertools.count(1):
        slug, before = f"photo-{number}", len(press.images)
        Image.new("RGB", (40, 20), (number, 0, 0)).save(f"{slug}.png")
        write(slug, f"![A cup]({slug}.png)\n")
        was_killed = killed(press, number, moment, words(PUBLISH, slug))
        # It arrived, and its answer did not: it is sent again, and stored under the same address.
        is_lost = was_killed and moment == "after" and press.requests[-1] == "POST /images"

        commands.ran(*words(PUBLISH, slug))

        uploads = press.images[before:]
        assert (len(uploads), len(set(uploads))) == (2 if is_lost else 1, 1)
        url = f"https://news.example/images/{number}.png#1200x800"
        assert press.texts_of_file(slug) == [("scheduled", f"![A cup]({url})\n")]
        if not was_killed:
            break
    assert number > 2


@each_moment
@each_case
def test_a_connection_that_is_lost_at_any_request_is_made_again_and_sends_once(
    press: Press, author: Path, naps: list[float], case: Case, moment: str
) -> None:
    for number in itertools.count(1):
        slug, text = begun(case, number)
        first = len(press.requests)
        press.lose(number, moment)

        result = commands.run(*words(case.interrupted, slug))

        assert result.exit_code == 0, result.stderr
        assert press.texts_of_file(slug) == [("scheduled", text)]
        if len(press.requests) - first < number:
            break
        assert "The connection to http://localhost" in result.stderr
        assert "Trying again in 1 s." in result.stderr
    assert number > 2
    press.publish_everything()
    assert Counter(issue for issue, _ in press.mailed) == dict.fromkeys(press.issues, 1)


@pytest.mark.parametrize(
    ("moment", "minutes", "sent"),
    [("before", 60, "New.\n"), ("after", 0, "New.\n"), ("after", 60, "Old.\n")],
)
def test_a_correction_that_was_cut_off_sends_no_old_text_later(
    press: Press, november: Path, moment: str, minutes: int, sent: str
) -> None:
    commands.ran("publish", "november.md", "--yes")
    press.publish_everything()
    write("sorry", "Old.\n")
    command = ["correct", "november.md", "sorry.md", "--yes"]
    number = len(press.requests)
    commands.ran("status", "november.md")  # the corrected issue; then comes the preview
    asked = len(press.requests) - number
    assert killed(press, asked + 2, moment, command)
    assert press.requests[-1].endswith("/correct")
    press.ahead += timedelta(minutes=minutes)

    write("sorry", "New.\n")
    commands.ran(*command)
    commands.ran(*command)

    (correction,) = [issue for issue in press.issues.values() if issue.corrects]
    assert correction.publish_at
    if sent == "New.\n":
        assert correction.status == "scheduled"
        assert correction.publish_at - press.now > timedelta(seconds=40)
    press.publish_everything()
    assert [text for issue, text in press.mailed if issue == correction.id] == [sent]


def begun(
    case: Case, number: int, go_out: Callable[[str], None] = lambda _: None
) -> tuple[str, str]:
    """Do what goes before in a case, each time with another file; return its slug and text.

    ``go_out`` is called with the slug when the issues are there that go before.
    """
    slug, text = f"{case.interrupted.split()[0]}-{number}", f"{TEXTS[0]}And more.\n"
    write(slug, TEXTS[0])
    write(f"first-{slug}", "What will be corrected.\n")
    for command in case.before:
        commands.ran(*words(command, slug))
    go_out(slug)
    write(slug, text)
    return slug, text


def kill_at_each_request(
    newsletter: Interruptible,
    case: Case,
    moment: str,
    go_out: Callable[[str], None] = lambda _: None,
) -> int:
    """Interrupt a command at each of its requests, each time with another file; count them.

    Whatever was interrupted, one issue is scheduled afterwards, with what the author wrote last.
    """
    for number in itertools.count(1):
        slug, _ = begun(case, number, go_out)

        was_killed = killed(newsletter, number, moment, words(case.interrupted, slug))

        write(slug, TEXTS[1])  # since then, the author has written on
        for command in case.after:
            commands.ran(*words(command, slug))
        assert newsletter.texts_of_file(slug) == [("scheduled", TEXTS[1])]
        if not was_killed:
            return number - 1
    raise AssertionError
