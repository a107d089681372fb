"""Split a recorded risk inbox by account slot: broadcasts go to every part, sequence numbers and chains are written anew."""

from typing import Any
from zlib import crc32

import msgspec

from services.core import messages as m
from services.core.fixed import SLOTS, account_of, slot_of
from services.core.log import LogRecord
from services.core.spine import Peer, record_type
from services.core.topics import ROUTES, Key

ENCODE = msgspec.msgpack.Encoder().encode
KEYS = {row.message: hop.key for row in ROUTES for hop in row.hops if hop.reader == "risk"}


def split(inbox: list[LogRecord], shards: int) -> list[list[LogRecord]]:
    """Return one inbox per shard; slots are dealt in turn."""
    decode = msgspec.msgpack.Decoder(record_type("risk")).decode
    parts: list[list[LogRecord]] = [[] for _ in range(shards)]
    peers: dict[tuple[int, str], Peer] = {}
    for _offset, at_ms, value in inbox:
        record = decode(value)
        if isinstance(record.message, m.Genesis):
            record.message = with_shards(record.message, shards)
        for shard in shards_of(record.message, shards):
            peer = peers.setdefault((shard, record.source), Peer())
            part = parts[shard]
            part.append(LogRecord(len(part), at_ms, renumbered(record, peer)))
    return parts


def with_shards(genesis: m.Genesis, shards: int) -> m.Genesis:
    """Return the constitution of the generation with that many risk shards."""
    partitions = {**genesis.partitions, "risk": shards}
    return msgspec.structs.replace(genesis, partitions=partitions, slots=[slot % shards for slot in range(SLOTS)])


def shards_of(message: Any, shards: int) -> list[int]:
    """Shards that get a message."""
    key = KEYS[type(message)]
    if key is Key.ALL:
        return list(range(shards))
    if key is Key.SUBACCOUNT:
        return [slot_of(account_of(message.subaccount)) % shards]
    account = message.header.account if hasattr(message, "header") else message.account
    return [slot_of(account) % shards]


def renumbered(record: m.Record, peer: Peer) -> bytes:
    """Encode a record as the source would have sent it to this shard alone."""
    if not record.source:
        return ENCODE(record)
    peer.seq += 1
    value = ENCODE(m.Record(record.message, record.source, peer.seq, peer.chain, record.origin_ms, record.trace))
    peer.chain = crc32(value)
    return value
