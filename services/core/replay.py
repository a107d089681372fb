"""Replay of an inbox: a fresh machine reads the history to its end and says nothing; the digest tells whether it is the same history."""

from services.core.log import Log
from services.core.spine import Engine, S
from services.core.topics import inbox

BATCH = 2_000


async def replay(engine: Engine[S], home: Log) -> Engine[S]:
    """Step an engine through its whole inbox, without emitting; what it reaches is the same in every home of the log.

    Raises   what Engine.step raises: a record that is broken there, or a bug; LogError
    """
    topic = inbox(engine.machine.service)
    end = await home.end(topic, engine.partition)
    while engine.spine.position < end:
        for offset, at_ms, value in await home.read(topic, engine.partition, engine.spine.position, BATCH, 5_000):
            engine.step(offset, at_ms, value)
    return engine
