"""Vectors of lending pools and the pulse: rates, interest, throttle, shares, cover order, settlement, deleveraging of lenders."""

from fractions import Fraction

from services.core import contracts
from services.core import messages as m
from services.core import pool as p
from services.core.fixed import FRACTION_ONE
from services.core.markets import PoolTerms
from services.risk import lender_deleveraging
from services.risk.claims import claim_of
from tests import pools
from tests.builders import ALICE, BOB, CAROL, COIN, DAVE, DOLLAR, USDC_UNIT, Driven, Person, but
from tests.vectors.drivers.terms import LINEAR, PARTS, SIZES, Driver, Given, Results, decimal, parts, price
from tests.vectors.formulas.loader import units

HOUR_MS = 3_600_000
FINE = 15
"""Decimals of amounts so fine that twelve printed digits are right after rounding up."""
FREE = but(pools.PULSING, maker_fee=0, taker_fee=0)


def curve(given: Given) -> PoolTerms:
    return PoolTerms(
        optimal=parts(given["optimal"]),
        base=parts(given["base"]),
        slope=parts(given["slope"]),
        steep_slope=parts(given["steep_slope"]),
        reserve_factor=parts(given["fee"]),
    )


def rates(given: Given) -> Results:
    terms, used = curve(given), [parts(text) for text in given["used"]]
    return {
        "borrow": [Fraction(p.borrow_rate(terms, one), FRACTION_ONE) for one in used],
        "lend": [Fraction(p.lend_rate(terms, one), FRACTION_ONE) for one in used],
    }


def floating_interest(given: Given) -> Results:
    told = p.interest(units(given["amount"], FINE), parts(given["rate"]), HOUR_MS)
    return {"interest": Fraction(told, 10**FINE)}


def entry_fee(given: Given) -> Results:
    """Of a period that is open for so many minutes, and the interest of an hour."""
    amount, rate = units(given["amount"], FINE), parts(given["rate"])
    period = but(p.FIRST, rate=rate, length_ms=given["minutes"] * 60_000)
    fee, hourly = p.entry_fee(period, amount), p.interest(amount, rate, HOUR_MS)
    return {"entry_fee": Fraction(fee, 10**FINE), "hourly": Fraction(hourly, 10**FINE)}


def compounded(given: Given) -> Results:
    index = p.INDEX_ONE
    for _ in range(24 * 365):
        index = p.grown(index, parts(given["rate"]), HOUR_MS)
    return {"yearly": Fraction(index - p.INDEX_ONE, p.INDEX_ONE)}


def throttle(given: Given) -> Results:
    terms = PoolTerms(
        optimal=FRACTION_ONE,
        slope=0,
        steep_slope=0,
        throttle_threshold=parts(given["threshold"]),
        throttle_bound=parts(given.get("bound", "0")),
        throttle_fraction=parts(given["fraction"]),
        utilisation_max=parts(given["most"]),
    )
    return {"bounds": [Fraction(p.throttle_bound(terms, parts(used)), FRACTION_ONE) for used in given["used"]]}


def rooms(given: Given) -> Results:
    """Whether amounts may be redeemed, or borrowed."""
    lent, borrowed, bound = units(given["lent"], 8), units(given["borrowed"], 8), parts(given["bound"])
    redeem, borrow = p.redeem_room(lent, borrowed, bound), p.borrow_room(lent, borrowed, bound)
    return {
        "redeem": [units(text, 8) <= redeem for text in given.get("redeem", [])],
        "borrow": [units(text, 8) <= borrow for text in given.get("borrow", [])],
    }


def cover(given: Given) -> Results:
    """Idle money, then what may be redeemed, then what may be borrowed; the rest is converted."""
    rest, idle, lend = (units(given[name], 8) for name in ("need", "idle", "lend"))
    supplied, borrowed, bound = units(given["lent"], 8), units(given["borrowed"], 8), parts(given["bound"])
    paid = min(rest, idle)
    room = p.redeem_room(supplied, borrowed, bound)
    redeemed = min(rest - paid, lend, room)
    supplied -= redeemed
    more = min(rest - paid - redeemed, p.borrow_room(supplied, borrowed, bound))
    amounts = {"idle": paid, "room": room, "redeem": redeemed, "borrow": more, "convert": rest - paid - redeemed - more}
    used = Fraction(p.utilisation(supplied, borrowed + more), 10**PARTS)
    return {**{name: Fraction(amount, 10**8) for name, amount in amounts.items()}, "used": used}


