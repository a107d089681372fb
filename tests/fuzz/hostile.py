"""Requests that no honest client sends, made from a schema by a seed: boundary numbers, odd texts, torn and flipped bytes."""

import random
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

DEPTH_MAX = 5
INTEGERS = (0, 1, 2, 255, 256, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
NUMBERS = ("", " ", "0", "-1", "+1", "1e9", "NaN", "Infinity", "1.", ".5", "00.5", "0x10", "1_000", "1,5")
SCRIPTS = ("\u0663.\u0665", "\uff11", "\x00", "\n", "\u202e1", "🦀")
LONG = ("9" * 60, "0." + "0" * 50 + "1", "A" * 5_000)
NAMES = ("BTC_USDC_PERP", "BTC_USDC", "USDC", "BTC", "main", "btc_usdc_perp", "../../etc", "'; drop table", "risk/0")
TEXTS = (*NUMBERS, *SCRIPTS, *LONG, *NAMES)


def hostile(chance: random.Random, kind: Descriptor, depth: int = 0) -> Message:
    """A readable message whose fields hold what nobody expects."""
    message = message_factory.GetMessageClass(kind)()
    for field in kind.fields:
        if chance.random() < 0.3 or depth > DEPTH_MAX:
            continue
        if field.is_repeated:
            for _ in range(chance.choice((1, 1, 2, 3))):
                add(chance, message, field, depth)
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(hostile(chance, field.message_type, depth + 1))
        else:
            setattr(message, field.name, scalar(chance, field))
    return message


def add(chance: random.Random, message: Message, field: FieldDescriptor, depth: int) -> None:
    """One more of a repeated field."""
    values = getattr(message, field.name)
    if field.message_type is not None:
        values.add().CopyFrom(hostile(chance, field.message_type, depth + 1))
    else:
        values.append(scalar(chance, field))


def scalar(chance: random.Random, field: FieldDescriptor) -> Any:
    """A value at the edges of its type."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        text = chance.choice(TEXTS)
        return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return chance.random() < 0.5
    if field.cpp_type == FieldDescriptor.CPPTYPE_UINT32:
        return chance.choice(INTEGERS) % 2**32
    if field.cpp_type == FieldDescriptor.CPPTYPE_UINT64:
        return chance.choice(INTEGERS)
    bits = 64 if field.cpp_type == FieldDescriptor.CPPTYPE_INT64 else 32
    return chance.choice((-1, 1)) * (chance.choice(INTEGERS) % 2 ** (bits - 1))


def broken(chance: random.Random, raw: bytes) -> bytes:
    """The same bytes, or torn, flipped, doubled, with a tail, nested without end, or others altogether."""
    match chance.randrange(9):
        case 0:
            return chance.randbytes(chance.randrange(1, 300))
        case 1:
            return raw[: chance.randrange(len(raw) + 1)]
        case 2 if raw:
            return flipped(chance, raw)
        case 3:
            return raw + raw
        case 4:
            return raw + b"\xfa\x3f\x03abc"
        case 5:
            return nested(chance) if chance.random() < 0.05 else b"\xff" * chance.randrange(40)
        case _:
            return raw


def flipped(chance: random.Random, raw: bytes) -> bytes:
    """One bit is another."""
    at = chance.randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ 1 << chance.randrange(8)]) + raw[at + 1 :]


def nested(chance: random.Random) -> bytes:
    """A message in a message in a message, deeper than any reader follows."""
    raw = b""
    for _ in range(chance.choice((50, 101, 5_000))):
        raw = b"\x12" + varint(len(raw)) + raw
    return raw


def varint(number: int) -> bytes:
    """Protobuf's form of a length."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])
