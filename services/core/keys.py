"""Ed25519 keys: ids that come from a key, what is signed, signing and verifying; it decides no permission.

A signature covers a domain (which kind of message, of which venue) and the exact bytes, so it cannot be moved to another
kind of request or to another venue.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.core.fixed import AccountId

KEY_SIZE = 32
SIGNATURE_SIZE = 64
FRAME_DOMAIN = "vigil.v1.frame"
QUERY_DOMAIN = "vigil.v1.query"
ADMIN_DOMAIN = "vigil.v1.admin"

FIELD_PRIME = 2**255 - 19
SIGN_BIT = 2**255
SMALL_ORDER = (
    0,
    1,
    FIELD_PRIME - 1,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7,
)
"""y of the eight points of small order: such a key signs nothing, anybody's signature would verify under it."""


def first_64_bits(content: bytes) -> int:
    """First 64 bits of the BLAKE2b-512 of `content`, big endian."""
    return int.from_bytes(blake2b(content).digest()[:8], "big")


def key_id(key: bytes) -> int:
    """Number of a public key: the first 64 bits of its BLAKE2b."""
    return first_64_bits(key)


def account_of_key(key: bytes) -> AccountId:
    """Account that a key opens: the first 54 bits of its BLAKE2b."""
    return first_64_bits(key) >> 10


def derived_command_id(signed: bytes, index: int) -> int:
    """Id of a command that brought none: from the signed bytes and its place in the frame; never 0."""
    return derived_from(blake2b(signed), index)


def derived_from(begun: blake2b, index: int) -> int:
    """As derived_command_id, of signed bytes that were hashed already."""
    whole = begun.copy()
    whole.update(index.to_bytes(4, "big"))
    return int.from_bytes(whole.digest()[:8], "big") or 1


def signed_bytes(domain: str, venue: str, content: bytes) -> bytes:
    """What a signature covers."""
    return f"{domain}\n{venue}\n".encode() + content


def is_sound_key(key: bytes) -> bool:
    """Whether `key` is 32 bytes in canonical form and no point of small order."""
    if len(key) != KEY_SIZE:
        return False
    y = int.from_bytes(key, "little") % SIGN_BIT
    return y < FIELD_PRIME and y not in SMALL_ORDER


def verifies(key: bytes, signature: bytes, signed: bytes) -> bool:
    """Whether `signature` is the key's own of `signed`; a non-canonical key or signature never is."""
    if not is_sound_key(key) or len(signature) != SIGNATURE_SIZE:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


class PublicKey(NamedTuple):
    """A public key, read, with the ids that come from it."""

    key: bytes
    key_id: int
    account: AccountId
    point: Ed25519PublicKey

    def signed(self, signature: bytes, covered: bytes) -> bool:
        """Whether `signature` is the key's own of `covered`."""
        try:
            self.point.verify(signature, covered)
        except InvalidSignature:
            return False
        return True


@lru_cache(maxsize=4_096)
def read_key(key: bytes) -> PublicKey | None:
    """Read a public key, None when it is not sound; those that act are read once."""
    if not is_sound_key(key):
        return None
    try:
        point = Ed25519PublicKey.from_public_bytes(key)
    except ValueError:
        return None
    number = key_id(key)
    return PublicKey(key, number, number >> 10, point)


class SigningKey:
    """A private key with the ids that come from it; it prints as its key id, never as its seed."""

    def __init__(self, seed: bytes) -> None:
        """Key of a 32-byte seed; ValueError for another length."""
        self.private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self.private.public_key().public_bytes_raw()
        self.key_id = key_id(self.public)
        self.account = account_of_key(self.public)

    @classmethod
    def generate(cls) -> "SigningKey":
        """New random key."""
        return cls(Ed25519PrivateKey.generate().private_bytes_raw())

    @property
    def seed(self) -> bytes:
        """The 32 bytes to keep secret."""
        return self.private.private_bytes_raw()

    def sign(self, domain: str, venue: str, content: bytes) -> bytes:
        """Signature, 64 bytes, of `content` for a domain and a venue."""
        return self.private.sign(signed_bytes(domain, venue, content))

    def __repr__(self) -> str:
        return f"SigningKey(key_id={self.key_id:#x})"
