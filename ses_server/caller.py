"""The caller of an operation: what its answer depends on."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from ses_server.account import Account
from ses_server.events import Plan
from ses_server.fates import Fates
from ses_server.faults import Faults
from ses_server.limits import Limits


@dataclass(frozen=True)
class Caller:
    """The account, its database and its misbehaviour, and the region that a call is signed for."""

    connection: sqlite3.Connection
    region: str
    limits: Limits
    faults: Faults
    fates: Fates
    plan: Plan
    publish: Callable[[], None]  # called when there are new events

    @property
    def account(self) -> Account:
        return self.limits.account
