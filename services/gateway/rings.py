"""The last records of a feed, for readers who come back: whether the rest can be told, and the rest; it sends nothing."""

from collections import deque
from itertools import islice

import grpc

from services.core.reasons import Reason
from services.core.rpc import Refused
from vigil.v1 import feeds_pb2


class Ring:
    """Serialized records by a number that counts without gaps, such as the `seq` of a partition or the trades of a market."""

    def __init__(self, records_max: int) -> None:
        self.entries: deque[tuple[int, int, bytes]] = deque(maxlen=records_max)

    def put(self, number: int, subject: int, raw: bytes) -> None:
        """Remember a record; `subject` tells records of one ring apart."""
        if self.entries and number != self.entries[-1][0] + 1:
            self.entries.clear()
        self.entries.append((number, subject, raw))

    def reaches(self, after: int) -> bool:
        """Whether everything that came after a number is here, up to the last record."""
        return bool(self.entries) and self.entries[0][0] <= after + 1

    def since(self, after: int, subject: int) -> list[tuple[bytes, feeds_pb2.FeedRecord]]:
        """Records of a subject after a number that is reached, in order."""
        begin = max(0, after + 1 - self.entries[0][0]) if self.entries else 0
        later = islice(self.entries, begin, None)
        return [(raw, feeds_pb2.FeedRecord.FromString(raw)) for _, about, raw in later if about == subject]


def forgotten(what: str) -> Refused:
    """Refusal to go on from something this gateway does not remember."""
    text = f"what came after {what} is not remembered here; take a snapshot and begin anew"
    return Refused(grpc.StatusCode.OUT_OF_RANGE, text, Reason.MALFORMED)