def shares(given: Given) -> Results:
    """Units supplied at an index, and what they may be burnt for at the same one."""
    index = units(given["index"], 15)
    period = but(p.FIRST, supply=index, mint=index, burn=index)
    minted = [p.supply_minted(period, amount) for amount in given["amounts"]]
    return {"shares": minted, "worth": [p.supply_worth(period, one) for one in minted]}


def realised(given: Given) -> Results:
    """Cash since entry and value at the last settlement mark; what the next one will move."""
    size, cost = units(given["size"], SIZES), units(given["cost"], LINEAR.settlement_decimals)
    settled, mark = price(given["settled"]), price(given["mark"])
    at_settled, at_mark = (contracts.value(LINEAR, size, one) for one in (settled, mark))
    return {"realised": decimal(at_settled - cost, LINEAR), "unrealised": decimal(at_mark - at_settled, LINEAR)}


def pulsing_shard(at: int) -> Driven:
    """A risk shard with a market without fees at a price in dollars, and somebody with a million."""
    risk = Driven("risk")
    risk.tell(m.AssetListed(pools.POOLED_USDC))
    risk.tell(m.MarketListed(FREE))
    risk.tell(m.SettlementMarked(FREE.id, at * DOLLAR))
    look(risk, at)
    pools.pay_in(risk, 1_000_000)
    return risk


def look(risk: Driven, at: int) -> None:
    risk.now_ms += 1_000
    risk.tell(m.MarksUpdated([(FREE.id, at * DOLLAR, at * 10**10)]))


def net(risk: Driven, who: Person = ALICE) -> int:
    """What somebody has in dollars, idle and in claims, in units."""
    lent, owed = pools.claim(risk, 1, who)
    idle: int = pools.account(risk, who).idle.get(1, 0)
    return idle + lent - owed


def events(given: Given) -> Results:
    """Trades and settlements of one position, and what it has moved after each."""
    risk = pulsing_shard(int(given["events"][0][2]))
    start, path = net(risk), []
    for kind, size, at in given["events"]:
        look(risk, int(at))
        if kind == "settle":
            pools.pulse(risk, int(at))
        else:
            pools.take(risk, m.Side.BUY if kind == "buy" else m.Side.SELL, int(size) * COIN, int(at))
        path.append(net(risk) - start)
    held = pools.account(risk).exposures[FREE.id].size
    return {"cash": [Fraction(amount, USDC_UNIT) for amount in path], "size": Fraction(held, COIN)}


def lender_matched(given: Given) -> Results:
    """A lender among others is liquidated while all is lent out: borrowers owe him no more, and pay what it is worth."""
    risk = pools.pooled(int(given["mark"]))
    state, coin = risk.state, 10**8
    people = (ALICE, BOB, CAROL, DAVE)
    for who in people:
        pools.pay_in(risk, 2_000_000, who=who)
    before = [net(risk, who) for who in people]
    lender, other, *borrowers = (pools.account(risk, who) for who in people)
    claim_of(lender, 2).supply = given["lender"] * coin
    claim_of(other, 2).supply = given["others"] * coin
    for borrower, owed in zip(borrowers, given["debts"], strict=True):
        claim_of(borrower, 2).debt = owed * coin
    lender_deleveraging.match(state, lender, 2, 1, given["lender"] * coin)
    changes = [Fraction(net(risk, who) - had, USDC_UNIT) for who, had in zip(people, before, strict=True)]
    left = [pools.claim(risk, 2, who) for who in people if 2 in pools.account(risk, who).claims]
    return {
        "lender": changes[0],
        "borrowers": sum(changes[2:]),
        "lent": Fraction(sum(lent for lent, _ in left), coin),
        "borrowed": Fraction(sum(owed for _, owed in left), coin),
    }


FORMULAS: dict[str, Driver] = {
    "F-5.4": events,
    "F-5.4 parts": realised,
    "F-5.5": cover,
    "F-5.6": floating_interest,
    "F-5.7": rates,
    "F-5.8": entry_fee,
    "F-5.8 compounded": compounded,
    "F-5.9": throttle,
    "F-5.9 rooms": rooms,
    "F-5.13": lender_matched,
    "F-LP-3": rates,
    "F-LP-6": shares,
    "F-LP-11": rooms,
}
