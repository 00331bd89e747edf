"""How we call AWS: short timeouts, a few retries, one shape for every service but SES."""

from botocore.config import Config

from broadsheet.settings import timings


def call_config() -> Config:
    """Return the client configuration for calls that may be repeated."""
    timeout = timings().aws_call_timeout
    return Config(
        connect_timeout=timeout,
        read_timeout=timeout,
        retries={"mode": "standard", "total_max_attempts": 3},
    )
