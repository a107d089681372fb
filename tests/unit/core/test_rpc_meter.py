"""Calls are counted by how they ended."""

import contextlib

import grpc
import pytest

from services.core.reasons import Reason
from services.core.rpc import reason_metadata
from services.core.rpc_meter import REASON_HEADER, RpcMeter

METHOD = "/vigil.v1.Trading/Submit"


class Context:
    """What grpc keeps of a call."""

    def __init__(self, code: object = 0, trailing: object = None) -> None:
        self.ended = code
        self.trailing = trailing

    def code(self) -> object:
        return self.ended

    def trailing_metadata(self) -> object:
        return self.trailing


REFUSED = reason_metadata(Reason.TOO_MANY_REQUESTS)
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("context", "raised", "key"),
    [
        pytest.param(Context(), None, ("OK", ""), id="answered"),
        pytest.param(Context(None), None, ("OK", ""), id="answered, no status set"),
        pytest.param(
            Context(8, REFUSED), grpc.aio.AbortError, ("RESOURCE_EXHAUSTED", "TOO_MANY_REQUESTS"), id="refused"
        ),
        pytest.param(
            Context(EXHAUSTED, REFUSED), grpc.aio.AbortError, ("RESOURCE_EXHAUSTED", "TOO_MANY_REQUESTS"), id="by enum"
        ),
        pytest.param(Context(13), grpc.aio.AbortError, ("INTERNAL", ""), id="a bug"),
        pytest.param(Context(), GeneratorExit, ("CANCELLED", ""), id="the client hung up"),
    ],
)
@pytest.mark.parametrize("streams", [False, True])
def test_every_end_has_its_label(
    context: Context, raised: type[BaseException] | None, key: tuple[str, str], *, streams: bool
) -> None:
    meter = RpcMeter()
    with contextlib.ExitStack() as stack:
        stack.enter_context(pytest.raises(raised) if raised else contextlib.nullcontext())
        stack.enter_context(meter.measured(METHOD, context, streams=streams))
        assert meter.streams == ({"Trading/Submit": 1} if streams else {})
        if raised is not None:
            raise raised
    assert meter.calls == {("Trading/Submit", *key): 1}
    assert list(meter.seconds) == ([] if streams else [("Trading/Submit",)])
    assert not any(meter.streams.values())


def test_the_reason_is_read_where_refusals_write_it() -> None:
    assert dict(REFUSED)[REASON_HEADER] == "TOO_MANY_REQUESTS"
