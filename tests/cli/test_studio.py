"""An author opens the studio from a terminal."""

import pytest

from local.http_api import serving
from tests.cli.commands import documented, failed, ran
from tests.cli.handlers import Handlers
from tests.cloud import Cloud
from tests.functions.studio import SITE, Browser, enter, entry, put_authors


def test_the_command_prints_a_link_that_signs_in(
    cloud: Cloud, nobody: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_authors(cloud, entry("ada", token="bs_of_ada"))
    with serving(Handlers(cloud=cloud).handle) as port:
        monkeypatch.setenv("BROADSHEET_URL", f"http://localhost:{port}")
        monkeypatch.setenv("BROADSHEET_TOKEN", "bs_of_ada")
        address = ran("studio").strip()
        another = documented("studio")["url"]

    assert address.startswith(f"{SITE}/studio/enter?token=")
    assert another != address
    assert "ada" in enter(Browser(), address).html


def test_who_is_not_logged_in_is_told_so(nobody: object) -> None:
    assert "broadsheet login" in failed("studio")[1]
