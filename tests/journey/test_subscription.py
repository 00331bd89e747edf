"""A reader manages their subscription on the deployed stack, from the foot of a page on."""

import json
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from urllib.parse import urlencode
from uuid import uuid4

from tests.journey.people import BROWSER, FORM, Answer, Reader, ReceivedMail, Town, until


def post(town: Town, where: str, **fields: str) -> Answer:
    return town.ask("POST", where, body=urlencode(fields), headers=BROWSER | FORM)


def mail_about(reader: Reader, subject: str) -> ReceivedMail:
    def found() -> list[ReceivedMail]:
        return [mail for mail in reader.mails() if subject in mail.subject]

    return until(found, what=f"a mail: {subject}")[-1]


def link_for(reader: Reader) -> str:
    """Ask for the link where every page's foot leads."""
    page = reader.town.ask("GET", "/subscription", headers=BROWSER)
    assert (page.status, b"Email me the link" in page.data) == (200, True)
    before = len(reader.mails())
    assert post(reader.town, "/subscription/link", email=reader.email).status == 202
    until(lambda: len(reader.mails()) > before, what="a mailed link")
    return reader.mails()[-1].link("/subscription?token=")


def test_a_reader_moves_takes_their_data_and_is_erased(town: Town):
    reader = town.subscriber()
    new = Reader(town, reader.name, f"moved-{uuid4().hex}@new.example")
    town.private.add(new.email.partition("@")[0])

    link = link_for(reader)
    page = town.ask("GET", link, headers=BROWSER)
    assert page.status == 200
    assert post(town, link, do="name", name="Countess Lovelace").status == 202
    assert post(town, link, do="address", email=new.email).status == 202
    confirm = mail_about(new, "confirm your new address").link("/subscription/address?token=")
    moved = new.press_button(town.ask("GET", confirm, headers=BROWSER))
    assert moved.status == 202
    town.await_readers_wishes()

    assert post(town, link, do="erase").status == 202  # of the address that was left
    assert post(town, link, do="export").status == 202
    raw = town.ask("GET", f"{town.stack.inbox_url}mails/{mail_about(new, 'Your data').id}/raw")
    message = message_from_bytes(raw.data, _class=EmailMessage, policy=default_policy)
    (attached,) = message.iter_attachments()
    document = json.loads(attached.get_content())
    assert document["profile"]["email"] == new.email
    assert document["profile"]["name"] == "Countess Lovelace"
    assert [each["change"] for each in document["consents"]][-1] == "address_changed"

    fresh = mail_about(new, "Your subscription to").link("/subscription?token=")
    question = town.ask("GET", f"{fresh}&show=erase", headers=BROWSER)
    assert (question.status, b"Erase everything" in question.data) == (200, True)
    assert post(town, fresh, do="erase").status == 202
    town.await_readers_wishes()
    before = len(new.mails())
    assert post(town, "/subscription/link", email=new.email).status == 202
    town.await_readers_wishes()
    assert len(new.mails()) == before
