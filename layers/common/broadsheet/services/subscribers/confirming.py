"""Decides whether a code confirms.

The edge knows the right one from a wrong one. Only here is it known how many were wrong before it,
and whether its mail was sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.database import sign_ups_table, wrong_codes_table
from broadsheet.domain.confirming import MOST_TRIES
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.requests import ConfirmRequest, WrongCodeRequest


def count_wrong_code(connection: Connection, request: WrongCodeRequest) -> None:
    """Store a wrong code. It may be applied before its sign-up is."""
    wrong_codes_table.insert(connection, request)
    logger.info("wrong code", sign_up_id=str(request.sign_up_id))


def may_confirm(connection: Connection, request: ConfirmRequest) -> bool:
    """Return whether a confirmation counts: by its code only if that can't be a guess.

    It can be one after too many wrong codes, or when no mail had the code. The code is mailed after
    its sign-up is stored, so that one without a row is a guess as well.
    """
    if request.way != "code":
        return True
    sign_up_id = request.token.sign_up_id
    if sign_up_id is None:  # then its code can't have been compared
        return False
    known = sign_ups_table.find(connection, [sign_up_id])
    is_mailed = sign_up_id in known and known[sign_up_id].mail_granted
    wrong = wrong_codes_table.count_until(connection, sign_up_id, request.received_at)
    if is_mailed and wrong < MOST_TRIES:
        return True
    count("CodesRefused")
    logger.warning(
        "code refused", sign_up_id=str(sign_up_id), is_mailed=is_mailed, wrong_codes=wrong
    )
    return False
