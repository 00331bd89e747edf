"""How the functions enter a database: their role, TLS, tokens, poolers, and a database that sleeps.

The embedded PostgreSQL speaks no TLS: a door before it does.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from broadsheet.database import destination
from broadsheet.database.connection import connected
from broadsheet.domain.errors import DatabaseUnavailable
from local.postgres import SOCKET_NAME
from tests.cloud import Cloud
from tests.conftest import forget_everything

AURORA = "news.cluster-abc123.eu-central-1.rds.amazonaws.com"
SSL_REQUEST = bytes.fromhex("0000000804d2162f")


class Authority:
    """Signs servers' certificates."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._own = self._sign(self._name, self._key.public_key(), is_authority=True)

    @property
    def pem(self) -> bytes:
        return self._own.public_bytes(serialization.Encoding.PEM)

    def server(self, host: str, folder: Path) -> ssl.SSLContext:
        """What a server needs to be this host."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server")])
        certificate = self._sign(subject, key.public_key(), host=host)
        file = folder / "server.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        host: str | None = None,
        *,
        is_authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        )
        if host:
            names = x509.SubjectAlternativeName([x509.DNSName(host)])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


class Door:
    """Speaks TLS before a PostgreSQL that does not, and remembers how each client greeted it."""

    def __init__(self, identity: ssl.SSLContext, behind: str) -> None:
        self.greetings: list[bytes] = []
        self._identity = identity
        self._behind = behind
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._open, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _open(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._let_in, args=(client,), daemon=True).start()

    def _let_in(self, client: socket.socket) -> None:
        with suppress(OSError), closing(client):
            assert client.recv(8) == SSL_REQUEST
            client.sendall(b"S")
            inside = socket.socket(socket.AF_UNIX)
            inside.connect(self._behind)
            with self._identity.wrap_socket(client, server_side=True) as secured:
                greeting = secured.recv(10_000)
                if not greeting:
                    return
                self.greetings.append(greeting)
                inside.sendall(greeting)
                back = threading.Thread(target=_pass_on, args=(inside, secured), daemon=True)
                back.start()
                _pass_on(secured, inside)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while received := source.recv(65_536):
            target.sendall(received)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def our_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Stands in for AWS's own of eu-central-1, and for the public ones."""
    authority = Authority("ours")
    (tmp_path / "eu-central-1.pem").write_bytes(authority.pem)
    monkeypatch.setattr(destination, "_AUTHORITIES_OF_AWS", tmp_path)
    monkeypatch.setattr(destination, "_PUBLIC_AUTHORITIES", tmp_path / "eu-central-1.pem")
    return authority


@pytest.fixture
def door(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Authority, str], Door]]:
    """Opens a door before the database, where every host is found."""
    doors: list[Door] = []
    folder = parse_qs(urlsplit(cloud.database_url).query)["host"][0]

    def put(authority: Authority, host: str) -> Door:
        doors.append(Door(authority.server(host, tmp_path), f"{folder}/{SOCKET_NAME}"))
        monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
        monkeypatch.setattr(destination, "PORT", doors[-1].port)
        monkeypatch.setattr(destination, "DATABASE", "newsletter")
        return doors[-1]

    yield put
    for each in doors:
        each.close()


