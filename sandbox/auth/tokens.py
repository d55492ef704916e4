"""The signing key and the access tokens made with it, shaped as Supabase's."""

import base64
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.state import Json, Store

ACCESS_LASTS_S = 3_600


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An ES256 key with its id; kept in the store, so tokens outlive a restart."""

    kid: str
    private: ec.EllipticCurvePrivateKey

    def jwk(self) -> Json:
        """The public half as a JWK."""
        numbers = self.private.public_key().public_numbers()
        return {
            "kty": "EC",
            "crv": "P-256",
            "alg": "ES256",
            "use": "sig",
            "kid": self.kid,
            "ext": True,
            "key_ops": ["verify"],
            "x": _coordinate(numbers.x),
            "y": _coordinate(numbers.y),
        }

    def sign(self, claims: Json) -> str:
        """A JWT with these claims."""
        return jwt.encode(claims, self.private, algorithm="ES256", headers={"kid": self.kid})

    def verify(self, token: str, issuer: str) -> dict[str, Any]:
        """The claims. Raises `jwt.InvalidTokenError`."""
        return jwt.decode(
            token,
            self.private.public_key(),
            algorithms=["ES256"],
            audience="authenticated",
            issuer=issuer,
            options={"require": ["exp", "sub", "session_id"]},
        )


def _coordinate(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32)).rstrip(b"=").decode()


def signing_key(store: Store, new_kid: str) -> SigningKey:
    """The stored key, made at the first start under the id `new_kid`."""
    saved = store.get("signing_key", "current")
    if saved is None:
        private = ec.generate_private_key(ec.SECP256R1())
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        saved = store.put("signing_key", "current", {"kid": new_kid, "pem": pem})
    loaded = serialization.load_pem_private_key(saved["pem"].encode(), None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise TypeError("the stored signing key is of another kind")
    return SigningKey(saved["kid"], loaded)


def access_claims(
    user: Json, session: Json, *, issuer: str, now_s: int, lasts_s: int = ACCESS_LASTS_S
) -> Json:
    """What Supabase puts into an access token."""
    return {
        "iss": issuer,
        "sub": user["id"],
        "aud": "authenticated",
        "exp": now_s + lasts_s,
        "iat": now_s,
        "email": user["email"],
        "phone": user["phone"],
        "app_metadata": user["app_metadata"],
        "user_metadata": user["user_metadata"],
        "role": "authenticated",
        "aal": session["aal"],
        "amr": [{"method": "password", "timestamp": session["created_s"]}],
        "session_id": session["id"],
        "is_anonymous": False,
    }
