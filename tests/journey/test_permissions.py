"""The local stack refuses what AWS would: a function may do what its role allows, and no more."""

from tests.journey import permissions
from tests.journey.people import Town


def test_what_a_role_does_not_allow_is_refused_as_on_aws(town: Town) -> None:
    reader = town.reader()

    with permissions.without(town.stack, "broadsheet-subscribe", "sqs:SendMessage"):
        refused = reader.sign_up()
        (call,) = [one for one in permissions.calls(town.stack) if not one["allowed"]]

    assert refused.status == 503
    assert (call["function"], call["action"]) == (
        "broadsheet-subscribe",
        "sqs:SendMessage",
    )
    assert reader.sign_up().status == 202


def test_every_function_s_calls_are_known_and_looked_at(town: Town) -> None:
    town.subscriber()
    town.publish()

    callers = {
        call["function"].removeprefix("broadsheet-") for call in permissions.calls(town.stack)
    }

    assert callers >= {"subscribe", "confirm", "enroll", "authorize", "publish"}