@pytest.fixture
def aurora(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a function whose stack has a database of its own."""
    monkeypatch.setenv("DATABASE_HOST", AURORA)
    monkeypatch.setenv("DATABASE_USER", "broadsheet")
    monkeypatch.setenv("DATABASE_URL_SECRET_ARN", "")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a session's")
    forget_everything()


def put_url(cloud: Cloud, url: str) -> None:
    boto3.client("secretsmanager").put_secret_value(
        SecretId=cloud.environment["DATABASE_URL_SECRET_ARN"], SecretString=url
    )


def session() -> dict[str, Any]:
    with connected(connect_timeout=0) as connection:
        ((user, database),) = connection.execute(
            "SELECT current_user, current_database()"
        ).fetchall()
        return {"user": user, "database": database}


def startup_parameters(greeting: bytes) -> dict[str, str]:
    words = greeting[8:].split(b"\0")
    names, values = words[0::2], words[1::2]
    return {name.decode(): value.decode() for name, value in zip(names, values, strict=False)}


# The stack's own Aurora


def test_aurora_is_entered_under_its_own_name_and_region_s_authority(
    aurora: None, door: Callable[[Authority, str], Door], our_authority: Authority
) -> None:
    door(our_authority, AURORA)

    assert session() == {"user": "broadsheet", "database": "newsletter"}


def test_a_database_with_the_certificate_of_another_name_is_not_talked_to(
    aurora: None, door: Callable[[Authority, str], Door], our_authority: Authority
) -> None:
    impostor = door(our_authority, "other.cluster-abc123.eu-central-1.rds.amazonaws.com")

    with pytest.raises(DatabaseUnavailable):
        session()
    assert impostor.greetings == []


def test_a_database_signed_by_another_authority_is_not_talked_to(
    aurora: None, door: Callable[[Authority, str], Door], our_authority: Authority
) -> None:
    impostor = door(Authority("ours"), AURORA)

    with pytest.raises(DatabaseUnavailable):
        session()
    assert impostor.greetings == []


def test_a_region_whose_authorities_are_not_here_is_named(
    aurora: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_HOST", AURORA.replace("eu-central-1", "xx-new-9"))

    with pytest.raises(LookupError, match=r"xx-new-9\.pem"):
        session()


def test_the_token_is_the_one_that_rds_s_own_client_signs(aurora: None) -> None:
    rds = boto3.Session().client("rds")

    def signed_in_one_second() -> tuple[str, str]:
        while True:
            began = int(time.time())
            ours = destination._token(AURORA, "broadsheet")
            theirs = rds.generate_db_auth_token(
                AURORA, destination.PORT, "broadsheet", "eu-central-1"
            )
            if int(time.time()) == began:
                return ours, theirs

    ours, theirs = signed_in_one_second()

    assert ours == theirs
    said = parse_qs(urlsplit(f"https://{ours}").query)
    assert said["X-Amz-Expires"] == ["900"]
    assert said["X-Amz-Security-Token"] == ["a session's"]


def test_the_token_is_no_part_of_what_is_printed(
    aurora: None, door: Callable[[Authority, str], Door], our_authority: Authority
) -> None:
    door(our_authority, AURORA)

    with connected(connect_timeout=0) as connection:
        assert "X-Amz" not in repr(connection)


# AWS's authorities, as shipped


@pytest.mark.parametrize(
    "file", sorted(destination._AUTHORITIES_OF_AWS.iterdir()), ids=lambda file: file.stem
)
def test_each_region_s_authorities_are_aws_s_own_and_outlive_this_code(file: Path) -> None:
    authorities = x509.load_pem_x509_certificates(file.read_bytes())

    names = {
        authority.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        for authority in authorities
    }
    assert names == {
        f"Amazon RDS {file.stem} Root CA {kind} G1" for kind in ("RSA2048", "RSA4096", "ECC384")
    }
    for authority in authorities:
        authority.verify_directly_issued_by(authority)
        assert authority.not_valid_after_utc > datetime.now(UTC) + timedelta(days=3650)


# One that a URL names


def test_a_url_that_says_nothing_of_tls_is_connected_to_with_it(
    cloud: Cloud, door: Callable[[Authority, str], Door], our_authority: Authority
) -> None:
    opened = door(our_authority, "db.page.example")
    put_url(cloud, f"postgresql://broadsheet@db.page.example:{opened.port}/newsletter")

    assert session() == {"user": "broadsheet", "database": "newsletter"}

    door(Authority("another"), "db.page.example")
    put_url(cloud, f"postgresql://broadsheet@db.page.example:{destination.PORT}/newsletter")
    forget_everything()
    with pytest.raises(DatabaseUnavailable):
        session()


def test_a_url_has_the_last_word_on_tls(
    cloud: Cloud, door: Callable[[Authority, str], Door], our_authority: Authority
) -> None:
    opened = door(Authority("another"), "another.example")
    put_url(
        cloud,
        f"postgresql://broadsheet@db.page.example:{opened.port}/newsletter?sslmode=require",
    )

    assert session()["user"] == "broadsheet"


def test_a_pooler_is_asked_for_nothing_that_it_refuses(
    cloud: Cloud, door: Callable[[Authority, str], Door], our_authority: Authority
) -> None:
    opened = door(our_authority, "pooler.page.example")
    put_url(cloud, f"postgresql://broadsheet@pooler.page.example:{opened.port}/newsletter")

    with connected(connect_timeout=0) as connection:
        for _ in range(20):  # more often than psycopg waits before it prepares a statement
            connection.execute("SELECT count(*) FROM subscribers WHERE name = %s", ["Ursula"])
        prepared = connection.execute("SELECT name FROM pg_prepared_statements").fetchall()

    (greeting,) = opened.greetings
    # What PgBouncer passes on by itself; any other, as `options`, ends the connection.
    assert startup_parameters(greeting).keys() - {""} <= {
        "user",
        "database",
        "client_encoding",
        "application_name",
    }
    assert prepared == []


# The role


def test_the_functions_own_no_table_and_can_change_none(cloud: Cloud) -> None:
    owned = "SELECT FROM pg_class WHERE relowner = 'broadsheet'::regrole"
    forbidden = (
        "DROP TABLE subscribers",
        "ALTER TABLE subscribers ADD COLUMN x text",
        "TRUNCATE deliveries",
        "CREATE TABLE x ()",
        "DELETE FROM schema_migrations",
        "ALTER ROLE broadsheet SUPERUSER",
    )

    with connected(connect_timeout=0) as connection:
        for statement in forbidden:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())

    assert cloud.rows(owned) == []


def test_the_role_brings_its_timeouts_along(cloud: Cloud) -> None:
    with connected(connect_timeout=0) as connection:
        shown = {
            setting: connection.execute(f"SHOW {setting}".encode()).fetchall()[0][0]
            for setting in (
                "lock_timeout",
                "statement_timeout",
                "idle_in_transaction_session_timeout",
            )
        }

    assert shown == {
        "lock_timeout": "10s",
        "statement_timeout": "30s",
        "idle_in_transaction_session_timeout": "30s",
    }


# A database that sleeps


def test_a_database_that_wakes_in_time_is_waited_for(cloud: Cloud) -> None:
    with cloud.database_down():
        waking = threading.Timer(
            0.6,
            lambda: _allow_connections(cloud.database_url.replace("/newsletter?", "/postgres?")),
        )
        waking.start()

        assert session_within(connect_timeout=10)["user"] == "broadsheet"

        waking.join()


def _allow_connections(server: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("ALTER DATABASE newsletter ALLOW_CONNECTIONS true")


def session_within(connect_timeout: float) -> dict[str, Any]:
    with connected(connect_timeout) as connection:
        ((user,),) = connection.execute("SELECT current_user").fetchall()
        return {"user": user}


def test_a_database_that_is_down_for_longer_is_reported_in_time(cloud: Cloud) -> None:
    with cloud.database_down():
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="try again"):
            session_within(connect_timeout=1)

        assert time.monotonic() - began < 3


def test_a_database_that_takes_the_call_and_says_nothing_is_given_up_in_time(
    cloud: Cloud, door: Callable[[Authority, str], Door], our_authority: Authority
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        put_url(cloud, f"postgresql://broadsheet@127.0.0.1:{port}/newsletter")
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable):
            session_within(connect_timeout=3)

        assert time.monotonic() - began < 5.5


def test_no_session_is_left_when_an_invocation_ends(cloud: Cloud) -> None:
    of_ours = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'broadsheet'"

    with connected(connect_timeout=0):
        assert cloud.row(of_ours)["count"] == 1

    assert cloud.row(of_ours)["count"] == 0
