"""An issuer of workflows' tokens, as GitHub is one, on this machine."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import uuid4

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from local.http_api import serving

REPOSITORY, REPOSITORY_ID = "jo/letters", "1296269"
AUDIENCE = "https://abcdefghij.execute-api.eu-central-1.amazonaws.com/prod"
PUSH = {"event_name": "push", "ref": "refs/heads/main", "base_ref": ""}
PULL_REQUEST = {"event_name": "pull_request", "ref": "refs/pull/7/merge", "base_ref": "main"}


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    """Return the private key of this name, which takes a while to make."""
    del name
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Issuer:
    """It signs with the last of its keys, and publishes all of them. ``asked``: how often.

    ``run``: the one that a runner asks a token for. ``handed_out``: what runners got.
    """

    url: str = ""
    keys: list[str] = field(default_factory=lambda: ["one"])
    asked: int = 0
    is_up: bool = True
    run: Mapping[str, Any] = field(default_factory=lambda: PUSH)
    handed_out: list[str] = field(default_factory=list, repr=False)

    def token(
        self,
        claims: Mapping[str, Any] = PUSH,
        header: Mapping[str, Any] | None = None,
        **more: object,
    ) -> str:
        """Return a token of a run, good for five minutes; None leaves a claim out."""
        now = int(time.time())
        stated = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": f"repo:jo@583231/letters@{REPOSITORY_ID}:ref:refs/heads/main",
            "jti": str(uuid4()),
            "iat": now,
            "nbf": now - 300,
            "exp": now + 300,
            "repository": REPOSITORY,
            "repository_id": REPOSITORY_ID,
            "actor": "jo",
            **claims,
            **more,
        }
        kept = {name: value for name, value in stated.items() if value is not None}
        return jwt.encode(
            kept,
            key(self.keys[-1]),
            algorithm="RS256",
            headers={"kid": self.keys[-1], **(header or {})},
        )

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Publish the keys, as GitHub does."""
        if request.path == "/token":  # as a runner asks for it
            if request.headers.get("Authorization") != "Bearer runner":
                return web.Response(status=403)
            token = self.token(self.run, aud=request.query["audience"])
            self.handed_out.append(token)
            return web.json_response({"value": token})
        self.asked += 1
        if not self.is_up or request.path != "/.well-known/jwks":
            return web.Response(status=503)
        return web.json_response({"keys": [self._published(name) for name in self.keys]})

    @staticmethod
    def _published(name: str) -> dict[str, Any]:
        public = jwt.algorithms.RSAAlgorithm.to_jwk(key(name).public_key(), as_dict=True)
        return {**public, "kid": name, "use": "sig", "alg": "RS256"}


@contextmanager
def issuing() -> Iterator[Issuer]:
    """Give an issuer until the end of the context."""
    issuer = Issuer()
    with serving(issuer.handle) as port:
        issuer.url = f"http://localhost:{port}"
        yield issuer
