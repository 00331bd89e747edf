"""The benchmark's file is one of Mailchimp's, with as many rows of each kind as it says."""

from collections import Counter
from pathlib import Path

from bench import mailchimp_file
from broadsheet import transfer
from broadsheet.domain.people import PeopleFormat, Person


def test_the_file_is_recognised_and_has_the_rows_that_it_says(tmp_path: Path) -> None:
    path = tmp_path / "audience.zip"

    written = mailchimp_file.write(path, rows=2_000, known=100)

    with path.open("rb") as file:
        assert transfer.detect(path.name, file).format is PeopleFormat.MAILCHIMP
        found = [what for _, what in transfer.read(PeopleFormat.MAILCHIMP, file, path.name)]
    assert len(found) == sum(written.outcomes.values()) == 2_000
    people = [each for each in found if isinstance(each, Person)]
    emails = Counter(each.email for each in people if "@" in each.email)
    assert sum(number - 1 for number in emails.values()) == written.outcomes["duplicate"] > 0
    left = sum(each.status.has_left for each in people)
    assert left == written.outcomes["added_as_left"] > 0
    assert sum(each.startswith("reader-") for each in emails) == 100
    assert 200 < written.size / 2_000 < 250, "bytes of a row"
