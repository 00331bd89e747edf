from collections.abc import Callable

import pytest

from local import isolation

OPERATORS = {
    "PATH": "/usr/bin",
    "HOME": "/home/jo",
    "AWS_PROFILE": "production",
    "AWS_ACCESS_KEY_ID": "AKIAREAL",
    "AWS_SESSION_TOKEN": "real",
    "AWS_ENDPOINT_URL": "https://real.example",
    "AWS_CONFIG_FILE": "/home/jo/.aws/config",
    "HTTPS_PROXY": "http://proxy.example",
    "no_proxy": "intranet.example",
}


@pytest.mark.parametrize("isolate", [isolation.without_aws, isolation.bare])
def test_no_credential_or_setting_of_the_operators_passes(
    isolate: Callable[[dict[str, str]], dict[str, str]],
):
    environment = isolate(OPERATORS)

    assert environment["AWS_ACCESS_KEY_ID"] == "local"
    assert environment["AWS_CONFIG_FILE"] == environment["AWS_SHARED_CREDENTIALS_FILE"]
    assert environment["AWS_CONFIG_FILE"] == "/dev/null"
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"} & set(environment)
    assert environment["PATH"] == "/usr/bin"


def test_a_proxy_is_used_for_the_network_and_not_for_this_machine():
    environment = isolation.without_aws(OPERATORS)

    assert environment["HTTPS_PROXY"] == "http://proxy.example"
    assert environment["NO_PROXY"] == "intranet.example,localhost,127.0.0.1"


def test_functions_see_nothing_of_the_developers_environment():
    assert set(isolation.bare(OPERATORS)) == {"PATH", "HOME"} | set(isolation.ACCOUNT)
