"""What a smoke test takes for good; that it walks a stack is shown by a journey."""

import json
from http import HTTPStatus

import pytest

from operations import smoke
from operations.smoke import Reply, SmokeFailed

PROBLEM = json.dumps({"type": "about:blank", "title": "Unauthorized", "status": 401})


@pytest.mark.parametrize(
    "content_type", ["application/problem+json", "application/problem+json; charset=utf-8"]
)
def test_an_error_is_a_problem_document(content_type: str) -> None:
    smoke._expect_problem(Reply(401, PROBLEM, content_type), HTTPStatus.UNAUTHORIZED, "asking")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(403, PROBLEM, "application/problem+json"), "got the status 403"),
        (Reply(401, PROBLEM, "application/json"), "application/json instead of a problem document"),
        (Reply(401, PROBLEM, ""), "instead of a problem document"),
        (
            Reply(401, '{"message": "no"}', "application/problem+json"),
            "instead of a problem document",
        ),
        (Reply(401, "<html>", "application/problem+json"), "should be JSON"),
    ],
    ids=["another status", "as plain JSON", "as nothing", "without a status", "a page"],
)
def test_any_answer_but_the_expected_problem_ends_the_smoke_test(reply: Reply, said: str) -> None:
    with pytest.raises(SmokeFailed, match=said):
        smoke._expect_problem(reply, HTTPStatus.UNAUTHORIZED, "asking")
