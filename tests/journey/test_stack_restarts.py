"""The whole stack ends, in order or by a power cut, and goes on where it was."""

import os
import signal
from collections.abc import Callable

import pytest

from local import processes
from local.stack import Stack
from tests.journey import readme
from tests.journey.people import BROWSER, FORM, ONE_CLICK, Town, until


def press_ctrl_c(stack: Stack) -> None:
    supervisor = stack.state.holder()
    assert supervisor is not None
    os.kill(supervisor, signal.SIGINT)
    until(lambda: stack.state.holder() is None, what="the stack's end", seconds=60)
    assert list(processes.of_stack(stack.state.folder)) == []


def cut_the_power(stack: Stack) -> None:
    stack.kill9()


# In this order: after an orderly start the emulator lets every clock tick at once, and the power
# cut has taken those of all earlier issues, which have nothing to do any more.
@pytest.mark.parametrize("end", [cut_the_power, press_ctrl_c])
def test_links_in_received_mails_and_all_data_outlive_the_stacks_processes(
    town: Town, end: Callable[[Stack], None]
):
    staying, leaving = town.subscriber(), town.subscriber()
    pending = town.reader()
    pending.sign_up()
    confirmation_link = pending.confirmation_link()
    earlier = town.publish().sent()
    one_click = leaving.the_copy(earlier).one_click

    end(town.stack)
    readme.run("make up DETACH=1", town.stack.state.folder)
    town.get_ready()

    assert town.ask("GET", confirmation_link, headers=BROWSER).status == 200
    confirmed = pending.confirm()
    unsubscribed = town.ask("POST", one_click, body=ONE_CLICK, headers=FORM)
    town.await_readers_wishes()
    later = town.publish().sent()
    assert (confirmed.status, unsubscribed.status) == (202, 200)
    assert [len(reader.copies(later)) for reader in (staying, pending, leaving)] == [1, 1, 0]
    assert len(leaving.copies(earlier)) == 1
    assert earlier.shown()["status"] == "finished"
