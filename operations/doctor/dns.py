"""DNS as the world sees it: what stands in a domain's records."""

from dataclasses import dataclass

import dns.exception
import dns.resolver
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT

PATIENCE_SECONDS = 8.0  # for one question, all name servers together


class DnsError(Exception):
    """No name server answered; that says nothing about the records."""


@dataclass(frozen=True)
class Dns:
    """Asks the name servers of this machine, or the given one (``address``, ``port``)."""

    address: str | None = None
    port: int = 53

    def texts(self, name: str) -> list[str]:
        """Return a name's TXT records, each joined from its parts."""
        return [
            b"".join(record.strings).decode(errors="replace")
            for record in self._ask(name, "TXT")
            if isinstance(record, TXT)
        ]

    def aliases(self, name: str) -> list[str]:
        """Return a name's CNAME, without the dot at its end."""
        return [
            record.target.to_text(omit_final_dot=True).lower()
            for record in self._ask(name, "CNAME")
            if isinstance(record, CNAME)
        ]

    def mail_servers(self, name: str) -> list[str]:
        """Return a name's MX hosts, without the dot at their end."""
        return [
            record.exchange.to_text(omit_final_dot=True).lower()
            for record in self._ask(name, "MX")
            if isinstance(record, MX)
        ]

    def _ask(self, name: str, kind: str) -> list[object]:
        try:
            resolver = dns.resolver.Resolver(configure=self.address is None)
            if self.address is not None:
                resolver.nameservers, resolver.port = [self.address], self.port
            resolver.lifetime = PATIENCE_SECONDS
            return list(resolver.resolve(name, kind, search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.exception.DNSException as error:
            raise DnsError(f"no name server answered about {name}") from error
