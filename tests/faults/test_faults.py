"""The fault suite's short form: nobody is missed or mailed twice, whatever is killed."""

from collections import Counter

from tests.faults import plans
from tests.faults.__main__ import play_in_lanes, say, table


def test_nobody_is_missed_or_mailed_twice_whatever_is_killed() -> None:
    for seed in (1, 2, 3):  # a round on a busy machine may end before the last kill
        verdicts = play_in_lanes("short", seed=seed)

        say(table(verdicts))
        assert len(verdicts) == len(plans.SHORT)
        assert [(verdict.seed, verdict.wrong) for verdict in verdicts if verdict.wrong] == []
        struck = sum((Counter(verdict.struck) for verdict in verdicts), Counter[str]())
        passed = {name.removeprefix("killed: ") for name in struck if name.startswith("killed: ")}
        if set(plans.KILL_POINTS) <= passed:
            break
    assert set(plans.KILL_POINTS) <= passed


def test_the_suite_notices_ignored_claims() -> None:
    # Two delivers must claim the same batch at once, which a busy machine may prevent.
    verdicts = (play_in_lanes(plans.CLAIMS_IGNORED, seed=seed)[0] for seed in (3, 4, 5, 6))
    verdict = next(verdict for verdict in verdicts if verdict.duplicated)

    assert any("mailed twice" in sentence for sentence in verdict.wrong)


def test_the_suite_notices_sdk_retries() -> None:
    (verdict,) = play_in_lanes(plans.SDK_RETRIES, seed=3)

    assert verdict.duplicated
    assert any("mailed twice" in sentence for sentence in verdict.wrong)


def test_the_suite_notices_ignored_lost_answers() -> None:
    # The effect of a frozen call takes longer: make test-faults FORM=sabotaged
    verdicts = play_in_lanes(plans.ANSWER_LOST, seed=3)

    harm = {verdict.sabotage: (verdict.missing, verdict.duplicated) for verdict in verdicts}
    assert harm[plans.UNRESOLVED_NOT_WRITTEN][0]
    assert harm[plans.TIMEOUT_TREATED_AS_NOT_BEGUN][1]
    assert all(verdict.wrong for verdict in verdicts)


def test_after_the_breaker_trips_only_claims_under_way_are_sent() -> None:
    for seed in (3, 5, 7):  # what else a machine does may make calls late, which SES throttles
        verdicts = play_in_lanes(plans.BREAKER, seed=seed)
        wrong = [sentence for verdict in verdicts for sentence in verdict.wrong]
        if not wrong or not all(sentence.startswith("SES throttled") for sentence in wrong):
            break

    assert len(verdicts) == len(plans.AUTHOR_ACTIONS)
    assert [(verdict.seed, verdict.wrong) for verdict in verdicts if verdict.wrong] == []
    for verdict in verdicts:
        under_way = verdict.stop["claimed, unsent then"] + verdict.stop["claimed until the pause"]
        assert verdict.stop["mails after"] <= under_way


def test_the_suite_notices_broken_rules_about_versions() -> None:
    # The others: make test-faults FORM=sabotaged
    verdicts = play_in_lanes(plans.VERSIONS_BROKEN, seed=3)

    wrong = {verdict.sabotage: "; ".join(verdict.wrong) for verdict in verdicts}
    assert len(wrong) == len(verdicts)
    assert "no claim of theirs" in wrong[plans.VERSION_READ_LATE]
    assert "got no correction" in wrong[plans.CORRECTED_EARLY]
