"""The SES account: its limits, identities, suppression list and configuration sets."""

import hashlib
import json
import sqlite3
import time
from base64 import b32encode
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace

from ses_server import addresses

ALL_REASONS = ("BOUNCE", "COMPLAINT")


@dataclass(frozen=True)
class Account:
    """What AWS grants an account; the defaults are those of an account out of the sandbox.

    ``max_24_hour_send`` of -1 is no limit. ``enforces_rate`` of false reports the rate only.
    Configuration sets may be created elsewhere, for example in an AWS emulator, so an unknown one
    is accepted unless ``strict_configuration_sets``. ``signature_seconds``: how old a request's
    signature may be; AWS's services accept five minutes.
    """

    max_send_rate: float = 14.0
    max_24_hour_send: float = 50_000.0
    enforces_rate: bool = True
    production_access: bool = True
    strict_configuration_sets: bool = False
    enforcement_status: str = "HEALTHY"  # or PROBATION, SHUTDOWN: a review by SES
    signature_seconds: float = 300.0


def keep_changes(connection: sqlite3.Connection, changes: Mapping[str, object]) -> None:
    """Keep changes of the account's fields, which hold after a restart too."""
    connection.execute(
        "INSERT INTO changed_limits VALUES (1, ?)"
        " ON CONFLICT (only_row) DO UPDATE SET changes = json_patch(changes, excluded.changes)",
        (json.dumps(dict(changes)),),
    )


def with_changes(connection: sqlite3.Connection, account: Account) -> Account:
    """Return an account with the changes that were kept."""
    kept = connection.execute("SELECT changes FROM changed_limits").fetchone()
    return replace(account, **json.loads(kept["changes"])) if kept else account


@dataclass(frozen=True)
class Proof:
    """How far an identity is verified, in SES's words; by default, fully.

    ``forwards_feedback``: whether SES also mails each bounce and complaint to the sender.
    """

    verification: str = "SUCCESS"
    dkim: str = "SUCCESS"
    mail_from_domain: str | None = None
    mail_from: str = "SUCCESS"
    forwards_feedback: bool = True


@dataclass(frozen=True)
class ConfigurationSet:
    """A configuration set; ``suppressed_reasons`` of None are the account's."""

    name: str
    sending_enabled: bool = True
    suppressed_reasons: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Suppression:
    """An address on the account's suppression list; ``updated_at`` in seconds since 1970."""

    address: str
    reason: str
    updated_at: float


def verify_identity(
    connection: sqlite3.Connection, identity: str, configuration_set: str | None = None
) -> bool:
    """Add an address or domain, verified at once; return False if it exists."""
    added = connection.execute(
        "INSERT OR IGNORE INTO identities (name, configuration_set) VALUES (?, ?)",
        (addresses.identity_name(identity), configuration_set),
    )
    return added.rowcount == 1


def find_identity(connection: sqlite3.Connection, identity: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute(
        "SELECT name, configuration_set FROM identities WHERE name = ?",
        (addresses.identity_name(identity),),
    ).fetchone()
    return row


def proof_of(connection: sqlite3.Connection, identity: str) -> Proof:
    row = connection.execute(
        "SELECT proof FROM identity_proofs WHERE name = ?", (addresses.identity_name(identity),)
    ).fetchone()
    return Proof(**json.loads(row["proof"])) if row else Proof()


def put_proof(connection: sqlite3.Connection, identity: str, proof: Proof) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO identity_proofs (name, proof) VALUES (?, ?)",
        (addresses.identity_name(identity), json.dumps(asdict(proof))),
    )


def dkim_tokens(identity: str) -> list[str]:
    """Return the three names under which SES publishes a domain's keys, always the same."""
    return [
        b32encode(hashlib.sha256(f"{number}.{identity}".encode()).digest())[:32].decode().lower()
        for number in range(3)
    ]


def list_identities(connection: sqlite3.Connection, *, after: str | None, limit: int) -> list[str]:
    rows = connection.execute(
        "SELECT name FROM identities WHERE name > ? ORDER BY name LIMIT ?", (after or "", limit)
    )
    return [row["name"] for row in rows]


def delete_identity(connection: sqlite3.Connection, identity: str) -> bool:
    deleted = connection.execute(
        "DELETE FROM identities WHERE name = ?", (addresses.identity_name(identity),)
    )
    connection.execute(
        "DELETE FROM identity_proofs WHERE name = ?", (addresses.identity_name(identity),)
    )
    return deleted.rowcount == 1


def is_verified(connection: sqlite3.Connection, address: str) -> bool:
    """Return whether ``address`` may send: it or a domain above it is a verified identity."""
    covering = addresses.identities_covering(address)
    found = connection.execute(
        "SELECT name FROM identities WHERE name IN (SELECT value FROM json_each(?))",
        (json.dumps(covering),),
    )
    return any(proof_of(connection, row["name"]).verification == "SUCCESS" for row in found)


