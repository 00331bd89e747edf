"""The variables of a recipient: all have defaults, and need nothing that renders."""

import re
import subprocess
import sys
from pathlib import Path

import broadsheet
from broadsheet.domain.issues import IssueTitle
from broadsheet.mail.substitutions import TEMPLATE_DEFAULTS
from tests.broadsheet.mail.mails import markdown_issue, variables

LAYER = Path(broadsheet.__file__).parents[1]
RENDERERS = {"css_inline", "jinja2", "markdown_it", "wcwidth"}


def test_substitutions_load_nothing_that_renders() -> None:
    program = (
        "import sys, broadsheet.mail.content, broadsheet.mail.substitutions; print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(LAYER)},
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()
    assert "broadsheet.mail.substitutions" in loaded
    assert not RENDERERS & set(loaded)


def test_every_variable_has_a_default() -> None:
    issue = markdown_issue(
        "{{x}} {[[name]]} \\\\{{ [x](https://x.test/[[name]])", IssueTitle("\\{{[[name]]}}")
    )
    used = set(re.findall(r"\{\{([a-z_]+)\}\}", issue.subject + issue.html + issue.text))
    assert used == TEMPLATE_DEFAULTS.keys()
    assert variables().keys() < TEMPLATE_DEFAULTS.keys()


def test_defaults_alone_make_a_mail_that_reads_well() -> None:
    issue = markdown_issue("Dear [[name]],")
    text = re.sub(r"\{\{([a-z_]+)\}\}", lambda found: TEMPLATE_DEFAULTS[found[1]], issue.text)
    assert "Dear reader," in text
