"""The key that signs heads of the audit chain.

It follows from the hub's root secret, which DATA_KEY wraps: the database alone cannot sign, and an exchange
of DATA_KEY leaves it as it is.
"""

import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rooms.audit import Head, head_statement

SEED_BYTES: Final = 32
_INFO: Final = b"allinya audit head key 1"


class HeadKey:
    """An Ed25519 key. `public` are its 32 public bytes, `id` a short name for them."""

    __slots__ = ("_private", "id", "public")

    def __init__(self, root: bytes) -> None:
        seed = HKDF(hashes.SHA256(), SEED_BYTES, salt=None, info=_INFO).derive(root)
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = hashlib.sha256(self.public).hexdigest()[:16]

    def sign(self, n: int, digest: bytes, *, signed_at_ms: int) -> Head:
        """A head that says: the chain up to `n` has this digest, at this time."""
        signature = self._private.sign(head_statement(n, digest, signed_at_ms))
        return Head(n, digest, signed_at_ms, self.id, signature)

    def signed(self, head: Head) -> bool:
        """Whether this key signed a head, exactly as it reads."""
        statement = head_statement(head.n, head.digest, head.signed_at_ms)
        try:
            self._private.public_key().verify(head.signature, statement)
        except InvalidSignature:
            return False
        return head.key_id == self.id