def suppress(connection: sqlite3.Connection, address: str, reason: str) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO suppressions (address, reason, updated_at) VALUES (?, ?, ?)",
        (addresses.mailbox_key(address), reason, time.time()),
    )


def find_suppression(connection: sqlite3.Connection, address: str) -> Suppression | None:
    row = connection.execute(
        "SELECT address, reason, updated_at FROM suppressions WHERE address = ?",
        (addresses.mailbox_key(address),),
    ).fetchone()
    return Suppression(**row) if row else None


def list_suppressions(
    connection: sqlite3.Connection, reasons: Collection[str], *, after: str | None, limit: int
) -> list[Suppression]:
    rows = connection.execute(
        "SELECT address, reason, updated_at FROM suppressions"
        " WHERE address > ? AND reason IN (SELECT value FROM json_each(?))"
        " ORDER BY address LIMIT ?",
        (after or "", json.dumps(list(reasons)), limit),
    )
    return [Suppression(**row) for row in rows]


def delete_suppression(connection: sqlite3.Connection, address: str) -> bool:
    deleted = connection.execute(
        "DELETE FROM suppressions WHERE address = ?", (addresses.mailbox_key(address),)
    )
    return deleted.rowcount == 1


def suppressed_among(
    connection: sqlite3.Connection, recipients: Iterable[str], reasons: Collection[str]
) -> dict[str, str]:
    """Return the reason by address, for those of ``recipients`` that are suppressed."""
    rows = connection.execute(
        "SELECT address, reason FROM suppressions"
        " WHERE address IN (SELECT value FROM json_each(?))",
        (json.dumps(list(recipients)),),
    )
    return {row["address"]: row["reason"] for row in rows if row["reason"] in reasons}


def put_configuration_set(
    connection: sqlite3.Connection, configuration_set: ConfigurationSet
) -> None:
    reasons = configuration_set.suppressed_reasons
    connection.execute(
        "INSERT OR REPLACE INTO configuration_sets (name, sending_enabled, suppressed_reasons)"
        " VALUES (?, ?, ?)",
        (
            configuration_set.name,
            configuration_set.sending_enabled,
            None if reasons is None else json.dumps(reasons),
        ),
    )


def find_configuration_set(connection: sqlite3.Connection, name: str) -> ConfigurationSet | None:
    row = connection.execute(
        "SELECT name, sending_enabled, suppressed_reasons FROM configuration_sets WHERE name = ?",
        (name,),
    ).fetchone()
    if row is None:
        return None
    reasons = row["suppressed_reasons"]
    return ConfigurationSet(
        name=row["name"],
        sending_enabled=bool(row["sending_enabled"]),
        suppressed_reasons=None if reasons is None else tuple(json.loads(reasons)),
    )


def list_configuration_sets(
    connection: sqlite3.Connection, *, after: str | None, limit: int
) -> list[str]:
    rows = connection.execute(
        "SELECT name FROM configuration_sets WHERE name > ? ORDER BY name LIMIT ?",
        (after or "", limit),
    )
    return [row["name"] for row in rows]


def delete_configuration_set(connection: sqlite3.Connection, name: str) -> bool:
    deleted = connection.execute("DELETE FROM configuration_sets WHERE name = ?", (name,))
    return deleted.rowcount == 1


def is_sending_enabled(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT sending_enabled FROM account").fetchone()[0])


def enable_sending(connection: sqlite3.Connection, *, enabled: bool) -> None:
    connection.execute("UPDATE account SET sending_enabled = ?", (enabled,))


def suppressed_reasons(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Return the account's reasons, for configuration sets without their own."""
    row = connection.execute("SELECT suppressed_reasons FROM account").fetchone()
    return tuple(json.loads(row[0]))


def put_suppressed_reasons(connection: sqlite3.Connection, reasons: Iterable[str]) -> None:
    connection.execute(
        "UPDATE account SET suppressed_reasons = ?", (json.dumps(sorted(set(reasons))),)
    )


def put_configured_destination(
    connection: sqlite3.Connection, configuration_set: str, name: str, destination: str
) -> bool:
    """Store an event destination, as JSON; return False if the name is taken."""
    added = connection.execute(
        "INSERT OR IGNORE INTO configured_destinations (configuration_set, name, destination)"
        " VALUES (?, ?, ?)",
        (configuration_set, name, destination),
    )
    return added.rowcount == 1


def configured_destinations(
    connection: sqlite3.Connection, configuration_set: str
) -> dict[str, dict[str, object]]:
    rows = connection.execute(
        "SELECT name, destination FROM configured_destinations"
        " WHERE configuration_set = ? ORDER BY name",
        (configuration_set,),
    )
    return {row["name"]: json.loads(row["destination"]) for row in rows}


def delete_configured_destination(
    connection: sqlite3.Connection, configuration_set: str, name: str
) -> bool:
    deleted = connection.execute(
        "DELETE FROM configured_destinations WHERE configuration_set = ? AND name = ?",
        (configuration_set, name),
    )
    return deleted.rowcount == 1
