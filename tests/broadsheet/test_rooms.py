"""Each outside thing has one room, and nobody else reaches it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers" / "common" / "broadsheet"
PRODUCT = [*LAYER.rglob("*.py"), *ROOT.glob("functions/*/app.py")]

STATEMENT = re.compile(
    r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|SET|CREATE|ALTER|DROP|GRANT|COPY|LOCK)\s+\S"
)
EXECUTING = {"execute", "executemany", "copy", "pipeline"}
# By AWS service: the one place that has its client.
OWNERS = {
    "lambda": "lambdas.py",
    "s3": "storage/",
    "scheduler": "issue_clock.py",
    "secretsmanager": "secrets.py",
    "sesv2": "mail/ses/client.py",
    "sns": "operator_notice.py",
    "sqs": "queues/sqs.py",
}


def executes_sql(code: str) -> list[int]:
    """Return the lines that execute SQL, or hold a statement outside of a docstring."""
    tree = ast.parse(code)
    prose = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in EXECUTING
        )
        or (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in prose
            and STATEMENT.match(node.value)
        )
    ]


def clients_made(code: str) -> Iterator[str]:
    """Yield the services whose clients are made, and what is imported to make one."""
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="client" | "create_client" | "resource"),
                args=[ast.Constant(value=str(service)), *_],
            ):
                yield service
            case ast.Import(names=names):
                yield from (
                    name.name for name in names if name.name.startswith(("boto3", "botocore.se"))
                )
            case ast.ImportFrom(module=str(module)) if module.startswith(("boto3", "botocore.se")):
                yield module


@pytest.mark.parametrize(
    "code",
    [
        'connection.execute("SELECT 1")',
        'QUERY = "UPDATE issues SET title = 1"',
        'QUERY = """\n    WITH a AS (SELECT 1)\n    """',
    ],
)
def test_sql_is_found(code: str) -> None:
    assert executes_sql(code)


def test_prose_is_no_sql() -> None:
    assert not executes_sql('def f():\n    """Update issues with the time."""\n    return "Set it"')


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('aws.client(\n    "s3"\n)', ["s3"]),
        ("import boto3", ["boto3"]),
        ("from botocore.session import get_session", ["botocore.session"]),
    ],
)
def test_a_client_is_found(code: str, found: list[str]) -> None:
    assert list(clients_made(code)) == found


def test_sql_is_executed_in_the_database_room_only() -> None:
    assert not {
        f"{file.relative_to(ROOT)}:{line}"
        for file in PRODUCT
        if LAYER / "database" not in file.parents
        for line in executes_sql(file.read_text(encoding="utf-8"))
    }


def test_each_aws_service_has_its_client_in_one_place() -> None:
    made = {
        (service, str(file.relative_to(LAYER if LAYER in file.parents else ROOT)))
        for file in PRODUCT
        if file != LAYER / "aws.py"
        for service in clients_made(file.read_text(encoding="utf-8"))
    }

    assert not {
        (service, place)
        for service, place in made
        if not place.startswith(OWNERS.get(service, "nowhere"))
    }
    assert {service for service, _ in made} == OWNERS.keys()


def test_no_handler_imports_a_table_module() -> None:
    imported = {
        (file.parent.name, node.module)
        for file in ROOT.glob("functions/*/app.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("broadsheet.database")
    }

    assert not {
        (function, module)
        for function, module in imported
        if "table" in str(module) or "ledger" in str(module)
    }
