"""What the traders of a loaded venue do: eleven characters, who together send every command there is, in every kind of market."""

from services.client import SigningKey
from services.client.commands import (
    add_key_command,
    cancel_all_command,
    cancel_command,
    deposit_command,
    mass_quote_command,
    order_command,
    quote,
    replace_command,
    revoke_key_command,
    schedule_cancel_command,
    transfer_command,
    withdraw_command,
)
from services.client.lending import (
    borrow_command,
    lend_command,
    modes_command,
    redeem_command,
    repay_command,
)
from services.client.waiting import (
    STOP,
    TAKE_PROFIT,
    TRAILING,
    cancel_trigger_command,
    leverage_command,
    order_exit,
    protection_command,
    reset_protection_command,
    trigger_command,
    twap_command,
)
from services.core.memory_log import wall_clock_ms
from tests.kafka.trader import BUY, SELL, SPOT, SYMBOL, Character, Trader
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

INVERSE = "BTC_USD_IPERP"
FUTURES = ("BTC_USDC_SOON", "BTC_USD_SOON")
"""They end while the venue is loaded; the second one is settled in the coin."""
SIZES = {INVERSE: 4_000, FUTURES[0]: 1, FUTURES[1]: 40}
"""Half a coin or so."""
TIMES_IN_FORCE = common_pb2.TimeInForce.values()
RESTING = (common_pb2.TIME_IN_FORCE_GTC, common_pb2.TIME_IN_FORCE_POST_ONLY, common_pb2.TIME_IN_FORCE_POST_ONLY_SLIDE)
SELF_TRADES = common_pb2.SelfTrade.values()
CLIENT_IDS_KEPT = 12
QUOTES = 1_000_000
"""Client ids of quotes, which no order has."""
ADDRESS = "somewhere"
ORDERS, TRIGGERS = 1, 2
"""Bits of what a cancel takes away."""


def make(trader: Trader) -> list[pb.Command]:
    """A maker: quotes on both sides, and the oldest ones taken back."""
    old = trader.client_ids[:-CLIENT_IDS_KEPT]
    trader.client_ids = trader.client_ids[-CLIENT_IDS_KEPT:]
    cancels = [cancel_command(SYMBOL, client_id=one) for one in old]
    distance = trader.chance.choice((5, 10, 20, 50))
    return [*cancels, trader.quote(BUY, distance, "1.5"), trader.quote(SELL, distance, "1.5")]


def gamble(trader: Trader) -> list[pb.Command]:
    """A gambler: as large a position as it can have, which a swing of the mark ends; then new money."""
    if trader.chance.random() < 0.04:
        trader.side = trader.other_side()
    bets = [order_command(SYMBOL, trader.side, size=size) for size in ("2", "0.5")]
    return [deposit_command("USDC", 400), *bets] if trader.chance.random() < 0.2 else bets


def pay(trader: Trader) -> list[pb.Command]:
    """A payer: money in and out, a little trading, a dead man's switch, and keys for guests."""
    amount = trader.chance.randint(1, 900)
    guest = SigningKey(trader.chance.randbytes(32))
    into, out = deposit_command("USDC", amount), withdraw_command("USDC", amount, ADDRESS)
    frames: list[list[pb.Command]] = [
        [into],
        [out],
        [into, out, withdraw_command("USDC", 10**9, ADDRESS)],
        [order_command(SYMBOL, trader.chance.choice((BUY, SELL)), size="0.1")],
        [schedule_cancel_command(wall_clock_ms() + trader.chance.choice((3_000, 20_000)))],
        [add_key_command(guest.public, 1), revoke_key_command(guest.key_id)],
    ]
    return trader.chance.choice(frames)


def ladder(trader: Trader) -> list[pb.Command]:
    """A quoter: a whole ladder moved at once, now and then taken back with all that is open; protected, and at it again after a trip."""
    symbol = trader.chance.choice((SYMBOL, SPOT))
    luck = trader.chance.random()
    if luck < 0.05:
        return [cancel_all_command()]
    if luck < 0.15:
        return [protection_command(symbol, interval_ms=5_000, quantity_max="0.6", delta_max="0.5", frozen_ms=1_000)]
    if luck < 0.25:
        return [reset_protection_command(symbol)]
    quotes = []
    for client_id in range(1, 7):
        side = BUY if client_id % 2 else SELL
        price = trader.away(side, client_id * trader.chance.choice((2, 3)))
        quotes.append(quote(client_id, side, price, trader.chance.choice(("0.5", "0.2", "0"))))
    return [mass_quote_command(symbol, quotes)]


def amend(trader: Trader) -> list[pb.Command]:
    """An amender: orders of every kind, icebergs too, replaced while they may be trading, some ending by themselves."""
    placed = trader.quote(trader.chance.choice((BUY, SELL)), trader.chance.choice((-5, 0, 3, 8)), "0.4")
    terms = placed.place_order
    terms.time_in_force = trader.chance.choice(TIMES_IN_FORCE)
    terms.self_trade = trader.chance.choice(SELF_TRADES)
    terms.reduce_only = trader.chance.random() < 0.2
    if terms.time_in_force in RESTING:
        terms.display = trader.chance.choice(("", "0.1", "0.03"))
    price = trader.mark * trader.chance.choice((9_990, 9_998, 10_002, 10_010)) // 10_000
    old = trader.chance.choice(trader.client_ids[-4:])
    return [
        placed,
        replace_command(SYMBOL, client_id=old, price=price, size=trader.chance.choice(("0.1", "0.4", "0.9"))),
    ]


