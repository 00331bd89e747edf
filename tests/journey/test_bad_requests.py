"""Whatever is wrong with a request, the answer says so in a form that its sender can read."""

import pytest

from tests.journey.bad_requests import BAD_REQUESTS, Refused
from tests.journey.people import Town

FOR_BROWSERS = [name for name, request in BAD_REQUESTS.items() if request.for_browsers]


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_program_gets_a_problem_document(refused: dict[str, Refused], name: str):
    answer, status = refused[name].to_program, BAD_REQUESTS[name].status

    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    if BAD_REQUESTS[name].method != "HEAD":
        problem = answer.json()
        assert problem["title"]
        assert problem["detail"]
        assert problem["status"] == status


@pytest.mark.parametrize("name", FOR_BROWSERS)
def test_a_browser_gets_a_page(refused: dict[str, Refused], name: str):
    answer = refused[name].to_browser

    assert answer.status == BAD_REQUESTS[name].status
    assert answer.headers["Content-Type"].startswith("text/html")
    if BAD_REQUESTS[name].method != "HEAD":
        assert "<h1" in answer.data.decode()


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_refused_request_sends_no_mail(refused: dict[str, Refused], name: str):
    assert refused[name].reader.mails() == []


def test_a_refused_request_makes_no_issue(refused: dict[str, Refused], town: Town):
    listed = town.ask_as_author("GET", "/issues?limit=100").json()["issues"]

    titles = {issue["title"] for issue in listed}
    assert titles.isdisjoint({"x", *(refusal.reader.name for refusal in refused.values())})
