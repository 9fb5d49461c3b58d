"""An OpenID provider as its client sees it: code flow with PKCE, nonce and state (OpenID Connect Core 1.0 §3.1).

Authlib speaks OAuth, joserfc checks the ID token. What the provider says of itself is kept for an hour.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from httpx2 import HTTPError, InvalidURL
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from classroom.web.provider_errors import ProviderUnreachable, SignInFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

SCOPE = "openid profile"
TIMEOUT_S = 10.0
KEPT_S = 3600.0
KEYS_KEPT_S = 60.0  # then a key that is not among them may be a new one
LEEWAY_S = 60
MAX_SUBJECT_CHARS = 255  # §2
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


@dataclass(frozen=True, slots=True)
class Vouched:
    """Whom the provider vouches for; ``login``: what it calls them here, perhaps nothing."""

    subject: str
    login: str | None


class OpenIdProvider:
    """One provider. ``claim`` is the one that holds a login of ours: ``preferred_username``, a staff number."""

    def __init__(self, issuer: str, client_id: str, client_secret: str, claim: str) -> None:
        self.issuer = issuer
        self._client_id = client_id
        self._claim = claim
        self._client = AsyncOAuth2Client(
            client_id,
            client_secret,
            scope=SCOPE,
            code_challenge_method="S256",
            timeout=TIMEOUT_S,
        )
        self._metadata: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._metadata_at_s = self._keys_at_s = -KEPT_S

    async def close(self) -> None:
        """Let go of its connections."""
        await self._client.aclose()

    async def address(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where a browser is sent to sign in. Raises ProviderUnreachable."""
        endpoint = await self._endpoint("authorization_endpoint")
        address, _ = self._client.create_authorization_url(
            endpoint, state=state, nonce=nonce, code_verifier=verifier, redirect_uri=redirect_uri
        )
        return str(address)

    async def redeem(self, code: str, redirect_uri: str, nonce: str, verifier: str) -> Vouched:
        """Whom a code stands for. Raises SignInFailed, ProviderUnreachable."""
        endpoint = await self._endpoint("token_endpoint")
        try:
            token = await self._client.fetch_token(
                endpoint, code=code, redirect_uri=redirect_uri, code_verifier=verifier, grant_type="authorization_code"
            )
            claims = await self._claims(str(token["id_token"]), nonce)
            if self._claim not in claims and "userinfo_endpoint" in self._metadata:
                claims = {**await self._userinfo(str(token["access_token"]), claims["sub"]), **claims}
        except (HTTPError, InvalidURL) as error:
            raise _unreachable(error) from error
        except (OAuthError, JoseError, KeyError, ValueError) as error:
            logger.warning("%s does not vouch for anybody: %s", self.issuer, error)
            raise SignInFailed from error
        login = claims.get(self._claim)
        return Vouched(str(claims["sub"]), str(login) if isinstance(login, str | int) and login != "" else None)

    async def _claims(self, id_token: str, nonce: str) -> dict[str, Any]:
        """What an ID token says, after the checks of OpenID Connect Core 1.0 §3.1.3.7. Raises JoseError, ValueError."""
        try:
            token = jwt.decode(id_token, await self._keys_of_provider(KEPT_S), algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            token = jwt.decode(id_token, await self._keys_of_provider(KEYS_KEPT_S), algorithms=ALGORITHMS)
        claims = token.claims
        jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._metadata["issuer"]},
            aud={"essential": True, "value": self._client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        ).validate(claims)
        subject = claims["sub"]
        if not isinstance(subject, str) or len(subject) > MAX_SUBJECT_CHARS or "\0" in subject:
            raise ValueError("the subject is not one that can be kept")
        if claims.get("azp", self._client_id) != self._client_id:
            raise ValueError("the token is another client's")
        return claims

    async def _userinfo(self, access_token: str, subject: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {access_token}"}
        told = await self._get(self._metadata["userinfo_endpoint"], headers)
        if told.get("sub") != subject:
            raise ValueError("userinfo is about somebody else")
        return told

    async def _endpoint(self, name: str) -> str:
        """An address that the provider tells of itself. Raises ProviderUnreachable."""
        if time.monotonic() - self._metadata_at_s >= KEPT_S:
            try:
                told = await self._get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
                if told.get("issuer") != self.issuer:
                    raise ValueError(f"it calls itself {told.get('issuer')}")
            except (HTTPError, InvalidURL, ValueError) as error:
                raise _unreachable(error) from error
            self._metadata, self._metadata_at_s = told, time.monotonic()
        try:
            return str(self._metadata[name])
        except KeyError as error:
            raise _unreachable(error) from error

    async def _keys_of_provider(self, kept_s: float) -> KeySet:
        if self._keys is None or time.monotonic() - self._keys_at_s >= kept_s:
            told = await self._get(self._metadata["jwks_uri"])
            self._keys, self._keys_at_s = KeySet.import_key_set(told), time.monotonic()  # type: ignore[arg-type]
        return self._keys

    async def _get(self, address: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """JSON at an address. Raises HTTPError, InvalidURL, ValueError."""
        response = await self._client.request("GET", address, headers=headers, withhold_token=True)
        response.raise_for_status()
        told = response.json()
        if not isinstance(told, dict):
            raise ValueError(f"{address} has no object")
        return told


def _unreachable(error: Exception) -> ProviderUnreachable:
    logger.warning("the OpenID provider cannot be used: %r", error)
    return ProviderUnreachable()
