"""The two mails that answer a sign-up."""

import re

import pytest

from broadsheet import settings
from broadsheet.domain.subscribers import DueMail
from broadsheet.i18n import ENGLISH, Language
from broadsheet.mail.confirmation_mail import (
    render_already_subscribed,
    render_confirmation,
    templates,
    variables_of,
)
from broadsheet.mail.substitutions import BRACES
from tests.broadsheet.mail.mails import NEWSLETTER, Read


class TestTheAnswersToASignUp:
    def test_a_confirmation_shows_the_link_once_as_a_button_and_once_as_text(self) -> None:
        url = "https://news.example.com/confirm?token=a.b&c=1"
        mail = render_confirmation(NEWSLETTER, url, "12345678")
        links = [each["href"] for each in Read(mail.html).attributes if "href" in each]
        assert links == [url, url]
        assert Read(mail.html).texts["a"].endswith(url)
        assert f"\n{url}\n" in mail.text

    def test_a_confirmation_says_how_long_its_link_works_and_that_it_may_be_ignored(self) -> None:
        mail = render_confirmation(NEWSLETTER, "https://example.com/", "12345678")
        assert mail.subject == "Please confirm your subscription to The Harbour Letter"
        for part in (mail.html, mail.text):
            assert "7 days" in part
            assert "ignore this email" in part

    def test_the_second_answer_says_that_nothing_changed(self) -> None:
        mail = render_already_subscribed(NEWSLETTER)
        assert mail.subject == "You are already subscribed to The Harbour Letter"
        assert "nothing has changed" in " ".join(mail.html.split())
        assert "nothing has changed" in " ".join(mail.text.split())
        assert "href" not in mail.html

    def test_a_newsletters_name_is_escaped_in_html_alone(self) -> None:
        sharp = NEWSLETTER.model_copy(update={"name": "R&D <weekly>"})
        mail = render_already_subscribed(sharp)
        assert "R&amp;D &lt;weekly&gt;" in mail.html
        assert "R&D <weekly>" in mail.text
        assert mail.subject == "You are already subscribed to R&D <weekly>"

    def test_each_answer_is_in_the_readers_language_and_says_so(self) -> None:
        french = NEWSLETTER.model_copy(update={"name": "Le Phare", "language": "fr"})
        german = Language("de")

        confirmation = render_confirmation(french, "https://example.com/", "12345678", german)
        second = render_already_subscribed(french, german)

        assert confirmation.subject == "Bitte bestätigen Sie Ihr Abonnement: Le Phare"
        assert second.subject == "Sie haben Le Phare schon abonniert"
        assert "Der Code gilt 30 Minuten, der Link 7 Tage." in confirmation.text
        assert "es hat sich nichts geändert" in second.text
        for mail in (confirmation, second):
            assert '<html lang="de" dir="ltr">' in mail.html
            assert '<cite lang="fr">Le Phare</cite>' in mail.html
            assert "Gesendet von" in mail.html
            assert "Sent by" not in mail.html + mail.text

    @pytest.mark.parametrize("language", [ENGLISH, Language("de")], ids=lambda each: each.tag)
    def test_without_a_code_it_names_none(self, language: Language) -> None:
        mail = render_confirmation(NEWSLETTER, "https://example.com/", "", language)
        texts = Read(mail.html).texts
        del texts["style"]
        said = " ".join([*texts.values(), mail.subject, mail.text])
        assert not re.search(r"\bcode|30|@example\.com #", said, re.IGNORECASE)
        assert "7 " in mail.text

    @pytest.mark.parametrize("code", ["12345678", ""], ids=["with a code", "without"])
    def test_its_templates_become_the_same_mail(
        self, monkeypatch: pytest.MonkeyPatch, code: str
    ) -> None:
        monkeypatch.setenv("PUBLIC_URL", "https://news.example.com/it&that")
        sharp = NEWSLETTER.model_copy(update={"name": "R&D {{weekly}} \\{{{"})
        url = settings.confirmation_link("a.b")
        template = templates(sharp, DueMail.CONFIRMATION, ENGLISH, has_code=bool(code))
        values = BRACES | variables_of(url, code)

        def filled(text: str) -> str:
            return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], text)

        mail = render_confirmation(sharp, url, code)
        assert filled(template.subject) == mail.subject
        assert filled(template.text) == mail.text
        assert filled(template.html) == mail.html
