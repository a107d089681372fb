"""Fan-out without decoding, and what happens to slow readers."""

import grpc
import pytest

from services.core.rpc import Refused
from services.gateway.streams import Hub, repeated
from vigil.v1 import feeds_pb2, market_data_pb2, trading_pb2


def record(seq: int, size: int = 0) -> feeds_pb2.FeedRecord:
    return feeds_pb2.FeedRecord(machine="m" * size, seq=seq)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_384, 70_000])
def test_batches_of_raw_records_are_what_protobuf_would_write(size: int) -> None:
    records = [record(1, size), record(2), record(3, 5)]
    raw = [one.SerializeToString() for one in records]
    assert repeated(1, raw) == trading_pb2.FeedBatch(records=records).SerializeToString()
    assert repeated(2, raw) == market_data_pb2.BookUpdate(records=records).SerializeToString()


async def test_a_reader_gets_its_subject_in_order() -> None:
    hub = Hub(10, 10)
    with hub.subscribed(("trades", 1)) as one, hub.subscribed(("trades", 2)) as two:
        for number in range(5):
            hub.publish(("trades", 1), bytes([number]))
        hub.publish(("trades", 2), b"two")
        batches = one.batches(3)
        assert [await anext(batches), await anext(batches)] == [[b"\0", b"\1", b"\2"], [b"\3", b"\4"]]
        assert await anext(two.batches(3)) == [b"two"]
    assert hub.readers == {}
    assert hub.count == 0


async def test_a_slow_reader_is_disconnected_and_holds_nothing() -> None:
    hub = Hub(2, 10)
    with hub.subscribed(("trades", 1)) as slow, hub.subscribed(("trades", 1)) as quick:
        quick_batches = quick.batches(10)
        for number in range(3):
            hub.publish(("trades", 1), bytes([number]))
            assert await anext(quick_batches) == [bytes([number])]
        assert not slow.waiting
        with pytest.raises(Refused) as refused:
            await anext(slow.batches(10))
        assert refused.value.status is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_streams_are_counted() -> None:
    hub = Hub(2, 1)
    with hub.subscribed(("trades", 1)), pytest.raises(Refused, match="1 streams"), hub.subscribed(("trades", 1)):
        pass
    with hub.subscribed(("trades", 1)):
        assert hub.count == 1
