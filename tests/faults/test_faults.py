"""Nobody is missed and nobody is mailed twice, whatever is killed: the fault suite's short form."""

from collections import Counter

from tests.faults import plans
from tests.faults.__main__ import play_in_lanes, say, table


def test_nobody_is_missed_or_mailed_twice_whatever_is_killed() -> None:
    verdicts = play_in_lanes("short", seed=1)

    say(table(verdicts))
    assert len(verdicts) == len(plans.SHORT)
    assert [(verdict.seed, verdict.wrong) for verdict in verdicts if verdict.wrong] == []
    struck = sum((Counter(verdict.struck) for verdict in verdicts), Counter[str]())
    passed = {name.removeprefix("killed: ") for name in struck if name.startswith("killed: ")}
    assert set(plans.KILL_POINTS) <= passed


def test_the_suite_sees_that_claims_are_ignored() -> None:
    # Two that don't see each other's claims must still meet: a busy machine may keep them apart.
    verdicts = (play_in_lanes(plans.CLAIMS_IGNORED, seed=seed)[0] for seed in (3, 4, 5, 6))
    verdict = next(verdict for verdict in verdicts if verdict.duplicated)

    assert any("mailed twice" in sentence for sentence in verdict.wrong)


def test_the_suite_sees_that_the_sdk_retries() -> None:
    (verdict,) = play_in_lanes(plans.SDK_RETRIES, seed=3)

    assert verdict.duplicated
    assert any("mailed twice" in sentence for sentence in verdict.wrong)


def test_the_suite_sees_that_a_lost_answer_is_not_heeded() -> None:
    # What a frozen call does takes longer to show: make test-faults FORM=sabotaged
    verdicts = play_in_lanes(plans.ANSWER_LOST, seed=3)

    harm = {verdict.sabotage: (verdict.missing, verdict.duplicated) for verdict in verdicts}
    assert harm[plans.UNRESOLVED_DROPPED][0]
    assert harm[plans.TIMEOUT_TAKEN_FOR_REFUSAL][1]
    assert all(verdict.wrong for verdict in verdicts)


def test_the_breaker_stops_an_issue_within_the_claims_under_way() -> None:
    verdicts = play_in_lanes(plans.BREAKER, seed=3)

    assert len(verdicts) == len(plans.LEVERS)
    assert [(verdict.seed, verdict.wrong) for verdict in verdicts if verdict.wrong] == []
    for verdict in verdicts:
        under_way = verdict.stop["claimed, unsent then"] + verdict.stop["claimed until the pause"]
        assert verdict.stop["mails after"] <= under_way
