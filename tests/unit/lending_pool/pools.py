"""A lending pool's machine with reports written by hand: amounts are shares times an index of one unless a period says otherwise."""

from services.core import messages as m
from services.core import pool as p
from services.core.fixed import FRACTION_ONE
from services.core.markets import PoolTerms
from services.lending_pool.state import Pool
from tests.builders import PERCENT, USDC, USDC_UNIT, Driven, but, genesis, only, the

TERMS = PoolTerms(
    optimal=90 * PERCENT,
    slope=5 * PERCENT,
    steep_slope=FRACTION_ONE,
    reserve_factor=10 * PERCENT,
    throttle_threshold=0,
    throttle_bound=95 * PERCENT,
    convert_bound=98 * PERCENT,
)
PERIOD_MS = TERMS.period_ms
UNIT = USDC_UNIT
FREE = but(TERMS, slope=0, steep_slope=0, reserve_factor=0, throttle_bound=FRACTION_ONE)
"""A pool without interest, whose arithmetic is done in the head."""


class Shards:
    """The machine, and reports of its shards in whole units of the asset."""

    def __init__(self, terms: PoolTerms = TERMS, shards: int = 1) -> None:
        self.machine = Driven("lending_pool", founding=genesis(risk=shards))
        self.machine.tell(m.AssetListed(but(USDC, pool=terms)))

    @property
    def pool(self) -> Pool:
        """The pool."""
        found: Pool = self.machine.state.pools[1]
        return found

    def delta(self, shard: int = 0, supply: int = 0, debt: int = 0, cash: int = 0, **rest: int) -> m.PoolDelta:
        """A report of the open period; shares are units."""
        unused, held, loss, clearing = (rest.get(name, 0) * UNIT for name in ("line", "held", "loss", "clearing"))
        return m.PoolDelta(
            shard=shard,
            asset=1,
            period=self.pool.indices.period,
            supply=(supply * UNIT, 0),
            debt=(debt * UNIT, 0),
            cash=(cash * UNIT, 0),
            clearing=(clearing, 0),
            line=unused,
            held=held,
            loss=loss,
        )

    def report(self, delta: m.PoolDelta) -> list[m.Message]:
        """Tell one shard's report."""
        return self.machine.tell(delta, source=f"risk/{delta.shard}")

    def open(self, supply: int = 0, debt: int = 0, cash: int = 0, late_ms: int = 0, **rest: int) -> list[m.Message]:
        """Let the period end, and the only shard report."""
        closes_at_ms = self.pool.indices.closes_at_ms
        self.machine.now_ms = max(self.machine.now_ms, closes_at_ms + late_ms)
        return self.report(self.delta(0, supply, debt, cash, **rest))


def opened(said: list[m.Message]) -> m.PeriodOpened:
    """The period that opened on the only shard."""
    return the(m.PeriodOpened, said)


def updated(said: list[m.Message]) -> m.PoolUpdated:
    """What everybody was told."""
    return the(m.PoolUpdated, said)


def lines(said: list[m.Message]) -> list[int]:
    """Lines given to the shards, in whole units of the asset."""
    return [one.line // UNIT for one in only(m.PeriodOpened, said)]


ONE = p.INDEX_ONE
