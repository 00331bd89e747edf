"""Every variable that SES substitutes has a value."""

import re

from broadsheet.domain.issues import IssueTitle
from broadsheet.mail.substitutions import (
    TEMPLATE_DEFAULTS,
    all_variables,
    optional_variables,
    recipient_variables,
    template_defaults,
)
from tests.broadsheet.mail.mails import UNSUBSCRIBE_URL, markdown_issue, send

VARIABLE = re.compile(r"\{\{([a-z0-9_]+)\}\}")


def test_every_variable_has_a_default() -> None:
    issue = markdown_issue(
        "{{x}} {[[name]]} \\\\{{ [x](https://x.test/[[name]]?b=[[unsubscribe]]) [[name|you]]",
        IssueTitle("\\{{[[name]]}}"),
    )
    templates = issue.subject, issue.html, issue.text
    used = set(VARIABLE.findall("".join(templates)))
    optional = optional_variables(*templates)
    assert used == template_defaults(optional).keys()
    assert used > TEMPLATE_DEFAULTS.keys()
    assert recipient_variables("Ada", UNSUBSCRIBE_URL, optional).keys() < used
    assert all_variables("".join(templates), "Ada", UNSUBSCRIBE_URL).keys() == used


def test_defaults_alone_make_a_mail_that_reads_well() -> None:
    issue = markdown_issue("Dear [[name]],")
    text = VARIABLE.sub(lambda found: TEMPLATE_DEFAULTS[found[1]], issue.text)
    assert "Dear reader," in text


def test_a_reader_without_a_name_gets_the_defaults() -> None:
    issue = markdown_issue("Dear [[name]], dear [[name|friend]],")
    assert "Dear reader, dear friend," in send(issue.text, "")
    assert "Dear Ursula, dear Ursula," in send(issue.text)
