"""The reader's address behind a CDN or another proxy, accepted only with the proxy's secret.

API Gateway takes whoever connects to it for the source of a request. Behind a proxy that is the
proxy, and all readers would share one budget of confirmation mails. A proxy that the operator
trusts sends a secret in ``X-Proxy-Secret``, and the reader's address in a header that it always
sets itself. ``X-Forwarded-For`` can't be used, because readers may send it too.
See docs/decisions/0018.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from pydantic import ValidationError

from broadsheet import settings
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.domain.subscribers import SourceAddress
from broadsheet.secrets import secret
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET_HEADER = "x-proxy-secret"  # noqa: S105 - a header's name
# CloudFront always adds the port, and writes IPv6 without brackets (its developer guide).
_WITH_PORT = "cloudfront-viewer-address"


def reader_address(headers: Mapping[str, str], peer: SourceAddress) -> SourceAddress:
    """Return the address that a trusted proxy gives for the reader, else the peer's.

    ``headers``: named in lower case. An address that can't be parsed counts as none.
    """
    proxy = settings.trusted_proxy()
    sent = headers.get(SECRET_HEADER, "")
    if proxy is None or not sent or not _is_secret(sent, proxy.secret_arn):
        return peer
    stated = headers.get(proxy.address_header, "")
    if proxy.address_header == _WITH_PORT:
        stated = stated.rpartition(":")[0]
    try:
        return SourceAddress(stated.strip())
    except ValidationError:
        logger.warning(
            "could not parse the address in the proxy's header", header=proxy.address_header
        )
        return peer


def _is_secret(sent: str, arn: str) -> bool:
    """Compare in constant time. While the secret can't be read, no proxy is trusted."""
    try:
        expected = secret(arn, stale_is_good=True).strip()
    except DependencyUnavailable as error:
        logger.warning("could not read the proxy's secret", error=type(error).__name__)
        return False
    return bool(expected) and hmac.compare_digest(sent.encode(), expected.encode())
