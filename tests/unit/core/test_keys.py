"""Keys: ids, and what counts as a signature."""

import pytest

from services.core import keys
from services.core.keys import FRAME_DOMAIN, QUERY_DOMAIN, SigningKey, signed_bytes, verifies

# RFC 8032, 7.1, test 1: seed, public key, signature of the empty message.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
SIGNATURE = bytes.fromhex(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
)
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


def little(number: int) -> bytes:
    return number.to_bytes(32, "little")


def test_the_published_vector_verifies() -> None:
    assert SigningKey(SEED).public == PUBLIC
    assert verifies(PUBLIC, SIGNATURE, b"")


def test_account_and_key_id_are_bits_of_one_hash() -> None:
    assert keys.key_id(PUBLIC) >> 10 == keys.account_of_key(PUBLIC) == SigningKey(SEED).account
    assert keys.account_of_key(PUBLIC) < 2**54


def test_a_key_does_not_print_its_seed() -> None:
    assert SEED.hex() not in repr(SigningKey(SEED))


def test_a_signature_is_of_one_kind_and_one_venue() -> None:
    key = SigningKey(SEED)
    signature = key.sign(FRAME_DOMAIN, "one", b"content")
    assert verifies(key.public, signature, signed_bytes(FRAME_DOMAIN, "one", b"content"))
    assert not verifies(key.public, signature, signed_bytes(FRAME_DOMAIN, "two", b"content"))
    assert not verifies(key.public, signature, signed_bytes(QUERY_DOMAIN, "one", b"content"))


NOT_SIGNATURES = [
    ("empty", b""),
    ("short", SIGNATURE[:-1]),
    ("long", SIGNATURE + b"\x00"),
    ("zeros", bytes(64)),
    ("another R", bytes([SIGNATURE[0] ^ 1]) + SIGNATURE[1:]),
    ("S plus the group order", SIGNATURE[:32] + little(int.from_bytes(SIGNATURE[32:], "little") + GROUP_ORDER)),
]


@pytest.mark.parametrize("signature", [row[1] for row in NOT_SIGNATURES], ids=[row[0] for row in NOT_SIGNATURES])
def test_other_signatures_do_not_verify(signature: bytes) -> None:
    assert not verifies(PUBLIC, signature, b"")


SMALL = [y | sign for y in keys.SMALL_ORDER for sign in (0, keys.SIGN_BIT)]
NOT_CANONICAL = [keys.FIELD_PRIME + extra for extra in range(19)]


@pytest.mark.parametrize("point", SMALL + NOT_CANONICAL, ids=hex)
def test_weak_and_non_canonical_keys_sign_nothing(point: int) -> None:
    for signature in (little(1) + bytes(32), bytes(64), little(point) + bytes(32)):
        assert not verifies(little(point), signature, b"anything")


def test_without_the_check_a_weak_key_would_sign_anything() -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    Ed25519PublicKey.from_public_bytes(little(1)).verify(little(1) + bytes(32), b"anything")


def test_a_derived_id_depends_on_bytes_and_index() -> None:
    ids = [keys.derived_command_id(signed, index) for signed in (b"a", b"b") for index in (0, 1, 256)]
    assert len(set(ids)) == len(ids)
    assert all(0 < one < 2**64 for one in ids)
