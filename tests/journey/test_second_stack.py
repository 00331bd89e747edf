"""A second newsletter beside the first, and a deployment of it that fails."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from local import deployment
from operations import authors
from tests.conftest import in_database
from tests.journey.people import Answer, Town

STACK = "second"
# What an operator on AWS gives too, as far as the emulator knows what comes of it: an identity of
# SES has no DNS records there, and the types of network, Aurora, domain and firewall are unknown.
PARAMETERS = {
    "SendRateShare": "0.5",
    "OperatorAddress": "operator@second.example",
    "DeliverConcurrency": "3",
}
BROKEN = "CREATE TABLE half (id integer); INSERT INTO nowhere VALUES (1);"


@dataclass(frozen=True)
class Second:
    """A stack of its own, on the same emulator, in another database of the same server."""

    town: Town
    database_url: str
    author_token: str

    @property
    def outputs(self) -> dict[str, str]:
        return deployment._outputs(self.town.stack.aws)

    def ask(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        api = f"_aws/execute-api/{self.outputs['ApiId']}/prod"
        url = f"{self.town.stack.state.emulator_url}/{api}{path}"
        return self.town.http.request(method, url, json=json, headers=headers)

    def publish(self) -> Answer:
        return self.ask(
            "POST",
            "/issues",
            json={"title": "Second", "markdown": "Hello."},
            headers={
                "Authorization": f"Bearer {self.author_token}",
                "Idempotency-Key": str(uuid4()),
            },
        )

    def deploy(self, template: Path, **parameters: str) -> bool:
        return _deploy(self.town, template, self.database_url, **parameters)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(query.encode()).fetchall()


def _deploy(town: Town, template: Path, database_url: str, **parameters: str) -> bool:
    state, aws = town.stack.state, town.stack.aws
    deployment._make_application_role(database_url)
    given = deployment.PARAMETERS | PARAMETERS | deployment.database_parameters(aws, database_url)
    return deployment._sam_deploy(state, template, given | parameters, state.logs / "second.log")


@pytest.fixture(scope="module")
def second(town: Town) -> Iterator[Second]:
    """A second newsletter, with half of the account's sending rate."""
    with psycopg.connect(town.stack.database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE second")
    url = in_database(town.stack.database_url, "second")
    aws, template = town.stack.aws, town.stack.state.build / "template.yaml"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deployment, "STACK", STACK)
        assert _deploy(town, template, url, NewsletterName="The Second")
        secret = deployment._outputs(aws)["AuthorsSecretArn"]
        token = authors.add(aws.secrets, secret, "second's author")
        town.private.add(token)
        yield Second(town, url, token)
        deployment._delete(aws)


@pytest.fixture
def broken_build(town: Town, tmp_path: Path) -> Callable[[], Path]:
    """The same version with one migration more, which fails halfway."""

    def build() -> Path:
        folder = tmp_path / "build"
        shutil.copytree(town.stack.state.build, folder)
        migrations = folder / "MigrateFunction" / "migrations"
        last = max(int(file.name[:4]) for file in migrations.glob("*.sql"))
        (migrations / f"{last + 1:04}_broken.sql").write_text(BROKEN)
        template = folder / "template.yaml"
        text = template.read_text()
        assert f"SchemaVersion: {last}" in text
        template.write_text(text.replace(f"SchemaVersion: {last}", f"SchemaVersion: {last + 1}"))
        return template

    return build


def test_a_second_stack_shares_nothing_with_the_first(town: Town, second: Second) -> None:
    first = town.stack.deployment.outputs

    assert not {name for name, value in second.outputs.items() if value == first.get(name)}
    assert "The Second" in second.ask("GET", "/").data.decode()
    assert "The Local Broadsheet" in town.ask("GET", "/").data.decode()
    published = second.publish()
    assert published.status == 202, published.data
    assert second.rows("SELECT author, title FROM issues") == [("second's author", "Second")]
    refused = second.ask("POST", "/issues", json={}, headers=town.as_author)
    assert refused.status == 403


def test_a_deployment_whose_migration_fails_leaves_all_as_it_was(
    second: Second, broken_build: Callable[[], Path]
) -> None:
    tables = "SELECT number FROM schema_migrations ORDER BY number"
    before, outputs = second.rows(tables), second.outputs

    succeeded = second.deploy(broken_build(), NewsletterName="The Broken")

    assert not succeeded
    assert deployment._status(second.town.stack.aws) == "UPDATE_ROLLBACK_COMPLETE"
    assert (second.rows(tables), second.outputs) == (before, outputs)
    assert second.rows("SELECT to_regclass('half')") == [(None,)]
    assert "The Second" in second.ask("GET", "/").data.decode()
    assert second.publish().status == 202
