"""Functions are short enough to be seen at a glance; those that are SQL may be longer."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRODUCT = ("layers/common/broadsheet", "functions", "cli/broadsheet_cli")
SQL = ROOT / "layers/common/broadsheet/database"
MOST_LINES = 40  # of what it does: without its signature and its docstring


def lengths(file: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            has_docstring = ast.get_docstring(node) is not None
            body = node.body[1:] if has_docstring and len(node.body) > 1 else node.body
            yield node.name, (node.end_lineno or 0) - body[0].lineno + 1


def test_no_function_but_sql_is_long() -> None:
    files = [file for folder in PRODUCT for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 200

    long = {
        f"{file.relative_to(ROOT)}: {name}": lines
        for file in files
        if not file.is_relative_to(SQL)
        for name, lines in lengths(file)
        if lines > MOST_LINES
    }

    assert long == {}
