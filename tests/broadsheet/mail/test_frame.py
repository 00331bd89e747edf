"""A mail's templates: one folder holds all of its words."""

from pathlib import Path

import pytest

from broadsheet.mail import frame, theme
from tests.broadsheet.mail.mails import NEWSLETTER

FOLDERS = sorted(path for path in (theme.THEMES / theme.DEFAULT).iterdir() if path.is_dir())
MAILS = [folder for folder in FOLDERS if folder.name != "frame"]


@pytest.mark.parametrize("mail", MAILS, ids=lambda folder: folder.name)
def test_each_mail_has_its_subject_text_and_html_in_a_folder(mail: Path) -> None:
    assert {"subject.txt", "text.txt", "html.html"} <= {file.name for file in mail.iterdir()}


def test_a_subject_is_one_line_without_the_end_of_its_file() -> None:
    assert frame.subject("issue", NEWSLETTER, title="Number one") == "Number one"
