"""ZIP archives: what peers put into them, and what an attacker would."""

import io
import struct
import zipfile

import pytest

from broadsheet import transfer
from broadsheet.domain.people import PeopleFormat, Person, Unusable
from broadsheet.transfer import parts

LIST = "email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at\n"
ZOE = "zoe@example.com,false,,,false,2024-01-02T15:04:05.000Z,\n"


def archive(members: dict[str, str | bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", packing) as opened:
        for name, text in members.items():
            opened.writestr(name, text)
    return content.getvalue()


def read(content: bytes) -> list[Person | Unusable]:
    file = io.BytesIO(content)
    return [each for _, each in transfer.read(PeopleFormat.SUBSTACK, file, "export.zip")]


def test_of_substacks_archive_only_the_list_of_people_is_read() -> None:
    content = archive(
        {
            "posts.csv": "post_id,post_date,is_published,title\n1.hello,2024-01-02,true,Hello\n",
            "posts/1.hello.html": "<p>Hello</p>",
            "posts/1.opens.csv": "post_id,timestamp,email\n1,2024-01-02,reader@example.com\n",
            "email_list.tea.csv": LIST + ZOE,
        }
    )

    assert transfer.detect("export.zip", content).format is PeopleFormat.SUBSTACK
    assert [each.email for each in read(content) if isinstance(each, Person)] == ["zoe@example.com"]


def test_an_archive_that_can_only_be_read_forwards_is_read() -> None:
    class Download(io.BytesIO):
        def seekable(self) -> bool:
            return False

    file = Download(archive({"email_list.tea.csv": LIST + ZOE}))

    assert len(list(transfer.read(PeopleFormat.SUBSTACK, file, "export.zip"))) == 1


def test_a_row_says_in_which_member_it_is() -> None:
    content = archive({"email_list.tea.csv": LIST + ",,,,,,\n" + ZOE + "a,b,c,d,e,f,g,h\n"})

    assert read(content)[-1] == Unusable(4, "more-cells-than-columns", file="email_list.tea.csv")


def test_a_bomb_does_not_go_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "RATIO_COUNTS_FROM", 1 << 20)
    content = archive({"email_list.tea.csv": LIST + ZOE + "\n" * (8 << 20)})

    assert len(content) < 10_000
    *people, last = read(content)
    assert len(people) == 1
    assert isinstance(last, Unusable)
    assert last.code == "unpacks-to-too-much"


def test_a_list_of_members_that_fills_the_memory_is_not_opened() -> None:
    content = archive({"email_list.tea.csv": LIST + ZOE})
    at = content.rfind(b"PK\x05\x06")
    content = content[: at + 12] + struct.pack("<L", 1 << 30) + content[at + 16 :]

    assert read(content) == [Unusable(1, "archive-too-large")]


def with_bit_of_encryption(content: bytes) -> bytes:
    at = content.rfind(b"PK\x01\x02") + 8
    return content[:at] + b"\x01" + content[at + 1 :]


GOOD = archive({"email_list.tea.csv": LIST + ZOE * 500})


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(GOOD[:100], "damaged-archive", id="cut-off"),
        pytest.param(GOOD[:80] + b"\0" * 9 + GOOD[89:], "damaged-archive", id="overwritten"),
        pytest.param(with_bit_of_encryption(GOOD), "encrypted-archive", id="encrypted"),
        pytest.param(
            archive({"email_list.tea.csv": LIST}, zipfile.ZIP_LZMA), "damaged-archive", id="lzma"
        ),
        pytest.param(archive({"a.png": b"x"}), "no-people", id="no-table"),
        pytest.param(archive({}), "no-people", id="empty"),
    ],
)
def test_an_archive_that_cannot_be_read_is_an_answer_not_an_error(
    content: bytes, code: str
) -> None:
    last = read(content)[-1]

    assert isinstance(last, Unusable)
    assert last.code == code
    assert transfer.detect("export.zip", content).problem in {code, ""}