def exchange_coins(trader: Trader) -> list[pb.Command]:
    """A buyer and seller of coins, who moves money between subaccounts."""
    side = trader.chance.choice((BUY, SELL))
    money = trader.chance.randint(1, 50)
    frames: list[list[pb.Command]] = [
        [deposit_command("BTC", "0.5")],
        [order_command(SPOT, side, size="0.05")],
        [order_command(SPOT, side, size="0.05", price=trader.mark), cancel_all_command(SPOT)],
        [transfer_command("USDC", money, receiver=1)],
        [transfer_command("USDC", money, receiver=0, subaccount=1)],
    ]
    return trader.chance.choice(frames)


def carry(trader: Trader) -> list[pb.Command]:
    """A trader of contracts that settle in coins, and of futures that end: quotes on both sides, takes from others, bounds its leverage."""
    symbol = trader.chance.choice((INVERSE, *FUTURES))
    side, size = trader.chance.choice((BUY, SELL)), SIZES[symbol]
    frames: list[list[pb.Command]] = [
        [carried_quotes(trader, symbol, size)],
        [carried_quotes(trader, symbol, 2 * size)],
        [order_command(symbol, side, size=size)],
        [order_command(symbol, side, size=size, price=trader.away(side, -20), client_id=trader.new_id())],
        [leverage_command(trader.chance.choice((0, 5, 10)))],
    ]
    return trader.chance.choice(frames)


def carried_quotes(trader: Trader, symbol: str, size: int) -> pb.Command:
    """A quote on either side, always the same two."""
    distance = trader.chance.choice((3, 10))
    quotes = [
        quote(QUOTES + number, side, trader.away(side, distance), size) for number, side in enumerate((BUY, SELL))
    ]
    return mass_quote_command(symbol, quotes)


def plan(trader: Trader) -> list[pb.Command]:
    """A planner: stops, take-profits, trailing stops and slices that wait, brackets and orders that end each other."""
    side, other, group = trader.side, trader.other_side(), trader.chance.randint(1, 9)
    near, far = trader.away(BUY, 30), trader.away(SELL, 30)
    exits = [order_exit(STOP, trigger_price=near), order_exit(TAKE_PROFIT, trigger_price=far)]
    old = trader.chance.choice(trader.client_ids or [1])
    slices = twap_command(
        SYMBOL, side, size="1", duration_ms=300_000, interval_ms=30_000, tolerance="0.01", client_id=trader.new_id()
    )
    frames: list[list[pb.Command]] = [
        [order_command(SYMBOL, BUY, size="0.2", exits=exits)],
        [order_command(SYMBOL, BUY, size="0.2", price=near, exits=exits), order_command(SYMBOL, side, size="0.3")],
        [trigger_command(SYMBOL, SELL, STOP, size="0.2", trigger_price=near, client_id=trader.new_id(), group=group)],
        [trigger_command(SYMBOL, SELL, TAKE_PROFIT, size="0.2", trigger_price=far, price=near, group=group)],
        [trigger_command(SYMBOL, other, TRAILING, size="0.1", trail="0.004", client_id=trader.new_id())],
        [trigger_command(SYMBOL, other, STOP, trigger_price=near if other == SELL else far)],
        [slices],
        [cancel_trigger_command(SYMBOL, client_id=old)],
        [cancel_all_command(what=trader.chance.choice((ORDERS, TRIGGERS)))],
    ]
    return trader.chance.choice(frames)


def pledge(trader: Trader) -> list[pb.Command]:
    """An owner of coins alone, who trades against them: perpetuals, sales of coins, pairs of which one ends the other."""
    side, group = trader.chance.choice((BUY, SELL)), trader.new_id()
    pair = [
        order_command(
            SPOT, one, size="0.2", price=trader.away(one, 8), client_id=trader.new_id(), group=group, display="0.05"
        )
        for one in (BUY, SELL)
    ]
    frames: list[list[pb.Command]] = [
        pair,
        [order_command(SYMBOL, side, size="0.3")],
        [order_command(SPOT, SELL, size="0.2")],
        [withdraw_command("BTC", "0.1", ADDRESS), deposit_command("BTC", "0.1")],
        [cancel_all_command(SPOT)],
    ]
    return trader.chance.choice(frames)


def lend_by_will(trader: Trader) -> list[pb.Command]:
    """A lender and borrower by will: coins into the pool and out of it, dollars borrowed and paid back; its modes come and go."""
    amount = trader.chance.randint(1, 200)
    frames: list[list[pb.Command]] = [
        [modes_command(["redeem", "realise"])],
        [modes_command(["redeem", "realise"]), lend_command("BTC", "0.2"), redeem_command("BTC", "0.1")],
        [redeem_command("BTC"), redeem_command("USDC")],
        [redeem_command("USDC"), borrow_command("USDC", amount), repay_command("USDC")],
        [borrow_command("USDC", amount), withdraw_command("USDC", amount, ADDRESS)],
        [deposit_command("USDC", amount), repay_command("USDC")],
        [order_command(SYMBOL, trader.chance.choice((BUY, SELL)), size="0.2")],
        [modes_command(["lend", "redeem", "repay", "borrow", "realise"])],
    ]
    return trader.chance.choice(frames)


COINS = (("USDC", 300_000), ("BTC", 60))
CHARACTERS = (
    Character(make),
    Character(gamble, (("USDC", 1_000),)),
    Character(pay),
    Character(ladder),
    Character(amend),
    Character(exchange_coins),
    Character(carry, COINS),
    Character(plan),
    Character(pledge, (("BTC", 20),)),
    Character(carry, COINS),
    Character(lend_by_will, (("BTC", 10),)),
)
