"""A round goes wrong if an environment raises an error that no dependency explains."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from broadsheet.domain.errors import DatabaseUnavailable, DependencyUnavailable
from broadsheet.mail.ses import account
from broadsheet.mail.ses.results import MailNotTaken
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
def test_an_error_is_wrong_unless_a_dependency_was_unavailable(
    tmp_path: Path, output: Callable[[], str], error: Exception, *, is_wrong: bool
) -> None:
    log = tmp_path / "log"
    with logger.append_context_keys(function="deliver"):
        log_failure("the environment failed", raised(error))
    log.write_text(output())

    sentences = judgement._raised(Evidence(errors=rounds._errors(log)))

    beginning = f"deliver raised {type(error).__name__} at test_judgement.py"
    assert [sentence.startswith(beginning) for sentence in sentences] == [True] * is_wrong


def test_ses_may_be_unavailable_when_asked_for_its_quota() -> None:
    module = Path(account.__file__).name
    of_ses = ("deliver", "DependencyUnavailable", f"{module}:1 send_quota")

    assert judgement._raised(Evidence(errors=Counter([of_ses]))) == []


def raised(error: Exception) -> Exception:
    with pytest.raises(type(error)) as information:
        raise error
    return information.value
