"""A new version is deployed with the parameters that its own stack has."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  NewsletterName: {Type: String}
  SenderName: {Type: String}
Resources:
  Topic: {Type: AWS::SNS::Topic}
"""
# What `sam deploy --guided` leaves in the folder.
OF_ANOTHER_STACK = """
version = 0.1
[default.deploy.parameters]
stack_name = "news"
parameter_overrides = 'NewsletterName="The News"'
"""
# The real sam, which tells what it was given, and then finds no AWS. What it would leave among the
# temporary files, had it found one, is left here.
SAM = """#!/usr/bin/env bash
mktemp -d >/dev/null
if [[ $1 == deploy ]]; then exec {sam} "${{@/#--resolve-s3/--s3-bucket=bucket}}"; fi
"""


@pytest.fixture
def release(tmp_path: Path) -> Callable[..., str]:
    """Run ``make release`` in a folder of its own; give what sam says."""
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    (tmp_path / "samconfig.toml").write_text(OF_ANOTHER_STACK)
    sam = tmp_path / ".venv-sam" / "bin" / "sam"
    sam.parent.mkdir(parents=True)
    sam.write_text(SAM.format(sam=ROOT / ".venv-sam" / "bin" / "sam"))
    sam.chmod(0o755)
    installed = [f"{name}/.installed" for name in (".venv", ".venv-sam", ".venv-emulator")]
    without_aws = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_MAX_ATTEMPTS": "1",
    }
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    def run(*variables: str) -> str:
        command: list[str | Path] = [
            "make",
            "-f",
            ROOT / "Makefile",
            *(f"-o{file}" for file in installed),
        ]
        ran = subprocess.run(
            [*command, "release", *variables],
            check=False,
            cwd=tmp_path,
            env=os.environ | without_aws | {"TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return str(ran.stdout)

    return run


def test_it_changes_no_parameter(release: Callable[..., str]) -> None:
    said = release("STACK=other")

    assert "Stack name                   : other" in said
    assert "Parameter overrides          : {}" in said


def test_but_the_ones_it_is_told(release: Callable[..., str]) -> None:
    said = release("STACK=other", "SET=NewsletterName='The Other News' SenderName=Ada")

    given = '{"NewsletterName": "The Other News", "SenderName": "Ada"}'
    assert f"Parameter overrides          : {given}" in said


def test_it_leaves_nothing_among_the_temporary_files(
    release: Callable[..., str], tmp_path: Path
) -> None:
    release("STACK=other")

    assert list((tmp_path / "temporary").iterdir()) == []


def test_it_wants_to_know_where(release: Callable[..., str]) -> None:
    assert "Say where: make release STACK=your-stack" in release("STACK=")
