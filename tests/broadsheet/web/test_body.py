"""How a body is parsed, and what is reported about each field."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from broadsheet.domain import errors
from broadsheet.domain.subscribers import EmailAddress, SubscriberName
from broadsheet.web import sentences
from broadsheet.web.body import invalid_fields
from broadsheet.web.request import Request
from local.lambda_events import api_event

pytestmark = pytest.mark.usefixtures("edge")


@pytest.mark.parametrize(
    ("body", "content_type", "fields"),
    [
        ('{"name": "Zo\ufffd", "email": "zoe@example.com"}', "application/json", {"name"}),
        (r'{"name": "Zo\ufffd", "email": "zo\uFFFD"}', "application/json", {"name", "email"}),
        ('{"content": {"html": "<p>\ufffd</p>", "text": "x"}}', "application/json", {"content"}),
        ('{"to": ["x", {"deep": "\ufffd"}]}', "application/json", {"to"}),
        ('{"\ufffd": "x"}', "application/json", {"request"}),
        ("name=Zo%EF%BF%BD&email=x", "application/x-www-form-urlencoded", {"name"}),
        ("name=Zo\ufffd&email=x", "application/x-www-form-urlencoded", {"name"}),
    ],
)
def test_text_with_a_replacement_character_is_refused(
    body: str, content_type: str, fields: set[str]
) -> None:
    event = api_event("POST", "/", body=body, headers={"content-type": content_type})

    with pytest.raises(errors.InvalidFields) as refusal:
        Request.parse(event).fields(1000)

    assert refusal.value.fields.keys() == fields
    assert {field.code for field in refusal.value.fields.values()} == {"lost-character"}


class Form(BaseModel):
    name: SubscriberName
    email: EmailAddress
    age: int = 0


@given(
    st.text(alphabet=st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=3),
)
def test_an_error_of_a_field_never_quotes_what_was_typed(typed: str) -> None:
    with pytest.raises(ValidationError) as error:
        Form.model_validate({"name": f"<{typed}>", "email": f"{typed}@{typed}", "age": typed})

    refusal = invalid_fields(error.value)
    said = sentences.of_fields(refusal.fields)
    assert said.keys() == {"name", "email", "age"}
    assert typed not in f"{refusal!r}{refusal}{sentences.of_error(refusal)}"
    assert all(sentence[0].islower() for sentence in said.values())


def test_each_field_has_a_sentence_of_its_own() -> None:
    with pytest.raises(ValidationError) as refusal:
        TypeAdapter(list[Form]).validate_python([{"name": " ", "age": "old"}, 5])

    assert sentences.of_fields(invalid_fields(refusal.value).fields) == {
        "0.name": "a name is needed",
        "0.email": "this field is needed",
        "0.age": "input should be a valid integer, unable to parse string as an integer",
        "1": "this must be a JSON object",
    }


body_bytes = st.binary(max_size=200) | st.text(max_size=200).map(
    lambda text: text.encode(errors="surrogatepass")
)


@given(body_bytes, st.sampled_from(["application/json", "application/x-www-form-urlencoded"]))
def test_any_body_is_read_or_refused_and_never_a_fault_of_ours(
    body: bytes, content_type: str
) -> None:
    request = Request.parse(api_event("POST", "/", headers={"content-type": content_type}))

    for sent in (body, b'{"name": "' + body + b'"}', b"name=" + body):
        try:
            fields = Request(**(vars(request) | {"body": sent})).fields(1000)
        except errors.InvalidRequest:
            continue
        assert "\ufffd" not in json.dumps(fields, ensure_ascii=False).encode().decode()
