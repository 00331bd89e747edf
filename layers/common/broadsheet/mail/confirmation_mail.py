"""The two mails that answer a sign-up. They hold nothing that was typed into the form."""

from broadsheet.domain.newsletter import Newsletter
from broadsheet.mail.content import MailContent
from broadsheet.mail.frame import filled, framed


def render_confirmation(newsletter: Newsletter, confirm_url: str) -> MailContent:
    """Ask whether a sign-up is meant."""
    return _answer(
        f"Please confirm your subscription to {newsletter.name}",
        "confirmation",
        newsletter=newsletter,
        confirm_url=confirm_url,
    )


def render_already_subscribed(newsletter: Newsletter) -> MailContent:
    """Answer the sign-up of a confirmed subscriber."""
    return _answer(
        f"You are already subscribed to {newsletter.name}",
        "already_subscribed",
        newsletter=newsletter,
    )


def _answer(subject: str, template: str, *, newsletter: Newsletter, **values: str) -> MailContent:
    return MailContent(
        subject=subject,
        html=framed(
            f"{template}.html",
            language="en",
            adapts_to_dark=True,
            title=subject,
            newsletter=newsletter,
            **values,
        ),
        text=filled(f"{template}.txt", newsletter=newsletter, **values),
    )
