"""Reports recipients who were mailed twice, whoever finds out: deliver, or feedback."""

from __future__ import annotations

from broadsheet.telemetry import count, logger


def report_duplicates(duplicates: int) -> None:
    """Raise the alarm when a recipient was mailed twice."""
    if duplicates:
        count("DuplicateMails", duplicates)
        logger.error("somebody was mailed twice", duplicates=duplicates)
