"""Every variable that SES substitutes has a value."""

import html
import re
from urllib.parse import quote

from broadsheet import i18n
from broadsheet.domain.issues import IssueTitle
from broadsheet.mail import footer
from broadsheet.mail.substitutions import (
    TEMPLATE_DEFAULTS,
    optional_variables,
    reader_variables,
    template_defaults,
)
from tests.broadsheet.mail.mails import (
    LINKS,
    NEWSLETTER,
    TOKENS,
    UNSUBSCRIBE_URL,
    markdown_issue,
    send,
    variables,
)

SENTENCES = footer.texts(NEWSLETTER, i18n.ENGLISH)

VARIABLE = re.compile(r"\{\{([a-z0-9_]+)\}\}")


def test_every_variable_has_a_default() -> None:
    issue = markdown_issue(
        "{{x}} {[[name]]} \\\\{{ [x](https://x.test/[[name]]?b=[[unsubscribe]]) [[name|you]]"
        " [[archive]][[manage]]",
        IssueTitle("\\{{[[name]]}}"),
    )
    templates = issue.subject, issue.html, issue.text
    used = set(VARIABLE.findall("".join(templates)))
    found = optional_variables(*templates)
    assert used == template_defaults(found, LINKS, SENTENCES).keys()
    assert used > TEMPLATE_DEFAULTS.keys()
    assert reader_variables("Ada", TOKENS, found.of_reader, LINKS.unsubscribe).keys() < used
    assert variables("".join(templates), "Ada").keys() == used


def test_defaults_alone_make_a_mail_that_reads_well() -> None:
    issue = markdown_issue("Dear [[name]],")
    defaults = template_defaults(optional_variables(issue.text), LINKS, SENTENCES)
    text = VARIABLE.sub(lambda found: defaults[found[1]], issue.text)
    assert "Dear reader," in text
    assert "You get this because you subscribed to The Harbour Letter." in text


def test_a_template_that_was_rendered_before_has_its_readers_links() -> None:
    """In 0.1.0 a whole link was one variable, and the footer was text."""
    template = (
        '<a href="{{unsubscribe_url_html}}">{{name_html}}</a>'
        '<a href="https://x.test/?u={{unsubscribe_url_url}}">{{unsubscribe_url_text}}'
    )
    sent = send(template, "Ada")
    assert f'<a href="{html.escape(UNSUBSCRIBE_URL)}">Ada</a>' in sent
    assert f'"https://x.test/?u={quote(UNSUBSCRIBE_URL, safe="")}">{UNSUBSCRIBE_URL}' in sent
    defaults = template_defaults(optional_variables(template), LINKS, SENTENCES)
    assert set(VARIABLE.findall(template)) < defaults.keys()


def test_a_reader_without_a_name_gets_the_defaults() -> None:
    issue = markdown_issue("Dear [[name]], dear [[name|friend]],")
    assert "Dear reader, dear friend," in send(issue.text, "")
    assert "Dear Ursula, dear Ursula," in send(issue.text)
