"""The mailbox directory's SQLite database: one writer, any number of reading processes."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCHEMA = """
-- What the mails of one call, and of calls like it, have in common.
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
-- One row for each mailbox that a message was meant for.
CREATE TABLE IF NOT EXISTS mails (
  id INTEGER PRIMARY KEY,           -- in the order of acceptance
  message_id TEXT NOT NULL,
  received_at INTEGER NOT NULL,     -- milliseconds since 1970
  recipient TEXT NOT NULL,          -- in lower case
  outcome TEXT NOT NULL CHECK (outcome IN ('delivered', 'suppressed', 'rendering_failure')),
  reason TEXT NOT NULL,             -- why it was not delivered
  operation TEXT NOT NULL,
  configuration_set TEXT,
  content_id INTEGER NOT NULL REFERENCES contents,
  entry TEXT NOT NULL               -- JSON: to, cc, headers, tags, data
);
CREATE INDEX IF NOT EXISTS mails_by_recipient ON mails (recipient, id);
-- Recipients accepted, by minute: what the 24-hour quota is counted from.
CREATE TABLE IF NOT EXISTS sent (minute INTEGER PRIMARY KEY, recipients INTEGER NOT NULL);

CREATE TABLE IF NOT EXISTS identities (name TEXT PRIMARY KEY, configuration_set TEXT);
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
"""


def connect(directory: Path) -> sqlite3.Connection:
    """Open the database in ``directory``, made with its tables when it is not there.

    What is committed survives the process being killed at any moment; a loss of power may cost
    the last commits (``synchronous=NORMAL``), which a local mailbox can bear.
    """
    directory.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(directory / "mailbox.sqlite3", timeout=10, autocommit=True)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.executescript(SCHEMA)
    connection.row_factory = sqlite3.Row
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; the write lock is taken at once, so that no reader is turned writer."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
