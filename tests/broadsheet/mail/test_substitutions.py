"""Every variable that SES substitutes has a value."""

import re

from broadsheet.domain.issues import IssueTitle
from broadsheet.mail.substitutions import TEMPLATE_DEFAULTS
from tests.broadsheet.mail.mails import markdown_issue, variables


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
