"""The mailbox directory's SQLite database: one writer, any number of reading processes."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCHEMA = """
-- What mails share: those of one call, and of other calls with the same content.
CREATE TABLE IF NOT EXISTS contents (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  sender TEXT NOT NULL,
  reply_to TEXT NOT NULL,           -- JSON list of addresses
  subject TEXT,
  html TEXT,
  text TEXT,
  default_data TEXT,                -- JSON object; NULL when the content is not a template
  raw BLOB                          -- the message itself, when it came raw
);
-- One row for each recipient of a message.
CREATE TABLE IF NOT EXISTS mails (
  id INTEGER PRIMARY KEY,           -- in the order of acceptance
  message_id TEXT NOT NULL,
  received_at INTEGER NOT NULL,     -- milliseconds since 1970
  recipient TEXT NOT NULL,          -- in lower case
  outcome TEXT NOT NULL CHECK (
    outcome IN ('delivered', 'suppressed', 'rendering_failure', 'bounced', 'rejected')
  ),
  reason TEXT NOT NULL,             -- why it was not delivered
  operation TEXT NOT NULL,
  configuration_set TEXT,
  content_id INTEGER NOT NULL REFERENCES contents,
  entry TEXT NOT NULL               -- JSON: to, cc, headers, tags, data
);
CREATE INDEX IF NOT EXISTS mails_by_recipient ON mails (recipient, id);
-- The events of a mail; each row is published once.
CREATE TABLE IF NOT EXISTS events (
  id INTEGER PRIMARY KEY,
  mail_id INTEGER NOT NULL REFERENCES mails,
  type TEXT NOT NULL,               -- SES's eventType
  detail TEXT NOT NULL,             -- JSON object: what this event has beyond its type
  happened_at INTEGER NOT NULL,     -- milliseconds since 1970
  due_at INTEGER NOT NULL,          -- when to publish it
  state TEXT NOT NULL CHECK (state IN ('due', 'published', 'withheld', 'lost', 'unwanted')),
  published_at INTEGER              -- or when it was found to have no destination
);
-- What was published before is due again after everything that is new.
DROP INDEX IF EXISTS events_due;
CREATE INDEX IF NOT EXISTS events_to_publish
  ON events (published_at IS NOT NULL, due_at, id) WHERE state = 'due';
-- Events published before this moment (milliseconds since 1970) are known to be taken in.
CREATE TABLE IF NOT EXISTS events_taken (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  before INTEGER NOT NULL
);
-- Where a configuration set's events go; '*' is the destination of all others.
CREATE TABLE IF NOT EXISTS event_destinations (
  configuration_set TEXT PRIMARY KEY,
  destination TEXT NOT NULL         -- JSON
);
-- The configuration sets whose destination has not yet been sent SES's validation message.
CREATE TABLE IF NOT EXISTS validations_due (configuration_set TEXT PRIMARY KEY);
-- Accepted recipients by minute, to count the 24-hour quota.
CREATE TABLE IF NOT EXISTS sent (minute INTEGER PRIMARY KEY, recipients INTEGER NOT NULL);

CREATE TABLE IF NOT EXISTS identities (name TEXT PRIMARY KEY, configuration_set TEXT);
-- How far an identity is verified; one without a row is fully verified.
CREATE TABLE IF NOT EXISTS identity_proofs (
  name TEXT PRIMARY KEY,
  proof TEXT NOT NULL               -- JSON
);
-- Destinations made by the SES API; where events really go is in event_destinations.
CREATE TABLE IF NOT EXISTS configured_destinations (
  configuration_set TEXT NOT NULL,
  name TEXT NOT NULL,
  destination TEXT NOT NULL,        -- JSON, botocore's EventDestinationDefinition
  PRIMARY KEY (configuration_set, name)
);
CREATE TABLE IF NOT EXISTS suppressions (
  address TEXT PRIMARY KEY,         -- in lower case
  reason TEXT NOT NULL CHECK (reason IN ('BOUNCE', 'COMPLAINT')),
  updated_at REAL NOT NULL          -- seconds since 1970
);
CREATE TABLE IF NOT EXISTS configuration_sets (
  name TEXT PRIMARY KEY,
  sending_enabled INTEGER NOT NULL,
  suppressed_reasons TEXT           -- JSON list; NULL: the account's
);
CREATE TABLE IF NOT EXISTS account (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  sending_enabled INTEGER NOT NULL,
  suppressed_reasons TEXT NOT NULL  -- JSON list
);
INSERT OR IGNORE INTO account VALUES (1, 1, '["BOUNCE", "COMPLAINT"]');
-- What the control API changed of the limits.
CREATE TABLE IF NOT EXISTS changed_limits (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  changes TEXT NOT NULL             -- JSON object
);
"""


def connect(directory: Path) -> sqlite3.Connection:
    """Open the database in ``directory``; create it if it doesn't exist.

    Commits survive a ``kill -9``; a power cut may lose the last ones (``synchronous=NORMAL``),
    which is acceptable for a local mailbox.
    """
    directory.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(directory / "mailbox.sqlite3", timeout=10, autocommit=True)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    _upgrade(connection)
    connection.executescript(SCHEMA)
    connection.row_factory = sqlite3.Row
    return connection


def _upgrade(connection: sqlite3.Connection) -> None:
    """Add the newer outcomes to an older mailbox: SQLite can't alter a CHECK."""
    found = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'mails'").fetchone()
    if found is None or "'bounced'" in found[0]:
        return
    with transaction(connection):
        connection.execute("ALTER TABLE mails RENAME TO mails_before")
        connection.execute("DROP INDEX mails_by_recipient")
        for statement in SCHEMA.split(";\n"):
            connection.execute(statement)
        connection.execute("INSERT INTO mails SELECT * FROM mails_before")
        connection.execute("DROP TABLE mails_before")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit all or nothing; take the write lock at the start, so that it is never upgraded."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
