"""The server renders, stores and answers mails as SES does."""

import json
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default as default_policy
from typing import TYPE_CHECKING

from ses_server import Outcome, Server
from tests.ses_server.clients import SENDER, entry, pairs, simple, template

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

    type Client = SESV2Client


def test_a_simple_mail_is_in_its_reader_s_mailbox_with_all_its_headers(
    client: "Client", server: Server
) -> None:
    answer = client.send_email(
        FromEmailAddress='"The Review, Weekly" <news@example.com>',
        ReplyToAddresses=["editor@example.com"],
        Destination={"ToAddresses": ["Ursula@Example.com"]},
        Content={
            "Simple": {
                "Subject": {"Data": "Please confirm"},
                "Body": {"Text": {"Data": "Yes?"}, "Html": {"Data": "<p>Yes?</p>"}},
                "Headers": pairs({"List-Id": "<review.example.com>", "X-Trace": "7"}),
            }
        },
        EmailTags=pairs({"kind": "confirmation"}),
        ConfigurationSetName="confirmations",
    )

    (mail,) = server.mails(to="ursula@example.com")
    assert mail.message_id == answer["MessageId"]
    assert datetime.now(UTC) - mail.received_at < timedelta(minutes=1)
    assert (mail.sender, mail.reply_to) == (
        '"The Review, Weekly" <news@example.com>',
        "editor@example.com",
    )
    assert (mail.subject, mail.text, mail.html) == ("Please confirm", "Yes?", "<p>Yes?</p>")
    assert mail.header("to") == "Ursula@Example.com"
    assert mail.header("List-Id") == "<review.example.com>"
    assert mail.header("X-Trace") == "7"
    assert mail.tags == {"kind": "confirmation"}
    assert mail.configuration_set == "confirmations"
    assert mail.operation == "SendEmail"


def test_the_raw_message_reads_as_rfc_5322_with_the_same_headers_and_bodies(
    client: "Client", server: Server
) -> None:
    subject, text = "Grüße, “héllo” " * 12, "Ünïcode\nand a line " + "x" * 1200 + "\n.\n"
    html = "<p>Grüße = 1</p>\n"
    client.send_email(
        FromEmailAddress=SENDER,
        Destination={"ToAddresses": ["ursula@example.com"]},
        Content={
            "Simple": {
                "Subject": {"Data": subject},
                "Body": {"Text": {"Data": text}, "Html": {"Data": html}},
                "Headers": pairs({"List-Unsubscribe": "<https://example.com/" + "a" * 900 + ">"}),
            }
        },
    )

    (mail,) = server.mails()
    parsed = message_from_bytes(mail.raw, policy=default_policy)
    text_part, html_part = parsed.get_body(("plain",)), parsed.get_body(("html",))
    assert text_part is not None
    assert html_part is not None
    assert parsed.get_content_type() == "multipart/alternative"
    assert parsed["Subject"] == subject
    assert parsed["Message-ID"] == f"<{mail.message_id}@email.amazonses.com>"
    assert text_part.get_content() == text.replace("\n", "\r\n")
    assert html_part.get_content() == html.replace("\n", "\r\n")
    assert [name for name, _ in parsed.items()] == [name for name, _ in mail.headers]
    assert max(map(len, mail.raw.split(b"\r\n"))) <= 998  # RFC 5322 §2.1.1


def test_a_mail_to_several_people_is_in_each_of_their_mailboxes(
    client: "Client", server: Server
) -> None:
    answer = client.send_email(
        FromEmailAddress=SENDER,
        Destination={
            "ToAddresses": ["a@example.com", "b@example.com"],
            "CcAddresses": ["c@example.com"],
            "BccAddresses": ["d@example.com"],
        },
        Content=simple(),
    )

    assert [mail.to for mail in server.mails()] == [f"{name}@example.com" for name in "abcd"]
    assert {mail.message_id for mail in server.mails()} == {answer["MessageId"]}
    (seen_by_d,) = server.mails(to="d@example.com")
    assert seen_by_d.header("To") == "a@example.com, b@example.com"
    assert seen_by_d.header("Cc") == "c@example.com"
    assert b"d@example.com" not in seen_by_d.raw


