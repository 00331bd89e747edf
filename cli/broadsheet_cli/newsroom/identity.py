"""Signs in a workflow at GitHub, without a secret: by the token that GitHub states its run in."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import httpx

from broadsheet_cli.api import ANSWER_SECONDS, Address, Newsletter
from broadsheet_cli.console import note
from broadsheet_cli.errors import NoAccess, NotReached, OutcomeUnknown

if TYPE_CHECKING:
    from broadsheet_cli.answers import SignedIn

# GitHub sets both where a job has the permission `id-token: write`, which a fork's has not.
URL_VARIABLE, TOKEN_VARIABLE = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
TRIES = 4


def is_there() -> bool:
    """Return whether this is a workflow that can say who it is."""
    return bool(os.environ.get(URL_VARIABLE) and os.environ.get(TOKEN_VARIABLE))


def sign_in(address: Address) -> SignedIn:
    """Return the token of a workflow at a newsletter. Raises ``NoAccess`` and ``NotReached``.

    GitHub's token counts once: each try has another.
    """
    newsletter = Newsletter(address, None, on_wait=note)
    for number in range(TRIES):
        try:
            return newsletter.sign_in(_stated(address))
        except OutcomeUnknown as error:
            note(f"{error} Trying again.")
            time.sleep(2**number)
    raise NotReached(f"{address} does not answer: run the job again.")


def _stated(address: Address) -> str:
    """Return GitHub's token of this run, for one newsletter."""
    try:
        answer = httpx.get(
            os.environ[URL_VARIABLE],
            params=httpx.QueryParams(httpx.URL(os.environ[URL_VARIABLE]).params).set(
                "audience", address.url
            ),
            headers={"Authorization": f"Bearer {os.environ[TOKEN_VARIABLE]}"},
            timeout=ANSWER_SECONDS,
        )
        answer.raise_for_status()
        return str(answer.json()["value"])
    except httpx.TransportError as error:
        raise NotReached("GitHub doesn't say who this workflow is: run the job again.") from error
    except (httpx.HTTPStatusError, ValueError, KeyError) as error:
        raise NoAccess("GitHub doesn't say who this workflow is.") from error
