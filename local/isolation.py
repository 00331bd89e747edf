"""Keep the local stack away from AWS: none of its processes has real credentials."""

import os

REGION = "us-east-1"
ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}

# Variables that an AWS Lambda environment has too. The emulator gets no other of a developer's
# environment, because its functions inherit them.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")


def without_aws(environment: dict[str, str]) -> dict[str, str]:
    """Replace the user's AWS settings and credentials by made-up ones.

    Package indexes are still reached by the user's proxy, but this machine without one.
    """
    kept = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    past_proxy = [environment.get("NO_PROXY") or environment.get("no_proxy") or ""]
    no_proxy = ",".join(filter(None, [*past_proxy, "localhost", "127.0.0.1"]))
    return kept | ACCOUNT | {"NO_PROXY": no_proxy, "no_proxy": no_proxy}


def bare(environment: dict[str, str]) -> dict[str, str]:
    """Return only what a program needs to start, with the made-up AWS account."""
    return {name: environment[name] for name in INHERITED if name in environment} | ACCOUNT
