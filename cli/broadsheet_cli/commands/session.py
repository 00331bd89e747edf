"""Log in and out."""

import os
import sys
import webbrowser
from http import HTTPStatus
from typing import Annotated

import typer

from broadsheet_cli.api import Address, Newsletter
from broadsheet_cli.console import is_interactive, note, print_json, say
from broadsheet_cli.errors import CommandFailed, NoAccess, NotReached, NotUnderstood, Refused
from broadsheet_cli.options import Json, connect
from broadsheet_cli.sessions import TOKEN_VARIABLE, Logins

# A wrong address is found out soon; a sleeping database may take its half minute.
LOGIN_PATIENCE_SECONDS = 90


def login(
    address: Annotated[
        str | None, typer.Argument(metavar="ADDRESS", help="The newsletter's address.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Store your token: in the system's keyring, or in a file that only you can read.

    It asks for the token, or reads it from its standard input or from BROADSHEET_TOKEN: other
    people on this machine could see an argument.
    """
    where = Address.parse(address or _ask("The newsletter's address"))
    secret = (os.environ.get(TOKEN_VARIABLE) or _ask("Your token", is_hidden=True)).strip()
    if not secret or not secret.isascii() or not secret.isprintable():
        raise NoAccess("This is no token: it begins with bs_ and has one line.")
    _verify(where, secret)
    in_keyring = Logins.read().sign_in(where, secret)
    if as_json:
        print_json({"newsletter": where.url, "keyring": in_keyring})
        return
    kept = "the system's keyring" if in_keyring else "a file that only you can read"
    say(f"Logged in to {where}; the token is in {kept}.", "green")


def logout(
    address: Annotated[
        str | None, typer.Argument(metavar="ADDRESS", help="The newsletter; else the current one.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Forget your token; it stays valid until it is revoked."""
    logins = Logins.read()
    where = logins.address(address)
    was_known = logins.sign_out(where)
    if as_json:
        print_json({"newsletter": where.url, "was_logged_in": was_known})
    else:
        say(f"Logged out of {where}." if was_known else f"You were not logged in to {where}.")


def studio(
    *,
    browser: Annotated[bool, typer.Option(help="Open the link in the browser.")] = True,
    as_json: Json = False,
) -> None:
    """Open the studio in your browser: the link signs you in once, within a quarter of an hour."""
    link = connect().studio_link()
    if as_json:
        print_json(link.model_dump(mode="json"))
        return
    print(link.url)
    if browser and is_interactive():
        webbrowser.open(link.url)


def _verify(address: Address, token: str) -> None:
    newsletter = Newsletter(address, token, on_wait=note, patience=LOGIN_PATIENCE_SECONDS)
    try:
        next(newsletter.issues(1), None)
    except (Refused, NotUnderstood) as error:
        if isinstance(error, Refused) and error.status != HTTPStatus.NOT_FOUND:
            raise
        raise NotReached(f"{address} is no Broadsheet newsletter.") from error


def _ask(what: str, *, is_hidden: bool = False) -> str:
    if not sys.stdin.isatty():
        if is_hidden:
            return sys.stdin.readline()
        raise CommandFailed("Name the newsletter: broadsheet login https://YOUR-NEWSLETTER")
    return str(typer.prompt(what, hide_input=is_hidden))
