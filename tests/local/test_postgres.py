from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from local import processes
from local.postgres import MAX_SOCKET_PATH_BYTES, Postgres, answers


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Postgres]:
    server = Postgres(tmp_path)
    server.start()
    yield server
    server.close()


def _write(server: Postgres) -> None:
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept (number int)")
        connection.execute("INSERT INTO kept VALUES (7)")


def _read(server: Postgres) -> int:
    with psycopg.connect(server.url) as connection:
        row = connection.execute("SELECT number FROM kept").fetchone()
    assert row
    return int(row[0])


def test_data_survives_a_kill_and_a_stale_lock_file(server: Postgres, tmp_path: Path):
    _write(server)
    assert server.child
    for process in [psutil.Process(server.child.process.pid), *processes.of_stack(tmp_path)]:
        process.kill()
    server.child.process.wait()
    lock = tmp_path / "postgres" / "data" / "postmaster.pid"
    # Its process id belongs to another program now, as after a restart of the machine.
    _, rest = lock.read_text().split("\n", 1)
    lock.write_text(f"{psutil.Process().pid}\n{rest}")

    server.start()

    assert _read(server) == 7


def test_a_restarted_server_has_the_same_url(server: Postgres):
    _write(server)
    url = server.url

    server.stop()
    assert not answers(url)

    server.start()
    assert server.url == url
    assert answers(url)
    assert _read(server) == 7


@pytest.mark.parametrize("name", ["a" * MAX_SOCKET_PATH_BYTES, "with a space, and 'more'"])
def test_a_state_folder_whose_path_no_socket_can_have(tmp_path: Path, name: str):
    folder = tmp_path / name
    folder.mkdir()
    server = Postgres(folder)
    server.start()
    sockets = Path(server.url.split("host=")[1])

    _write(server)
    server.close()

    assert not sockets.exists()


def test_it_starts_after_an_interrupted_first_start(tmp_path: Path):
    half_made = tmp_path / "postgres" / "data.new"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18")

    server = Postgres(tmp_path)
    server.start()

    assert answers(server.url)
    server.close()
