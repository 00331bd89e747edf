"""The mails that readers ask for while they manage their subscription."""

from collections.abc import Callable

import pytest

from broadsheet.domain.newsletter import Newsletter
from broadsheet.i18n import Language
from broadsheet.mail.content import MailContent
from broadsheet.mail.subscription_mail import (
    render_export,
    render_manage_link,
    render_new_address,
)
from tests.broadsheet.mail.mails import NEWSLETTER, Read

GERMAN = Language("de")
URL = "https://news.example.com/subscription?token=a.b&c=1"


@pytest.mark.parametrize("render", [render_manage_link, render_new_address])
def test_a_link_stands_once_as_a_button_and_once_as_text(
    render: Callable[[Newsletter, str], MailContent],
) -> None:
    mail = render(NEWSLETTER, URL)

    assert [each["href"] for each in Read(mail.html).attributes if "href" in each] == [URL, URL]
    assert f"\n{URL}\n" in mail.text
    assert "ignore this email" in mail.text


def test_the_export_brings_its_file_and_no_link() -> None:
    mail = render_export(NEWSLETTER, b"{}")

    assert mail.attachment is not None
    assert (mail.attachment.file_name, mail.attachment.content) == ("subscription.json", b"{}")
    assert "subscription.json" in mail.text
    assert "href" not in mail.html


def test_each_is_in_its_readers_language() -> None:
    subjects = [
        render_manage_link(NEWSLETTER, URL, GERMAN).subject,
        render_new_address(NEWSLETTER, URL, GERMAN).subject,
        render_export(NEWSLETTER, b"{}", GERMAN).subject,
    ]

    assert all(subject != english for subject, english in zip(subjects, ENGLISH, strict=True))
    assert all("The Harbour Letter" in subject for subject in subjects)
    assert 'lang="de"' in render_export(NEWSLETTER, b"{}", GERMAN).html


ENGLISH = (
    "Your subscription to The Harbour Letter",
    "Please confirm your new address for The Harbour Letter",
    "Your data at The Harbour Letter",
)
