"""The benchmarks use the template's values."""

import pytest

from bench import __main__ as bench
from bench import delivery, feedback, lambdas, signing_up, stage
from tests.template.test_template import FUNCTIONS, QUEUES, SOURCES, TEMPLATE


@pytest.mark.parametrize(
    ("source", "batch_size", "workers"),
    [
        ("DeliverFromDeliveryQueue", delivery.BATCH_SIZE, bench.WORKERS),
        ("FeedbackFromFeedbackQueue", feedback.BATCH_SIZE, feedback.WORKERS),
        ("EnrollFromRequestsQueue", signing_up.BATCH_SIZE, signing_up.WORKERS),
    ],
)
def test_queues_are_polled_as_deployed(source: str, batch_size: int, workers: int) -> None:
    properties = SOURCES[source]["Properties"]

    assert properties["BatchSize"] == batch_size
    concurrency = properties["ScalingConfig"]["MaximumConcurrency"]["Ref"]
    assert TEMPLATE["Parameters"][concurrency]["Default"] == workers


@pytest.mark.parametrize("function", lambdas.LIMITS)
def test_an_invocation_has_the_deployed_timeout(function: str) -> None:
    own = FUNCTIONS[f"{function.capitalize()}Function"]["Properties"]
    usual = TEMPLATE["Globals"]["Function"]

    assert own.get("Timeout", usual["Timeout"]) == lambdas.LIMITS[function]


@pytest.mark.parametrize("queue", stage.VISIBILITY)
def test_a_message_has_the_deployed_visibility_timeout(queue: str) -> None:
    properties = QUEUES[f"{queue.capitalize()}Queue"]["Properties"]

    assert properties["VisibilityTimeout"] == stage.VISIBILITY[queue]
