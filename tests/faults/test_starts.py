"""How an issue started is judged by the times of SES's own record."""

from tests.faults.starts import Mail, Start

DAY = 10.0


def careful(
    *mails: Mail, held_until: float | None = None, resumed_at: float | None = None
) -> Start:
    return Start(
        is_careful=True,
        rest={"zora"},
        held_until=held_until,
        resumed_at=[resumed_at] if resumed_at else [],
        mails=mails,
    )


def test_who_is_not_of_the_sample_gets_nothing_before_the_hold_has_ended() -> None:
    sample, early, late = Mail(1.0, "ursula"), Mail(4.0, "zora"), Mail(5.0, "zora")

    assert careful(sample, late, held_until=5.0).judge() == []
    assert len(careful(sample, early, held_until=5.0).judge()) == 1


def test_a_stopped_sample_is_followed_by_mails_only_after_a_resume() -> None:
    mail = Mail(4.0, "zora")

    assert careful(mail, resumed_at=3.0).judge() == []
    assert len(careful(mail, resumed_at=6.0).judge()) == 1
    assert len(careful(mail).judge()) == 1


def test_a_careful_start_without_a_rest_shows_nothing() -> None:
    assert Start(is_careful=True).judge() == ["nobody was held behind the sample"]


def test_a_warm_ups_day_has_its_number_of_mails_at_most() -> None:
    slots = [Mail(25.0 + number / 100, str(number)) for number in range(201)]

    def on_the_first_day(*mails: Mail) -> Start:
        return Start(warms_up=True, first_day=2, day_seconds=DAY, slack=1.0, mails=mails)

    assert on_the_first_day(*slots[1:]).judge() == []
    assert on_the_first_day(*slots).judge() == ["201 mails left on day 0, of 200"]


def test_a_mail_soon_after_midnight_may_have_a_slot_of_the_day_before() -> None:
    start = Start(warms_up=True, first_day=2, day_seconds=DAY, slack=1.0)
    start.mails = [Mail(20.5, "ursula"), Mail(21.5, "zora")]

    assert start.by_day == {0: 1}
