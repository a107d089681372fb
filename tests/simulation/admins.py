"""Admins of the simulated venue: they halt and reopen markets, change them, delist one, set fees and tiers; not always two of them sign."""

import random

import msgspec

from services.core import messages as m
from services.core.fixed import FRACTION_ONE
from services.core.markets import Market
from services.core.messages import MarketState
from services.core.pool import PoolState
from tests.simulation.clients import Client
from tests.simulation.venue import ADMIN_KEYS, DYING, UNIT

KINDS = {
    "market_state": 4,
    "change": 4,
    "fee_schedule": 3,
    "tier": 4,
    "contribution": 2,
    "delisting": 1,
    "frame": 1,
    "limits": 2,
    "owner": 2,
    "pool": 3,
}
SHUT_MS = (500, 2_000, 4_000)


class Admins:
    """Builds admin commands: (service, message)."""

    def __init__(
        self, rng: random.Random, markets: list[Market], clients: list[Client], commands: set[tuple[int, int]]
    ) -> None:
        self.rng = rng
        self.markets = markets
        self.clients = clients
        self.commands = commands
        self.ids = 0
        self.reopen_ms: dict[int, int] = {}

    def header(self, now_ms: int, approver: int = 0) -> m.CommandHeader:
        """Header of the next admin command."""
        self.ids += 1
        self.commands.add((0, self.ids))
        return m.CommandHeader(0, ADMIN_KEYS[0], self.ids, now_ms, 60_000, approver)

    def approved(self, now_ms: int) -> m.CommandHeader:
        """Header of a command that two admins signed."""
        return self.header(now_ms, ADMIN_KEYS[1])

    def perhaps_approved(self, now_ms: int) -> m.CommandHeader:
        """Header of a command that two admins should have signed; now and then the second is missing or nobody."""
        return self.header(now_ms, self.rng.choice((*(ADMIN_KEYS[1],) * 8, 0, 99)))

    def act(self, now_ms: int) -> list[tuple[str, m.Message]]:
        """Reopen what was shut long enough, and do one thing more."""
        due = [market for market, at_ms in self.reopen_ms.items() if at_ms <= now_ms]
        acts: list[tuple[str, m.Message]] = [("funding", self.reopening(market, now_ms)) for market in due]
        kind = self.rng.choices(list(KINDS), list(KINDS.values()))[0]
        return [*acts, getattr(self, kind)(now_ms)]

    def reopening(self, market: int, now_ms: int) -> m.SetMarketState:
        """Open a market again, half the time by an auction."""
        del self.reopen_ms[market]
        if self.rng.random() < 0.5:
            return m.SetMarketState(self.header(now_ms), market, MarketState.AUCTION, now_ms + 1_500)
        return m.SetMarketState(self.header(now_ms), market, MarketState.OPEN)

    def market_state(self, now_ms: int) -> tuple[str, m.Message]:
        """Put a market into some state, and remember to open it again."""
        market = self.rng.choice(self.markets).id
        state = self.rng.choice((MarketState.HALTED, MarketState.POST_ONLY, MarketState.CANCEL_ONLY))
        self.reopen_ms[market] = now_ms + self.rng.choice(SHUT_MS)
        return "funding", m.SetMarketState(self.header(now_ms), market, state)

    def change(self, now_ms: int) -> tuple[str, m.Message]:
        """Give a market other parameters a while from now; too early or too much is refused."""
        place = self.rng.randrange(len(self.markets))
        market = self.markets[place]
        fields = self.rng.choice(
            (
                {"maker_fee": self.rng.choice((0, 100_000_000, 200_000_000))},
                {"taker_fee": self.rng.choice((400_000_000, 500_000_000, 600_000_000))},
                {"lot": market.lot // self.rng.choice((1, 2, 10))},
                {"tick": market.tick // self.rng.choice((1, 2, 5, 3))},
                {"order_size_max": market.order_size_max * 2, "position_max": market.position_max * 2},
                {"maintenance_margin_fraction": market.maintenance_margin_fraction * 11 // 10},
                {"initial_margin_fraction": market.initial_margin_fraction * 11 // 10},
                {"maintenance_margin_fraction": market.maintenance_margin_fraction * 9 // 10},
                {"band": market.band * self.rng.choice((9, 11)) // 10},
                {"orders_max": self.rng.choice((20, 50))},
            )
        )
        changed = msgspec.structs.replace(market, **fields)
        effective_ms = now_ms + self.rng.choice((0, 1_000, 61_000, 3_700_000))
        return "funding", m.ChangeMarket(self.header(now_ms), changed, effective_ms)

    def delisting(self, now_ms: int) -> tuple[str, m.Message]:
        """End the dying market a while from now."""
        effective_ms = now_ms + self.rng.choice((1_000, 20_000, 61_000, 3_700_000))
        return "funding", m.DelistMarket(self.header(now_ms), DYING, effective_ms)

    def pool(self, now_ms: int) -> tuple[str, m.Message]:
        """Open a pool, or close it for a while, in whole or in part; not every asset has one."""
        state = self.rng.choice(
            (PoolState.OPEN, PoolState.OPEN, PoolState.OPEN, PoolState.REPAY_ONLY, PoolState.CLOSED, 9)
        )
        return "settlement", m.SetPoolState(self.header(now_ms), self.rng.choice((1, 1, 2, 3)), state)

    def fee_schedule(self, now_ms: int) -> tuple[str, m.Message]:
        """Set some tiers."""
        shares = (0, FRACTION_ONE // 2, FRACTION_ONE, FRACTION_ONE * 3 // 4)
        tiers = [
            (tier, self.rng.choice(shares), self.rng.choice(shares)) for tier in range(1, self.rng.choice((2, 3, 6)))
        ]
        return "settlement", m.SetFeeSchedule(self.perhaps_approved(now_ms), tiers)

    def limits(self, now_ms: int) -> tuple[str, m.Message]:
        """Set what tiers may hold and have open."""
        tiers = [
            (tier, self.rng.choice((FRACTION_ONE // 100, FRACTION_ONE)), self.rng.choice((0, 3, 20)))
            for tier in range(self.rng.choice((0, 1)), self.rng.choice((2, 4)))
        ]
        return "settlement", m.SetLimitTiers(self.perhaps_approved(now_ms), tiers)

    def owner(self, now_ms: int) -> tuple[str, m.Message]:
        """Name the owner of an account, or nobody."""
        account = self.rng.choice(self.clients).account
        return "settlement", m.SetOwner(self.perhaps_approved(now_ms), account, self.rng.choice((0, 1, 1, 2)))

    def tier(self, now_ms: int) -> tuple[str, m.Message]:
        """Give somebody a tier, perhaps one that is none."""
        account = self.rng.choice(self.clients).account
        return "settlement", m.SetAccountTier(self.perhaps_approved(now_ms), account, self.rng.randint(0, 6))

    def contribution(self, now_ms: int) -> tuple[str, m.Message]:
        """Give the fund some more."""
        return "settlement", m.ContributeToFund(self.perhaps_approved(now_ms), "main", 1, self.rng.randint(0, 9) * UNIT)

    def frame(self, now_ms: int) -> tuple[str, m.Message]:
        """Keep what admins signed."""
        del now_ms
        keys = [self.rng.randbytes(32), self.rng.randbytes(32)]
        service = self.rng.choice(("settlement", "funding"))
        return service, m.AdminFrameSigned(keys, self.rng.randbytes(8), [bytes(64), bytes(64)])
