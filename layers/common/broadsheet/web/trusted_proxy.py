"""The reader's address behind a CDN or another proxy, believed only with the proxy's secret.

To API Gateway, the source of a request is whoever connects to it: behind a proxy, the proxy, and
all readers would share one budget of confirmation mails. A proxy that the operator trusts sends a
secret in ``X-Proxy-Secret``, and the reader's address in a header that it always sets itself.
``X-Forwarded-For`` can't be used: readers may send one too. See docs/decisions/0018.
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
# Always followed by a port, an IPv6 address without brackets (CloudFront's developer guide).
_WITH_PORT = "cloudfront-viewer-address"


def reader_address(headers: Mapping[str, str], peer: SourceAddress) -> SourceAddress:
    """Return the reader's address that a trusted proxy states, else the address of the peer.

    ``headers``: named in lower case. An address that can't be read is as good as none.
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
        logger.warning("no address in the proxy's header", header=proxy.address_header)
        return peer


def _is_secret(sent: str, arn: str) -> bool:
    """Compare in constant time; while Secrets Manager does not answer, no proxy is believed."""
    try:
        expected = secret(arn, stale_is_good=True).strip()
    except DependencyUnavailable as error:
        logger.warning("the proxy's secret could not be read", error=type(error).__name__)
        return False
    return bool(expected) and hmac.compare_digest(sent.encode(), expected.encode())
