"""Write an issue: begin it, look at it, check it, and test it."""

import webbrowser
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from broadsheet_cli import issue_file, records
from broadsheet_cli.api import Newsletter
from broadsheet_cli.console import note, print_json, say
from broadsheet_cli.errors import CommandFailed
from broadsheet_cli.images import Uploads, address_with_size
from broadsheet_cli.newsroom.run import annotate_findings
from broadsheet_cli.options import File, Json, connect
from broadsheet_cli.preparing import errors_in, prepare, show_findings
from broadsheet_cli.preview_server import PreviewServer
from broadsheet_cli.sessions import Login, Logins

TEMPLATE = """\
---
title: {title}
slug: {slug}
preheader:
---

Dear [[name]],

"""
MOST_TEST_ADDRESSES = 5


class Report(StrEnum):
    """How `check` says what it found."""

    TEXT = "text"
    GITHUB = "github"


def new(
    title: Annotated[str, typer.Argument(help="The issue's title: the mail's subject.")],
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Its file; else named for the title.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Begin an issue: a Markdown file with front matter."""
    slug = issue_file.slug_of(title)
    path = file or Path(f"{slug}.md")
    quoted = issue_file.quoted(title)
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(TEMPLATE.format(title=quoted, slug=slug))
    except FileExistsError as error:
        raise CommandFailed(f"{path} is there already.") from error
    except OSError as error:
        raise CommandFailed(f"{path} can't be written: {error.strerror}.") from error
    if as_json:
        print_json({"file": str(path)})
    else:
        say(f"{path} is begun: write it, and look at it with `broadsheet preview {path}`.")


def preview(
    file: File,
    *,
    opens: Annotated[bool, typer.Option("--open/--no-open", help="Open a browser.")] = True,
    as_json: Json = False,
) -> None:
    """Show an issue in the browser as readers will see it, again whenever the file is saved."""
    newsletter = connect()
    if as_json:
        print_json(newsletter.preview(prepare(newsletter, file).request).document)
        return
    with PreviewServer(newsletter, file) as server:
        say(f"{file} is at {server.url}; Ctrl-C ends this.")
        if opens:
            webbrowser.open(server.url)
        try:
            server.watch()
        except KeyboardInterrupt:
            say("")


def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="One issue's file or more.")],
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
    report: Annotated[
        Report, typer.Option("--format", help="github: as annotations of a workflow's run.")
    ] = Report.TEXT,
    as_json: Json = False,
) -> None:
    """Print what is wrong with an issue, at its line; errors end it with status 1."""
    newsletter = connect()
    is_wrong = False
    documents = []
    for path in files:
        ready = prepare(newsletter, path, needs_images=False)
        found = newsletter.preview(_of_issue(newsletter, path, ready.request)).warnings
        is_wrong |= bool(ready.lacking or (found if strict else errors_in(found)))
        documents += [ready.in_file(each) for each in found]
        if report is Report.GITHUB:
            annotate_findings(ready, found)
        elif not as_json:
            show_findings(ready, found)
            if not found and not ready.lacking:
                note(f"{path}: nothing to object to.", "green")
    if as_json:
        print_json(documents)
    if is_wrong:
        raise typer.Exit(1)


def _of_issue(newsletter: Newsletter, path: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Return a request that names the file's issue, if it has one: its text may be the same."""
    issue_id = records.read(path, newsletter.address).issue_id
    return request | {"issue": issue_id} if issue_id else request


def send_test(
    file: File,
    *,
    to: Annotated[
        list[str],
        typer.Option("--to", metavar="ADDRESS", help="Up to 5; else those of the last time."),
    ] = [],  # noqa: B006 - typer copies it
    as_json: Json = False,
) -> None:
    """Send an issue to yourself: “[Test]” before its subject, and nobody can leave by it."""
    newsletter = connect()
    logins = Logins.read()
    login = logins.newsletters.setdefault(newsletter.address.url, Login())
    addresses = to or login.test_to
    if not addresses:
        raise CommandFailed(f"Say where: broadsheet test {file} --to you@example.com")
    ready = prepare(newsletter, file)
    newsletter.send_test(ready.request, addresses)
    if addresses != login.test_to:
        login.test_to = addresses
        logins.write()
    if as_json:
        print_json({"to": addresses})
    else:
        say(f"“[Test] {ready.file.title}” is on its way to {', '.join(addresses)}.")


def images(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="JPEG, PNG, GIF and others.")
    ],
    *,
    as_json: Json = False,
) -> None:
    """Upload images, sized for mail, and print how to show them; an issue's own go with it."""
    uploads = Uploads(connect(), note)
    uploaded = [uploads.upload(path) for path in files]
    if as_json:
        print_json([each.document for each in uploaded])
        return
    for path, image in zip(files, uploaded, strict=True):
        say(f"![{path.stem}]({address_with_size(image)})")
