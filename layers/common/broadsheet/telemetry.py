"""One JSON log line for each thing that matters, and metrics; nothing personal in either.

A log line names things by their ids. An exception is logged by its kind and where it was raised,
never by its message: messages quote the values that caused them.
"""

import traceback
from collections.abc import Generator
from contextlib import contextmanager
from uuid import uuid4

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from broadsheet.settings import stack_name

logger = Logger(log_uncaught_exceptions=False, utc=True)
metrics = Metrics(namespace="Broadsheet")


class InvocationFailed(Exception):
    """An invocation that failed, for Lambda to see; its message holds nothing personal."""


@contextmanager
def correlated(correlation_id: str | None = None) -> Generator[str]:
    """Put a correlation id into every log line within; a new one when none came along."""
    correlation_id = correlation_id or str(uuid4())
    logger.append_keys(correlation_id=correlation_id)
    try:
        yield correlation_id
    finally:
        logger.remove_keys(["correlation_id"])


def count(metric: str, number: float = 1) -> None:
    """Add to a metric of this invocation; ``flush_metrics`` writes it out."""
    metrics.add_metric(name=metric, unit=MetricUnit.Count, value=number)


def count_percent(metric: str, share: float) -> None:
    """Add a share, 1 being all, to a metric of this invocation."""
    metrics.add_metric(name=metric, unit=MetricUnit.Percent, value=100 * share)


def count_seconds(metric: str, seconds: float) -> None:
    """Add a time to a metric of this invocation."""
    metrics.add_metric(name=metric, unit=MetricUnit.Seconds, value=seconds)


def flush_metrics() -> None:
    """Write this invocation's metrics, if it has any, as one line of CloudWatch's EMF.

    Their dimension is the stack, not the function: an alarm looks at what happened, wherever it
    did.
    """
    if metrics.metric_set:
        metrics.add_dimension(name="service", value=stack_name())
        metrics.flush_metrics()


def log_failure(message: str, error: BaseException, **ids: str | int | None) -> None:
    """Log an unexpected error by kind and place."""
    cause = kind_of(error.__cause__) if error.__cause__ else None
    logger.error(
        message,
        extra={"error": kind_of(error), "cause": cause, "raised_at": _places(error), **ids},
    )


def kind_of(error: BaseException) -> str:
    """Return an error's class, with SES's or PostgreSQL's own code where it has one."""
    name = type(error).__name__
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    code = code or getattr(error, "sqlstate", None)
    return f"{name} {code}" if code else name


def _places(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
