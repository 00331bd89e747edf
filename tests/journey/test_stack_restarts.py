"""The whole stack ends, in order or by a power cut, and goes on where it was."""

import os
import signal

from local import processes
from local.stack import STOP_SECONDS, Stack
from tests.journey import readme
from tests.journey.people import BROWSER, FORM, ONE_CLICK, Town, until
from tests.journey.power_cut import Mailbox, PowerCut


def press_ctrl_c(stack: Stack) -> None:
    supervisor = stack.state.holder()
    assert supervisor is not None
    os.kill(supervisor, signal.SIGINT)
    # As long as `make down` waits for it.
    until(lambda: stack.state.holder() is None, what="the stack's end", seconds=STOP_SECONDS)
    assert list(processes.of_stack(stack.state.folder)) == []


# A power cut comes first: after an orderly start the emulator lets every clock tick at once, and
# the cut has taken those of all earlier issues, which have nothing to do any more.


def test_everybody_gets_an_issue_once_whose_sending_a_power_cut_broke_off(
    power_cut: PowerCut,
):
    assert 0 < power_cut.taken_before.total() < len(power_cut.crowd), "cut in the middle"

    assert {email: power_cut.taken[email] for email in power_cut.crowd} == dict.fromkeys(
        power_cut.crowd, 1
    )
    assert max(power_cut.taken.values()) == 1


def test_after_a_power_cut_unresolved_readers_wait_for_an_event_of_ses(
    power_cut: PowerCut,
):
    assert power_cut.held["unresolved"] > 0
    assert power_cut.issue["books"]["unresolved"] == 0


def test_after_a_power_cut_the_books_agree_with_what_ses_took(
    power_cut: PowerCut,
):
    books = power_cut.issue["books"]

    assert power_cut.issue["status"] == "finished"
    assert (books["waiting"], books["unresolved"], books["duplicates"]) == (0, 0, 0)
    assert books["accepted"] == power_cut.taken.total()
    others = sum([*books["failed"].values(), *books["skipped"].values()])
    assert books["accepted"] + others == power_cut.issue["audience"]


def test_links_in_received_mails_and_all_data_outlive_a_power_cut(town: Town, power_cut: PowerCut):
    assert_all_works(town, power_cut.mailbox)


def test_links_in_received_mails_and_all_data_outlive_an_orderly_end(town: Town):
    mailbox = Mailbox.filled(town)

    press_ctrl_c(town.stack)
    readme.run("make up DETACH=1", town.stack.state.folder)
    town.get_ready()

    assert_all_works(town, mailbox)


def assert_all_works(town: Town, mailbox: Mailbox) -> None:
    staying, leaving, pending = mailbox.staying, mailbox.leaving, mailbox.pending
    assert town.ask("GET", mailbox.confirmation_link, headers=BROWSER).status == 200
    confirmed = pending.confirm()
    unsubscribed = town.ask("POST", mailbox.one_click, body=ONE_CLICK, headers=FORM)
    town.await_readers_wishes()
    later = town.publish().sent()
    assert (confirmed.status, unsubscribed.status) == (202, 200)
    assert [len(reader.copies(later)) for reader in (staying, pending, leaving)] == [1, 1, 0]
    assert len(leaving.copies(mailbox.earlier)) == 1
    assert mailbox.earlier.shown()["status"] == "finished"
