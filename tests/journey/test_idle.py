"""What is left of us in the database when nobody asks: nothing, so that it can pause."""

import psycopg

from tests.journey.people import Town, until

OURS = """
    SELECT usename, state, query FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def test_a_minute_after_the_last_request_no_session_of_ours_is_open(town: Town) -> None:
    town.subscriber()
    town.publish().sent()

    with psycopg.connect(town.stack.database_url, autocommit=True) as database:
        until(
            lambda: not database.execute(OURS).fetchall(),
            what="the last session's end",
            seconds=60,
        )
