"""A round in which an environment raises an error of its own has gone wrong."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from broadsheet.domain.errors import DatabaseUnavailable, DependencyUnavailable
from broadsheet.mail.ses_mailer import MailNotTaken
from broadsheet.telemetry import log_failure, logger
from tests.faults import judgement, rounds
from tests.faults.judgement import Evidence


@pytest.mark.parametrize(
    ("error", "is_wrong"),
    [
        (TypeError("ours"), True),
        (DependencyUnavailable("SQS took no pointer"), True),
        (DatabaseUnavailable("killed"), False),
        (MailNotTaken("SES hung"), False),
    ],
)
def test_what_an_environment_raises_is_wrong_unless_another_was_away(
    tmp_path: Path, output: Callable[[], str], error: Exception, *, is_wrong: bool
) -> None:
    log = tmp_path / "log"
    with logger.append_context_keys(function="deliver"):
        log_failure("the environment failed", raised(error))
    log.write_text(output())

    sentences = judgement._raised(Evidence(errors=rounds._errors(log)))

    beginning = f"deliver raised {type(error).__name__} at test_judgement.py"
    assert [sentence.startswith(beginning) for sentence in sentences] == [True] * is_wrong


def test_ses_may_be_away_when_it_is_asked_for_its_quota() -> None:
    of_ses = ("deliver", "DependencyUnavailable", "ses_mailer.py:1 send_quota")

    assert judgement._raised(Evidence(errors=Counter([of_ses]))) == []


def raised(error: Exception) -> Exception:
    with pytest.raises(type(error)) as information:
        raise error
    return information.value
