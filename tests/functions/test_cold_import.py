"""What a function costs when it starts, and which packages it may load for that."""

import os
import re
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

# What every function of ours needs: AWS's client, types, logs and metrics.
EVERYWHERE = {
    *("boto3", "botocore", "s3transfer", "certifi", "dateutil", "jmespath", "six", "urllib3"),
    *("annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"),
    "aws_lambda_powertools",
}
DATABASE = {"psycopg", "psycopg_binary", "cython_runtime"}
SIGNATURES = {"itsdangerous"}
TOKENS = {"jwt", "cryptography"}
TEMPLATES = {"jinja2", "markupsafe"}
MARKDOWN = {"markdown_it", "mdurl", "linkify_it", "uc_micro", "mdit_py_plugins"}
RENDERING = TEMPLATES | MARKDOWN | {"css_inline", "tinycss2", "webencodings"}
# By function: the packages that it may load beside those of all. `make bench ONLY=starting`
# measures how long that takes.
ALLOWED = {
    "authorize": set[str](),
    "subscribe": SIGNATURES | TEMPLATES,
    "confirm": SIGNATURES | TEMPLATES,
    "unsubscribe": SIGNATURES | TEMPLATES,
    "manage": SIGNATURES | TEMPLATES,
    "migrate": DATABASE,
    "feedback": DATABASE,
    "notify": DATABASE | SIGNATURES,
    "outbound": set[str](),
    "dispatch": DATABASE,
    "deliver": DATABASE | SIGNATURES,
    "enroll": DATABASE | SIGNATURES,
    "images": TEMPLATES,
    "newsroom": SIGNATURES | TEMPLATES | TOKENS,
    "archive": TEMPLATES,
    "publish": DATABASE | RENDERING,
    "preview": DATABASE | RENDERING,
    "people": DATABASE | SIGNATURES | TEMPLATES,
    "transfer": DATABASE | SIGNATURES,
    "studio": DATABASE | SIGNATURES | RENDERING,
}
EDGE = (
    "subscribe",
    "confirm",
    "unsubscribe",
    "manage",
    "authorize",
    "images",
    "archive",
    "newsroom",
)
# What only some mails, pages or endpoints use is imported by them.
NOBODY = {"aws_xray_sdk", "email_validator", "regex"}

MODULES_AFTER_IMPORT = "import sys, app; print(*sys.modules)"


def run(code: str, function: str) -> str:
    """Run code in an interpreter of its own that starts as the function does in Lambda."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path = [str(ROOT / "functions" / function), str(ROOT / "layers" / "common")]
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment
        | {"PYTHONPATH": os.pathsep.join(path), "PYDANTIC_DISABLE_PLUGINS": "__all__"},
        capture_output=True,
        check=True,
        text=True,
    ).stdout


@cache
def imported_by(function: str) -> set[str]:
    return set(run(MODULES_AFTER_IMPORT, function).split())


def test_every_function_has_its_list() -> None:
    assert set(ALLOWED) == {path.parent.name for path in ROOT.glob("functions/*/app.py")}


@pytest.mark.parametrize("function", ALLOWED)
def test_a_function_loads_only_the_packages_of_its_list(function: str) -> None:
    at_start = set(run("import sys; print(*sys.modules)", function).split())
    packages = {name.partition(".")[0] for name in imported_by(function) - at_start}
    ours = {"app", "broadsheet"}

    extra = packages - sys.stdlib_module_names - ours - EVERYWHERE - ALLOWED[function]

    assert not {name for name in extra if re.fullmatch(r"[a-z]\w*", name)}
    assert not packages & NOBODY
    assert "gettext" not in packages  # no catalogue is read before a reader is addressed


@pytest.mark.parametrize("function", EDGE)
def test_an_edge_function_reaches_no_database_and_sends_no_mail(function: str) -> None:
    imported = imported_by(function)

    assert "broadsheet.settings" in imported
    assert not [
        name for name in imported if name.startswith(("broadsheet.database", "broadsheet.mail"))
    ]
    assert "broadsheet.issue_clock" not in imported


AUTHORS_ROOMS = ("studio", "services.authors", "services.newsroom", "workflow_tokens")


@pytest.mark.parametrize("function", ALLOWED)
def test_only_its_own_function_loads_a_room_of_the_authors(function: str) -> None:
    rooms = {
        room
        for room in AUTHORS_ROOMS
        for name in imported_by(function)
        if f"{name}.".startswith(f"broadsheet.{room}.")
    }

    assert rooms == {
        "studio": {"studio", "services.authors"},
        "newsroom": {"services.newsroom", "workflow_tokens"},
    }.get(function, set())


# The types of pydantic take 0.2 to 5 ms each to make. Workers start cold most often, and the time
# of their import is paid for: none loads a module with types that only others use.
UNUSED_BY_WORKERS = {
    # What authors write, ask for and publish, and what they see of it.
    *("domain.issue_requests", "domain.issue_versions", "domain.publications", "domain.books"),
    *("domain.findings", "domain.authors_voice", "domain.authors_secret", "domain.workflows"),
    # What readers ask for at the edge, for enroll to apply, and the tokens of their links.
    *("domain.requests", "domain.confirming", "domain.strict_mode", "domain.subscriber_state"),
    *("signed_tokens", "domain.workflow_sessions", "database.subscribers_table"),
    # Webhooks, which notify calls: whoever makes a change asks the outbox alone.
    *("domain.webhooks", "domain.targets", "database.webhooks_table"),
    # What dispatch does once an issue, once a day, or for large issues alone.
    *(
        "domain.archive",
        "domain.circulation",
        "domain.open_problems",
        "storage",
        "mail.public_issue",
    ),
    *("services.issues.archive_pages", "services.issues.statements", "services.issues.counting"),
}
# An issue with its plan, which dispatch follows; deliver and feedback can only pause it.
PLANS = {"domain.issue_progress", "domain.segments", "domain.careful_start", "domain.tags"}
UNUSED_BY = {
    "deliver": UNUSED_BY_WORKERS | PLANS | {"domain.ses_events", "services.feedback.recording"},
    "feedback": UNUSED_BY_WORKERS | PLANS,
    # It sends no mail to readers, and drops what is no event of a mail without reading any event.
    "dispatch": UNUSED_BY_WORKERS | {"domain.ses_events", "mail.ses.sending", "i18n"},
}


@pytest.mark.parametrize("function", UNUSED_BY)
def test_a_worker_loads_no_types_that_only_others_use(function: str) -> None:
    unused = UNUSED_BY[function]

    loaded = {name for name in unused if f"broadsheet.{name}" in imported_by(function)}

    assert not loaded


@pytest.mark.parametrize("name", sorted(set().union(*UNUSED_BY.values())))
def test_what_workers_do_not_load_is_there(name: str) -> None:
    assert find_spec(f"broadsheet.{name}")


def test_feedback_reaches_no_mail_and_no_clock() -> None:
    imported = imported_by("feedback")

    assert "broadsheet.services.feedback.recording" in imported
    assert not [name for name in imported if name.startswith("broadsheet.mail")]
    assert not imported & {"broadsheet.issue_clock", "broadsheet.dispatch_kick"}