def test_a_raw_mail_arrives_unchanged_but_for_the_headers_that_ses_sets(
    client: "Client", server: Server
) -> None:
    raw = (
        f"From: {SENDER}\r\nTo: ursula@example.com\r\nBcc: spy@example.com\r\n"
        "Message-ID: <mine@here>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
        "X-Long: one\r\n two\r\n\r\nHello.\r\n"
    )

    answer = client.send_email(Content={"Raw": {"Data": raw.encode()}})

    (mail,) = server.mails(to="ursula@example.com")
    assert (mail.sender, mail.subject, mail.text) == (SENDER, "Grüße", "Hello.\r\n")
    assert mail.header("X-Long") == "one two"
    assert mail.header("Message-ID") == f"<{answer['MessageId']}@email.amazonses.com>"
    assert mail.header("Bcc") is None
    assert len(server.mails(to="spy@example.com")) == 1


def test_each_entry_of_a_bulk_call_has_its_own_data_headers_and_tags(
    client: "Client", server: Server
) -> None:
    content = template(
        {"name": "reader", "issue": 7},
        Subject="Issue {{issue}} for {{name}}",
        Text="Dear {{ name }}",
        Html="<p>Dear {{name}}</p>",
    )
    content["Template"]["Headers"] = pairs({"List-Id": "<review>", "X-Kind": "default"})

    answer = client.send_bulk_email(
        FromEmailAddress=SENDER,
        DefaultContent=content,
        DefaultEmailTags=pairs({"issue": "7", "round": "1"}),
        BulkEmailEntries=[
            entry(
                "ursula@example.com",
                {"name": "Ursula"},
                {"x-kind": "own", "X-New": "1"},
                {"round": "2"},
            ),
            entry("shevek@example.com"),
        ],
        ConfigurationSetName="issues",
    )

    ursula, shevek = server.mails()
    assert [
        (result["Status"], result["MessageId"]) for result in answer["BulkEmailEntryResults"]
    ] == [
        ("SUCCESS", ursula.message_id),
        ("SUCCESS", shevek.message_id),
    ]
    assert (ursula.subject, ursula.text) == ("Issue 7 for Ursula", "Dear Ursula")
    assert ursula.html == "<p>Dear Ursula</p>"
    assert shevek.subject == "Issue 7 for reader"
    assert (ursula.header("X-Kind"), ursula.header("X-New")) == ("own", "1")
    assert (shevek.header("X-Kind"), shevek.header("X-New")) == ("default", None)
    assert ursula.header("List-Id") == shevek.header("List-Id") == "<review>"
    assert (ursula.tags, shevek.tags) == (
        {"issue": "7", "round": "2"},
        {"issue": "7", "round": "1"},
    )
    assert (ursula.operation, ursula.configuration_set) == ("SendBulkEmail", "issues")


def test_values_are_inserted_unescaped_and_not_parsed_again(
    client: "Client", server: Server
) -> None:
    client.send_bulk_email(
        FromEmailAddress=SENDER,
        DefaultContent=template({"other": "never"}, Html="<p>{{name}} {{other}}</p>"),
        BulkEmailEntries=[entry("ursula@example.com", {"name": "<b>O'Brien</b> & {{other}} \\1"})],
    )

    (mail,) = server.mails()
    assert mail.html == "<p><b>O'Brien</b> & {{other}} \\1 never</p>"


def test_a_missing_variable_is_answered_with_success_and_delivers_nothing(
    client: "Client", server: Server
) -> None:
    answer = client.send_bulk_email(
        FromEmailAddress=SENDER,
        DefaultContent=template({"name": "reader"}, Text="Dear {{name}}, {{link}}"),
        BulkEmailEntries=[
            entry("ursula@example.com"),
            entry("shevek@example.com", {"link": "https://example.com"}),
        ],
    )

    statuses = [result["Status"] for result in answer["BulkEmailEntryResults"]]
    assert statuses == ["SUCCESS", "SUCCESS"]
    assert [mail.to for mail in server.mails()] == ["shevek@example.com"]
    (failure,) = server.undelivered()
    assert failure.message_id == answer["BulkEmailEntryResults"][0]["MessageId"]
    assert failure.outcome is Outcome.RENDERING_FAILURE
    assert failure.reason == "Attribute 'link' is not present in the rendering data."


def test_a_template_with_handlebars_syntax_delivers_nothing(
    client: "Client", server: Server
) -> None:
    client.send_bulk_email(
        FromEmailAddress=SENDER,
        DefaultContent=template({"name": "x"}, Text="{{#if name}}Dear {{name}}{{/if}}"),
        BulkEmailEntries=[entry("ursula@example.com")],
    )

    assert server.mails() == []
    assert len(server.undelivered()) == 1


