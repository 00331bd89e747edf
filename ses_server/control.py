"""The control API from Python: ``server.control.drop(take="first")``."""

import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal

import urllib3

from ses_server.events import Travel
from ses_server.fates import EventType, FateRule
from ses_server.faults import (
    SENDING,
    CallError,
    Drop,
    EntryStatus,
    Fault,
    Hang,
    Latency,
    Taking,
)
from ses_server.publishing import ANY, Queue, Topic

TIMEOUT_SECONDS = 30.0


class ControlError(Exception):
    """The server refused a command; the text is its reason."""


@dataclass(frozen=True)
class Throttles:
    """Messages refused by the account's own limits since the server started."""

    rate: int
    quota: int


@dataclass(frozen=True)
class Control:
    """The control API of the server at ``url``.

    Each command that begins a fault returns its number, for ``end``. A fault without a ``count``
    strikes until it is ended; the same ``seed`` and ``probability`` strike the same calls.
    """

    url: str

    def state(self) -> dict[str, Any]:
        """Return everything in force: ``GET /control``."""
        return self._call("GET", "/control")

    def throttles(self) -> Throttles:
        return Throttles(**self.state()["throttles"])

    def change_account(  # noqa: PLR0913 - what an account has
        self,
        *,
        max_send_rate: float | None = None,
        max_24_hour_send: float | None = None,
        enforces_rate: bool | None = None,
        sent_last_24_hours: int | None = None,
        production_access: bool | None = None,
        enforcement_status: Literal["HEALTHY", "PROBATION", "SHUTDOWN"] | None = None,
        signature_seconds: float | None = None,
    ) -> None:
        """Change the account; None changes nothing.

        ``sent_last_24_hours`` sets how much of the quota is used, whatever was sent.
        """
        self._call(
            "PATCH",
            "/control/account",
            {
                "max_send_rate": max_send_rate,
                "max_24_hour_send": max_24_hour_send,
                "enforces_rate": enforces_rate,
                "sent_last_24_hours": sent_last_24_hours,
                "production_access": production_access,
                "enforcement_status": enforcement_status,
                "signature_seconds": signature_seconds,
            },
        )

    def change_identity(self, identity: str, **proof: str) -> None:
        """Set how far an identity is verified; ``proof`` are the fields of ``ProofChange``."""
        self._call("PATCH", f"/control/identities/{urllib.parse.quote(identity)}", proof)

    def pause_sending(self) -> None:
        self._call("PATCH", "/control/account", {"sending_enabled": False})

    def resume_sending(self) -> None:
        self._call("PATCH", "/control/account", {"sending_enabled": True})

    def suppress(
        self, addresses: Iterable[str], reason: Literal["BOUNCE", "COMPLAINT"] = "BOUNCE"
    ) -> None:
        """Put addresses on the account's suppression list."""
        self._call(
            "POST", "/control/suppressions", {"addresses": list(addresses), "reason": reason}
        )

    def begin(self, fault: Fault) -> int:
        """Begin any fault; the methods below begin the usual ones."""
        answer = self._call("POST", "/control/faults", fault.model_dump(mode="json"))
        return int(answer["number"])

    def end(self, number: int) -> None:
        self._call("DELETE", f"/control/faults/{number}")

    def end_all(self) -> None:
        self._call("DELETE", "/control/faults")

    def struck(self, number: int) -> int:
        """Return how often a fault has struck."""
        (found,) = (one for one in self.state()["faults"] if one["number"] == number)
        return int(found["struck"])

    def slow_down(
        self, seconds: float, jitter: float = 0.0, *, operations: Iterable[str] = SENDING
    ) -> int:
        return self.begin(Latency(seconds=seconds, jitter=jitter, operations=frozenset(operations)))

    def throttle_calls(self, count: int) -> int:
        """Refuse the next calls whole: "Maximum sending rate exceeded."."""
        return self.begin(CallError(error="TooManyRequestsException", count=count))

    def throttle_entries(self, count: int) -> int:
        """Answer the next entries of bulk calls with ``ACCOUNT_THROTTLED``."""
        return self.begin(EntryStatus(status="ACCOUNT_THROTTLED", count=count))

    def refuse_calls(self, error: str, **fault: Any) -> int:  # noqa: ANN401 — CallError's fields
        """Refuse calls with ``error``; ``fault`` are the other fields of ``CallError``."""
        return self.begin(CallError(error=error, **fault))

    def refuse_entries(self, status: str, **fault: Any) -> int:  # noqa: ANN401 — EntryStatus's
        """Refuse entries with ``status``; ``fault`` are the other fields of ``EntryStatus``."""
        return self.begin(EntryStatus.model_validate({"status": status, **fault}))

    def hang(self, seconds: float, take: Taking, **fault: Any) -> int:  # noqa: ANN401 — Hang's
        """Don't answer for ``seconds``; accept the mails ``first``, ``late`` or ``never``."""
        return self.begin(Hang(seconds=seconds, take=take, **fault))

    def drop(self, take: Literal["first", "never"], **fault: Any) -> int:  # noqa: ANN401 — Drop's
        """Close the connection without an answer; accept the mails ``first`` or ``never``."""
        return self.begin(Drop(take=take, **fault))

    def bounce(self, recipients: Iterable[str] | None = None, **rule: Any) -> int:  # noqa: ANN401
        """Make mails bounce: those to ``recipients``, or a ``share``; see ``FateRule``."""
        return self.begin_fate(_rule(EventType.BOUNCE, recipients, rule))

    def complain(self, recipients: Iterable[str] | None = None, **rule: Any) -> int:  # noqa: ANN401
        return self.begin_fate(_rule(EventType.COMPLAINT, recipients, rule))

    def reject(self, recipients: Iterable[str] | None = None, **rule: Any) -> int:  # noqa: ANN401
        return self.begin_fate(_rule(EventType.REJECT, recipients, rule))

    def begin_fate(self, rule: FateRule) -> int:
        """Apply a rule to new mails; return its number, for ``end_fate``."""
        return int(self._call("POST", "/control/fates", rule.model_dump(mode="json"))["number"])

    def end_fate(self, number: int) -> None:
        self._call("DELETE", f"/control/fates/{number}")

    def end_all_fates(self) -> None:
        self._call("DELETE", "/control/fates")

    def publish_event(
        self,
        event: EventType,
        recipients: Iterable[str],
        **rule: Any,  # noqa: ANN401
    ) -> list[str]:
        """Publish an event now, about the last mail to each of ``recipients``.

        Return the recipients that got a mail before.
        """
        body = _rule(event, recipients, rule).model_dump(mode="json")
        published: list[str] = self._call("POST", "/control/events", body)["recipients"]
        return published

    def let_events_travel(self, **travel: Any) -> None:  # noqa: ANN401 — Travel's fields
        """Set how the events of new mails travel; without arguments, as by default."""
        self._call("PUT", "/control/travel", Travel(**travel).model_dump(mode="json"))

    def release_events(self) -> int:
        """Publish the withheld events, and return their number."""
        return int(self._call("POST", "/control/events/release")["released"])

    def hold_events(self, *, is_held: bool = True) -> None:
        """Let events wait in the server although they are due, or no longer."""
        self._call("PUT", "/control/events/held", {"is_held": is_held})

    def republish_events(self, hours: float) -> int:
        """Publish the events of the last ``hours`` again, and return their number."""
        answer = self._call("POST", "/control/events/republish", {"hours": hours})
        return int(answer["due_again"])

    def events_are_taken(self, before: datetime) -> None:
        """Never publish again what was published before a moment: it was taken in."""
        self._call("POST", "/control/events/taken", {"before": before.isoformat()})

    def publish_to(self, destination: Topic | Queue, configuration_set: str = ANY) -> None:
        """Publish a configuration set's events to a topic or a queue, also after a restart."""
        self._call(
            "PUT",
            f"/control/destinations/{urllib.parse.quote(configuration_set, safe='')}",
            destination.model_dump(mode="json"),
        )

    def publish_nowhere(self) -> None:
        self._call("DELETE", "/control/destinations")

    def event_counts(self) -> dict[str, int]:
        """Count the events by ``EventState``."""
        counted: dict[str, int] = self.state()["events"]
        return counted

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        answer = urllib3.request(
            method, self.url + path, json=body, timeout=TIMEOUT_SECONDS, retries=False
        )
        if answer.status != HTTPStatus.OK:
            raise ControlError(answer.data.decode())
        read: dict[str, Any] = answer.json()
        return read


def _rule(event: EventType, recipients: Iterable[str] | None, rule: dict[str, Any]) -> FateRule:
    named = None if recipients is None else frozenset(recipients)
    return FateRule.model_validate({"event": event, "recipients": named, **rule})
