"""Where the database is: the stack's own Aurora, entered by IAM, or the URL in a secret.

No variable holds a password: Aurora accepts a token that is signed here, without a call.
"""

from __future__ import annotations

from pathlib import Path

import botocore
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from broadsheet import aws, settings
from broadsheet.secrets import secret

DATABASE = "broadsheet"  # the stack's own; infra/database.yaml makes it
PORT = 5432

# Those that sign the certificates of RDS and Aurora, by region, as AWS publishes them; those that
# sign everybody else's.
_AUTHORITIES_OF_AWS = Path(__file__).parent / "certificates"
_PUBLIC_AUTHORITIES = Path(botocore.__file__).parent / "cacert.pem"

_TOKEN_VALID = 900  # seconds, for connecting; a session lives on


def conninfo(secret_arn: str | None = None) -> str:
    """Return libpq's connection string, valid for the next 15 minutes.

    ``secret_arn``: a secret with a URL; without it, the environment names the destination. A URL
    without ``sslmode`` gets ``verify-full``.
    Raises ``DependencyUnavailable``, and ``LookupError`` for a region without known authorities.
    """
    if secret_arn is None and (database := settings.database()).host:
        return make_conninfo(
            host=database.host,
            port=PORT,
            dbname=DATABASE,
            user=database.user,
            password=_token(database.host, database.user),
            sslmode="verify-full",
            sslrootcert=_authorities(database.host),
        )
    url = secret(secret_arn or settings.database().url_secret_arn, stale_is_good=True)
    said = conninfo_to_dict(url)
    tls = {"sslmode": str(said.get("sslmode") or "verify-full")}
    if tls["sslmode"].startswith("verify") and "sslrootcert" not in said:
        tls["sslrootcert"] = _authorities(str(said.get("host") or ""))
    return make_conninfo(url, **tls)


def _authorities(host: str) -> str:
    labels = host.split(".")
    if labels[-3:] != ["rds", "amazonaws", "com"]:
        return str(_PUBLIC_AUTHORITIES)
    of_region = _AUTHORITIES_OF_AWS / f"{labels[-4]}.pem"
    if not of_region.exists():
        raise LookupError(f"there is no {of_region.name} in {_AUTHORITIES_OF_AWS}")
    return str(of_region)


def _token(host: str, user: str) -> str:
    """Sign a token as ``rds.generate_db_auth_token`` does, without RDS's description to read."""
    region = host.split(".")[-4]  # NAME.cluster-ID.REGION.rds.amazonaws.com
    request = AWSRequest(
        method="GET", url=f"https://{host}:{PORT}/", params={"Action": "connect", "DBUser": user}
    )
    signer = SigV4QueryAuth(
        aws.credentials().get_frozen_credentials(), "rds-db", region, expires=_TOKEN_VALID
    )
    signer.add_auth(request)
    return str(request.prepare().url).removeprefix("https://")
