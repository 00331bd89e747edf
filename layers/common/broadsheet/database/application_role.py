"""The role that the functions enter the database under: it owns no tables, and can change none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from broadsheet.database.migrations import alone

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

    from broadsheet.database.connection import Connection

# A lock or a statement that takes longer is stuck; a transaction left open blocks others.
TIMEOUTS = {
    "lock_timeout": "10s",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "30s",
}
# A session that a killed function left behind would keep Aurora awake. Ours are idle no longer than
# a claim and a call to SES last, 50 s. A pooler keeps sessions for longer, with good reason.
IN_AURORA = {"idle_session_timeout": "60s"}


def create(connection: Connection, role: str) -> None:
    """Make the role in Aurora, to be entered by IAM, unless it is there."""
    with connection.transaction():
        alone(connection)
        found = connection.execute(
            "SELECT FROM pg_roles WHERE rolname = %(role)s", {"role": role}
        ).fetchone()
        if found is None:
            _execute(connection, "CREATE ROLE {role} LOGIN", role)
            _execute(connection, "GRANT rds_iam TO {role}", role)


def admit(connection: Connection, role: str) -> None:
    """Grant the role all tables of the schema, except the list of applied migrations."""
    with connection.transaction():
        alone(connection)
        _execute(connection, "GRANT USAGE ON SCHEMA public TO {role}", role)
        _execute(
            connection,
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
            role,
        )
        _execute(connection, "REVOKE ALL ON schema_migrations FROM {role}", role)


def set_timeouts(connection: Connection, role: str, timeouts: Mapping[str, str] = TIMEOUTS) -> None:
    """Set the timeouts of the role's sessions in this database, also of those behind a pooler."""
    with connection.transaction():
        alone(connection)
        ((database,),) = connection.execute("SELECT current_database()").fetchall()
        for setting, value in timeouts.items():
            connection.execute(
                sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}").format(
                    sql.Identifier(role),
                    sql.Identifier(str(database)),
                    sql.Identifier(setting),
                    sql.Literal(value),
                )
            )


def name(connection: Connection) -> str:
    """Return the role that a connection is entered under, whatever a pooler calls it."""
    ((role,),) = connection.execute("SELECT current_user").fetchall()
    return str(role)


def _execute(connection: Connection, statement: LiteralString, role: str) -> None:
    connection.execute(sql.SQL(statement).format(role=sql.Identifier(role)))
