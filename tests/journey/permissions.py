"""What the functions of a running stack called of AWS, and what happens when a role lacks it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from local.stack import Stack


def calls(stack: Stack) -> list[dict[str, Any]]:
    """Each kind of call of each function once, and whether its role allows it."""
    return [json.loads(line) for line in stack.state.calls.read_text().splitlines()]


@contextmanager
def without(stack: Stack, function: str, action: str) -> Iterator[None]:
    """Take an action from a function's role for a while; its refusals are forgotten after."""
    before = stack.state.roles.read_text()
    roles = json.loads(before)
    kept = [one for one in roles[function]["statements"] if action not in one["Action"]]
    assert kept != roles[function]["statements"]
    roles[function]["statements"] = kept
    stack.state.roles.write_text(json.dumps(roles))
    try:
        yield
    finally:
        stack.state.roles.write_text(before)
        allowed = [json.dumps(call) for call in calls(stack) if call["allowed"]]
        stack.state.calls.write_text("".join(f"{line}\n" for line in allowed))
