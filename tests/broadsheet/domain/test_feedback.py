"""Which messages on FeedbackQueue are surely about no mail, and may be dropped."""

import base64
import json

import pytest

from broadsheet.domain.stray_messages import about_no_mail

VALIDATED = "Successfully validated SNS topic for Amazon SES event publishing."
EVENT = {"eventType": "Send", "mail": {"messageId": "0100-first"}, "send": {}}
ARN = "arn:aws:sns:eu-central-1:123456789012:news-ses-events"


def envelope(kind: str, message: str) -> str:
    """Return a message in SNS's envelope, as a subscription without raw delivery gets it."""
    return json.dumps(
        {
            "Type": kind,
            "MessageId": "dc1e94d9-56c5-5e96-808d-cc7f68faa162",
            "TopicArn": ARN,
            "Message": message,
            "Timestamp": "2026-11-28T12:00:00.000Z",
            "SignatureVersion": "1",
            "Signature": "EXAMPLE" * 50,
            "SigningCertURL": "https://sns.eu-central-1.amazonaws.com/a.pem",
        }
    )


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (VALIDATED, "a sentence"),
        ("test", "a sentence"),
        ("Hello, world! It's 5 o'clock (UTC).", "a sentence"),
        (f"{VALIDATED} See {ARN}, or https://example.com/?a=b#c.", "a sentence"),
        (envelope("SubscriptionConfirmation", "You have chosen to…"), "about a subscription"),
        (envelope("UnsubscribeConfirmation", "You have chosen to…"), "about a subscription"),
        (envelope("Notification", VALIDATED), "a sentence"),
        (
            json.dumps(
                {
                    "notificationType": "AmazonSnsSubscriptionSucceeded",
                    "message": f"You have successfully subscribed your topic '{ARN}'.",
                }
            ),
            "about a subscription",
        ),
        ("{}", "an object without a mail"),
        ('{"hello": ["world", 5, null, {"really": true}]}', "an object without a mail"),
    ],
)
def test_a_message_that_is_surely_about_no_mail_says_what_it_is(body: str, what: str) -> None:
    assert about_no_mail(body) == what


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(EVENT),
        json.dumps(EVENT)[:-1],  # cut off
        json.dumps(EVENT)[10:],
        json.dumps(json.dumps(EVENT)),
        json.dumps([EVENT]),
        json.dumps({"eventType": "Send"}),
        json.dumps({"notificationType": "Bounce", "bounce": {}, "mail": {}}),
        json.dumps({"notificationType": "AmazonSnsSubscriptionSucceeded", "mail": {}}),
        json.dumps({"messageId": "0100-first"}),
        json.dumps({"Mail": {}}),
        json.dumps({"detail-type": "Email Sent", "detail": EVENT}),  # EventBridge's envelope
        json.dumps({"Records": [{"Sns": {"Message": json.dumps(EVENT)}}]}),  # Lambda's
        envelope("Notification", json.dumps(EVENT)),
        envelope("Notification", envelope("Notification", json.dumps(EVENT))),
        json.dumps({"Type": "Notification"}),
        base64.b64encode(json.dumps(EVENT | {"padding": 300 * "x"}).encode()).decode(),
        base64.encodebytes(json.dumps(EVENT | {"padding": 300 * "x"}).encode()).decode(),
        "[]",
        '"text"',
        5_000 * "[",
        '{"a":' * 5_000 + "1" + "}" * 5_000,
    ],
)
def test_a_message_that_could_be_about_a_mail_is_kept(body: str) -> None:
    assert about_no_mail(body) is None
