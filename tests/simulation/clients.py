"""Clients of the simulated venue: each trades blindly, with one key or another, and remembers what it asked."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from services.core import messages as m
from services.core.fixed import FRACTION_ONE
from services.core.keys import account_of_key, key_id
from services.core.markets import Market
from services.core.messages import SelfTrade, Side, TimeInForce
from tests.simulation.venue import BTC, ETH, UNIT, USDC

WINDOW_MS = 30_000
KINDS = {
    "order": 54,
    "cancel": 6,
    "replace": 9,
    "mass_quote": 9,
    "cancel_all": 2,
    "schedule_cancel": 2,
    "lease": 3,
    "transfer": 4,
    "deposit": 5,
    "withdraw": 4,
    "modes": 2,
    "lend": 5,
    "add_key": 3,
    "revoke_key": 2,
    "frame": 2,
    "trigger": 8,
    "twap": 2,
    "cancel_trigger": 2,
    "leverage": 2,
    "protection": 3,
    "reset_protection": 1,
}
TIMES = (
    *(TimeInForce.GTC,) * 8,
    *(TimeInForce.IOC,) * 5,
    *(TimeInForce.POST_ONLY,) * 2,
    *(TimeInForce.POST_ONLY_SLIDE,) * 2,
    *(TimeInForce.FOK,) * 2,
)
AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)
REMEMBERED = 7
BUSY = (6, 4, 3, 2, 4, 3, 1)
"""How often each market is chosen."""


@dataclass
class ClientKey:
    """A key that a client holds, as it believes it to be."""

    key: bytes
    scopes: int = m.SCOPES_ALL
    expires_ms: int = 0


@dataclass
class Client:
    """One account: its keys, the first first, and what it asked."""

    keys: list[ClientKey]
    account: int
    commands: int = 0
    client_ids: list[tuple[int, int, int]] = field(default_factory=list)
    """(subaccount, market, client id) of orders that may be open."""

    @staticmethod
    def of(key: bytes) -> "Client":
        """Return the client whose account the key opens."""
        return Client([ClientKey(key)], account_of_key(key))

    @property
    def subaccount(self) -> int:
        """Its first subaccount."""
        return self.account * 256


class Requests:
    """Builds what clients ask, all that the schema can say; often senseless, never malformed."""

    def __init__(
        self, rng: random.Random, markets: list[Market], prices: dict[str, int], commands: set[tuple[int, int]]
    ) -> None:
        self.rng = rng
        self.markets = markets
        self.by_id = {market.id: market for market in markets}
        self.prices = prices
        self.commands = commands
        self.free: Callable[[int], int] = lambda _subaccount: 0
        """Free collateral of a subaccount, for clients who know their account."""

    def header(self, client: Client, now_ms: int, key: ClientKey | None = None) -> m.CommandHeader:
        """Header of a client's next command, mostly signed by its first key."""
        if key is None:
            key = client.keys[0] if self.rng.random() < 0.85 else self.rng.choice(client.keys)
        client.commands += 1
        self.commands.add((client.account, client.commands))
        return m.CommandHeader(client.account, key_id(key.key), client.commands, now_ms, WINDOW_MS)

    def choose(self, client: Client, now_ms: int) -> m.Message:
        """Build one request of some kind."""
        kind = self.rng.choices(list(KINDS), list(KINDS.values()))[0]
        message: m.Message = getattr(self, kind)(client, now_ms)
        return message

    def some_market(self) -> Market:
        """Return a market, the first ones more often."""
        return self.rng.choices(self.markets, BUSY)[0]

    def some_subaccount(self, client: Client) -> int:
        """Mostly the first one; now and then another, so that an account meets itself in the book."""
        return client.subaccount + self.rng.choice((0, 0, 0, 0, 1))

    def price_near(self, market: Market, thousandths: int = 15) -> int:
        """Price on the tick, so far from the index at most."""
        fair = self.prices[market.index] // 10 ** (8 - market.price_decimals)
        price: int = fair * (1_000 + self.rng.randint(-thousandths, thousandths)) // 1_000
        return price - price % market.tick

    def some_size(self, market: Market) -> int:
        """Size of a few hundred to some ten thousand dollars, once in thirty no multiple of the lot."""
        scale = scale_of(market)
        size = self.rng.randint(1, self.rng.choice((20, 60) if market.is_spot else (60, 150, 500))) * market.lot * scale
        return size + (self.rng.random() < 0.03)

    def largest_size(self, market: Market, subaccount: int, price: int) -> int:
        """As much as the free collateral bears, at times a lot more; 0 when it bears none."""
        if market.is_inverse:
            one: int = 10**market.price_decimals
            worth = market.lot * market.face * UNIT // one
        else:
            numerator, denominator = market.unit
            worth = market.lot * price * numerator // denominator
        needed = worth * (market.initial_margin_fraction + market.taker_fee) // FRACTION_ONE
        lots = max(0, self.free(subaccount)) // max(1, needed) + self.rng.choice((-1, 0, 0, 1))
        return max(0, min(lots * market.lot, market.order_size_max))

    def named(self, client: Client) -> tuple[int, int, int, int]:
        """Subaccount, market, order id and client id of an order that may be open: by either id, often long gone."""
        subaccount, market, client_id = self.rng.choice(client.client_ids or [(client.subaccount, 1, 1)])
        if self.rng.random() < 0.1:
            return subaccount, market, (market << 40) + self.rng.randint(1, 60), 0
        return subaccount, market, 0, client_id

    # orders

    def order(self, client: Client, now_ms: int) -> m.PlaceOrder:
        """Place an order near the index."""
        market = self.some_market()
        subaccount = self.some_subaccount(client)
        time_in_force = self.rng.choice(TIMES)
        price = self.price_near(market)
        if time_in_force in AT_ONCE and self.rng.random() < 0.5:
            price = 0
        expires_ms = 0
        if time_in_force not in AT_ONCE and self.rng.random() < 0.2:
            expires_ms = now_ms + self.rng.choice((-1, 300, 2_000, 20_000))
        size = self.some_size(market)
        if self.rng.random() < 0.3 and not market.is_spot:
            size = self.largest_size(market, subaccount, price or self.price_near(market, 0)) or size
        client_id = client.commands + 1
        if time_in_force not in AT_ONCE:
            client.client_ids = [*client.client_ids[-REMEMBERED:], (subaccount, market.id, client_id)]
        return m.PlaceOrder(
            self.header(client, now_ms),
            subaccount,
            market.id,
            self.rng.choice((Side.BUY, Side.SELL)),
            time_in_force,
            price,
            size,
            client_id,
            reduce_only=self.rng.random() < 0.15,
            self_trade=self.rng.choice(list(SelfTrade)),
            expires_ms=expires_ms,
            display=self.rng.choice((0, 0, 0, 0, market.lot, 5 * market.lot)) if time_in_force not in AT_ONCE else 0,
            group=self.rng.choice((0, 0, 0, 0, 1, 2)),
            exits=self.some_exits(market, price),
            modes=self.rng.choice((0, 0, m.Mode.BORROW)) if market.is_spot else 0,
        )

    def some_exits(self, market: Market, price: int) -> list[m.Exit]:
        """A bracket, seldom: a stop and a take-profit on one side or other of the price."""
        if self.rng.random() < 0.9 or market.is_spot:
            return []
        near = [price + sign * price // 100 for sign in (-1, 1)]
        kinds = (m.TriggerKind.STOP, m.TriggerKind.TAKE_PROFIT)
        by_mark = m.TriggerBy.MARK
        self.rng.shuffle(near)
        pairs = zip(kinds, near, strict=True)
        exits: list[m.Exit] = [(kind, by_mark, at - at % market.tick, 0, 0) for kind, at in pairs if at > 0]
        return exits[: self.rng.randint(1, 2)]

    def trigger(self, client: Client, now_ms: int) -> m.PlaceTrigger:
        """Let an order wait for a price near by; at times one that closes what there is, or trails."""
        market = self.some_market()
        kind = self.rng.choice((m.TriggerKind.STOP, m.TriggerKind.TAKE_PROFIT, m.TriggerKind.TRAILING))
        trails = kind == m.TriggerKind.TRAILING
        size = 0 if self.rng.random() < 0.2 else self.some_size(market)
        limit = self.price_near(market) if self.rng.random() < 0.3 else 0
        subaccount = self.some_subaccount(client)
        client.client_ids = [*client.client_ids[-REMEMBERED:], (subaccount, market.id, client.commands + 1)]
        return m.PlaceTrigger(
            self.header(client, now_ms),
            subaccount,
            market.id,
            kind,
            self.rng.choice((Side.BUY, Side.SELL)),
            TimeInForce.GTC if limit else TimeInForce.IOC,
            self.rng.choice(list(m.TriggerBy)),
            0 if trails and self.rng.random() < 0.7 else self.price_near(market),
            limit,
            size,
            FRACTION_ONE // self.rng.choice((50, 100, 200)) if trails else 0,
            client.commands,
            reduce_only=self.rng.random() < 0.3,
            self_trade=self.rng.choice(list(SelfTrade)),
            group=self.rng.choice((0, 0, 1, 2)),
        )

    def twap(self, client: Client, now_ms: int) -> m.PlaceTwap:
        """Trade a size in slices."""
        market = self.some_market()
        interval_ms = self.rng.choice((1_000, 2_000, 10_000))
        return m.PlaceTwap(
            self.header(client, now_ms),
            self.some_subaccount(client),
            market.id,
            self.rng.choice((Side.BUY, Side.SELL)),
            self.some_size(market) * 3,
            interval_ms * self.rng.randint(2, 12),
            interval_ms,
            FRACTION_ONE // self.rng.choice((50, 100)),
            client.commands,
            reduce_only=self.rng.random() < 0.2,
        )

    def cancel_trigger(self, client: Client, now_ms: int) -> m.CancelTrigger:
        """Cancel what waits."""
        subaccount, market, _order_id, client_id = self.named(client)
        by_id = self.rng.randint(1, 20) if self.rng.random() < 0.5 else 0
        return m.CancelTrigger(self.header(client, now_ms), subaccount, market, by_id, 0 if by_id else client_id)

    def leverage(self, client: Client, now_ms: int) -> m.SetLeverage:
        """Ask for more margin, or no more."""
        return m.SetLeverage(self.header(client, now_ms), self.some_subaccount(client), self.rng.choice((0, 2, 5, 101)))

    def protection(self, client: Client, now_ms: int) -> m.SetProtection:
        """Bound what quotes trade in a while."""
        market = self.some_market()
        lots = self.rng.choice((0, 5, 50)) * market.lot * scale_of(market)
        return m.SetProtection(
            self.header(client, now_ms),
            self.some_subaccount(client),
            market.id,
            self.rng.choice((0, 1_000, 60_000)),
            lots,
            2 * market.lot * scale_of(market),
            self.rng.choice((0, 2_000)),
        )

    def reset_protection(self, client: Client, now_ms: int) -> m.ResetProtection:
        """Quote again after a trip."""
        return m.ResetProtection(self.header(client, now_ms), self.some_subaccount(client), self.some_market().id)

    def cancel(self, client: Client, now_ms: int) -> m.CancelOrder:
        """Cancel an order."""
        subaccount, market, order_id, client_id = self.named(client)
        return m.CancelOrder(self.header(client, now_ms), subaccount, market, order_id, client_id)

    def replace(self, client: Client, now_ms: int) -> m.ReplaceOrder:
        """Give an order another price, size, or both."""
        subaccount, market_id, order_id, client_id = self.named(client)
        market = self.by_id[market_id]
        price, size = self.price_near(market), self.some_size(market)
        return m.ReplaceOrder(self.header(client, now_ms), subaccount, market_id, price, size, order_id, client_id)

    def mass_quote(self, client: Client, now_ms: int) -> m.MassQuote:
        """Quote both sides by the same few client ids; some are withdrawn, some never placed."""
        market = self.some_market()
        subaccount = self.some_subaccount(client)
        quotes: list[m.Quote] = []
        for level in range(1, self.rng.randint(2, 5)):
            for side in (Side.BUY, Side.SELL):
                if self.rng.random() < 0.8:
                    away = self.price_near(market, 3) * (1_000 - side * level * 2) // 1_000
                    size = 0 if self.rng.random() < 0.15 else self.some_size(market) // 10
                    client_id = 1_000_000 + 10 * level + (side + 1)
                    quotes.append((client_id, side, away - away % market.tick, size - size % market.lot))
        if quotes and self.rng.random() < 0.2:
            client.client_ids = [*client.client_ids[-REMEMBERED:], (subaccount, market.id, quotes[0][0])]
        return m.MassQuote(self.header(client, now_ms), subaccount, market.id, quotes)

    def cancel_all(self, client: Client, now_ms: int) -> m.CancelAll:
        """Cancel everything in a market, or everywhere."""
        market = self.rng.choice((0, *(market.id for market in self.markets)))
        return m.CancelAll(self.header(client, now_ms), self.some_subaccount(client), market)

    def schedule_cancel(self, client: Client, now_ms: int) -> m.ScheduleCancel:
        """Set the dead man's switch, or call it off."""
        pause_ms = self.rng.choice((0, -1, 500, 6_000, 30_000))
        at_ms = now_ms + pause_ms if pause_ms else 0
        return m.ScheduleCancel(self.header(client, now_ms), self.some_subaccount(client), at_ms)

    def lease(self, client: Client, now_ms: int) -> m.LeaseRenewed:
        """Renew a session's lease, end it, or give it up."""
        pause_ms = self.rng.choice((0, -1, 1_000, 1_000, 5_000))
        return m.LeaseRenewed(client.account, self.rng.randint(1, 2), now_ms + pause_ms if pause_ms else 0)

    # money

    def transfer(self, client: Client, now_ms: int) -> m.Transfer:
        """Move dollars or coins between subaccounts, at times to somebody else's or more than there is."""
        giver, receiver = self.rng.choice(((0, 1), (1, 0), (0, 0), (0, 300)))
        asset = self.rng.choice((USDC.id, USDC.id, BTC.id))
        amount = self.rng.choice((0, 1, UNIT, 500 * UNIT))
        header = self.header(client, now_ms)
        return m.Transfer(header, client.subaccount + giver, client.subaccount + receiver, asset, amount)

    def deposit(self, client: Client, now_ms: int) -> m.FaucetDeposit:
        """Ask the faucet."""
        asset = self.rng.choice((USDC, USDC, BTC, ETH))
        amount = self.rng.choice((1, UNIT // 10, 500 * UNIT if asset is USDC else UNIT, 10**9 * UNIT))
        return m.FaucetDeposit(self.header(client, now_ms), self.some_subaccount(client), asset.id, amount)

    def withdraw(self, client: Client, now_ms: int) -> m.Withdraw:
        """Take money out."""
        asset = self.rng.choice((USDC.id, USDC.id, BTC.id))
        amount = self.rng.choice((1, UNIT, 100 * UNIT, 3_000 * UNIT))
        return m.Withdraw(self.header(client, now_ms), client.subaccount, asset, amount, "address")

    # the pool

    def modes(self, client: Client, now_ms: int) -> m.SetModes:
        """Let money move by itself, or less so."""
        modes = self.rng.choice((m.MODES_DEFAULT, m.MODES_DEFAULT, 31, 0, m.Mode.REDEEM, m.Mode.REPAY, 99))
        return m.SetModes(self.header(client, now_ms), self.some_subaccount(client), modes)

    def lend(self, client: Client, now_ms: int) -> m.Lend | m.Redeem | m.Borrow | m.Repay:
        """Lend, redeem, borrow or repay by will, at times what cannot be."""
        kind = self.rng.choice((m.Lend, m.Redeem, m.Borrow, m.Repay))
        asset, amount = self.rng.choice((USDC.id, BTC.id, ETH.id)), self.rng.choice((0, 1, UNIT // 10, 50 * UNIT))
        return kind(self.header(client, now_ms), self.some_subaccount(client), asset, amount)

    # keys

    def add_key(self, client: Client, now_ms: int) -> m.AddKey:
        """Let another key act, for ever or for a while; at times a known one, with these terms or others."""
        pause_ms = self.rng.choice((0, 0, 3_000, 60_000))
        added = ClientKey(self.rng.randbytes(32), self.rng.randint(1, 7), now_ms + pause_ms if pause_ms else 0)
        if self.rng.random() < 0.3:
            added = self.rng.choice(client.keys)
        else:
            client.keys.append(added)
        return m.AddKey(self.header(client, now_ms), added.key, added.scopes, added.expires_ms)

    def revoke_key(self, client: Client, now_ms: int) -> m.RevokeKey | m.AddKey:
        """Revoke a key, at times the first one, by itself or another; the client goes on signing with it."""
        if len(client.keys) == 1 and self.rng.random() < 0.8:
            return self.add_key(client, now_ms)
        revoked = self.rng.choice(client.keys)
        signer = revoked if self.rng.random() < 0.3 else None
        if revoked is client.keys[0] and self.rng.random() < 0.7:
            revoked = client.keys[-1]
        return m.RevokeKey(self.header(client, now_ms, signer), key_id(revoked.key))

    def frame(self, client: Client, now_ms: int) -> m.FrameSigned:
        """Keep signed bytes."""
        del now_ms
        return m.FrameSigned(client.account, client.keys[0].key, self.rng.randbytes(8), self.rng.randbytes(64))


def scale_of(market: Market) -> int:
    """Lots that are worth some eighty dollars."""
    if market.is_inverse:
        one: int = 10**market.price_decimals
        return max(1, 80 * one // (market.face * market.lot))
    return 1 if market.index == "BTC_USD" else 40