def test_braces_in_a_simple_mail_are_plain_text(client: "Client", server: Server) -> None:
    client.send_email(
        FromEmailAddress=SENDER,
        Destination={"ToAddresses": ["ursula@example.com"]},
        Content=simple(text="{{name}}"),
    )

    assert [mail.text for mail in server.mails()] == ["{{name}}"]


def test_a_single_mail_may_be_an_inline_template(client: "Client", server: Server) -> None:
    client.send_email(
        FromEmailAddress=SENDER,
        Destination={"ToAddresses": ["ursula@example.com"]},
        Content={
            "Template": {
                "TemplateContent": {"Subject": "{{a}}", "Text": "{{b}}"},
                "TemplateData": json.dumps({"a": 1.5, "b": None}),
            }
        },
    )

    assert [(mail.subject, mail.text) for mail in server.mails()] == [("1.5", "")]


def test_a_suppressed_address_is_answered_with_success_and_gets_nothing(
    client: "Client", server: Server
) -> None:
    client.put_suppressed_destination(EmailAddress="Gone@example.com", Reason="BOUNCE")

    client.send_email(
        FromEmailAddress=SENDER,
        Destination={"ToAddresses": ["gone@example.com", "ursula@example.com"]},
        Content=simple(),
    )

    assert [mail.to for mail in server.mails()] == ["ursula@example.com"]
    assert [(mail.to, mail.outcome) for mail in server.undelivered()] == [
        ("gone@example.com", Outcome.SUPPRESSED)
    ]


def test_a_configuration_set_can_suppress_for_complaints_only(
    client: "Client", server: Server
) -> None:
    client.create_configuration_set(
        ConfigurationSetName="confirmations",
        SuppressionOptions={"SuppressedReasons": ["COMPLAINT"]},
    )
    client.put_suppressed_destination(EmailAddress="bounced@example.com", Reason="BOUNCE")
    client.put_suppressed_destination(EmailAddress="cross@example.com", Reason="COMPLAINT")

    client.send_email(
        FromEmailAddress=SENDER,
        Destination={"ToAddresses": ["bounced@example.com", "cross@example.com"]},
        Content=simple(),
        ConfigurationSetName="confirmations",
    )

    assert [mail.to for mail in server.mails()] == ["bounced@example.com"]
    assert [mail.to for mail in server.undelivered()] == ["cross@example.com"]


def test_a_subject_is_one_line_whatever_values_it_has(client: "Client", server: Server) -> None:
    client.send_bulk_email(
        FromEmailAddress=SENDER,
        DefaultContent=template(Subject="Dear {{name}}", Text="."),
        BulkEmailEntries=[entry("ursula@example.com", {"name": "U\r\nBcc: spy@example.com"})],
    )

    (mail,) = server.mails()
    assert mail.header("Bcc") is None
    assert message_from_bytes(mail.raw)["Subject"] == "Dear U Bcc: spy@example.com"


def test_an_attachment_arrives_beside_the_text_and_the_html(
    client: "Client", server: Server
) -> None:
    content = simple(
        "Your data",
        "Attached.",
        Headers=pairs({"Auto-Submitted": "auto-generated"}),
        Attachments=[{"FileName": "data.json", "RawContent": b'{"a": "\xc3\xa9"}'}],
    )
    content["Simple"]["Body"]["Html"] = {"Data": "<p>Attached.</p>"}

    client.send_email(
        FromEmailAddress="=?utf-8?q?Zo=C3=AB?= <news@example.com>",
        Destination={"ToAddresses": ["ursula@example.com"]},
        Content=content,
        EmailTags=pairs({"kind": "export"}),
    )

    (mail,) = server.mails(to="ursula@example.com")
    message = message_from_bytes(mail.raw, policy=default_policy)
    (attached,) = message.iter_attachments()
    assert (mail.subject, mail.sender) == ("Your data", "Zoë <news@example.com>")
    assert (mail.text or "").strip() == "Attached."
    assert (mail.html or "").strip() == "<p>Attached.</p>"
    assert mail.header("Auto-Submitted") == "auto-generated"
    assert mail.tags == {"kind": "export"}
    assert (attached.get_filename(), attached.get_content_type()) == (
        "data.json",
        "application/json",
    )
    assert attached.get_payload(decode=True) == b'{"a": "\xc3\xa9"}'
