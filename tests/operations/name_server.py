"""A name server on this machine that knows just the records it is given."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

TTL = 60


@dataclass
class Zone:
    """Records by name and kind, changed while the server runs; ``refuses`` all when told so."""

    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    refuses: bool = False
    port: int = 0

    def put(self, name: str, kind: str, *values: str) -> None:
        """Say what a name's records of one kind are; none takes them away."""
        self.records[name.lower(), kind] = list(values)

    def answer(self, wire: bytes) -> bytes:
        asked = dns.message.from_wire(wire)
        (question,) = asked.question
        answer = dns.message.make_response(asked)
        answer.flags |= dns.flags.RA
        name = question.name.to_text(omit_final_dot=True).lower()
        values = self.records.get((name, question.rdtype.name), [])
        if self.refuses:
            answer.set_rcode(dns.rcode.REFUSED)
        elif values:
            answer.answer.append(
                dns.rrset.from_text_list(question.name, TTL, "IN", question.rdtype, values)
            )
        elif not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer.to_wire()


@contextmanager
def running() -> Iterator[Zone]:
    """Answer on a free port until the end."""
    zone = Zone()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.1)
        zone.port = server.getsockname()[1]
        is_over = threading.Event()

        def serve() -> None:
            while not is_over.is_set():
                try:
                    wire, client = server.recvfrom(4096)
                except TimeoutError:
                    continue
                server.sendto(zone.answer(wire), client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield zone
        finally:
            is_over.set()
            thread.join()
