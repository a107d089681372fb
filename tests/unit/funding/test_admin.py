"""Commands of admins in messages: spot listings, changes at their time, states, the end of a market."""

from typing import Any

import pytest

from services.core import messages as m
from services.core.fixed import INDEX_DECIMALS
from services.core.markets import Asset, ContractKind, Market
from services.core.reasons import Reason
from services.funding.changes import AHEAD_MS_MAX, NOTICE_MS
from tests.builders import ADMIN, ALICE, BTC, START_MS, USDC, Driven, but, only, reason_of, the

HOUR_MS = 3_600_000
DOLLAR = 10**INDEX_DECIMALS
PRICE = 8_000 * DOLLAR
MARK = 800_000
COIN_ASSET = Asset(2, "BTC", 8)
SPOT = but(
    BTC,
    id=2,
    symbol="BTC_USDC",
    kind=ContractKind.SPOT,
    base_asset=2,
    base_decimals=8,
    initial_margin_fraction=0,
    maintenance_margin_fraction=0,
    funding_interval_ms=0,
    funding_rate_max=0,
    interest_rate=0,
)
HIGHER = but(BTC, maintenance_margin_fraction=BTC.maintenance_margin_fraction + 1)
WIDER = but(BTC, band=BTC.band * 2)


@pytest.fixture
def funding() -> Driven:
    """Funding with BTC listed and marked."""
    machine = Driven("funding")
    machine.tell(m.AssetListed(USDC))
    machine.tell(machine.commands.list_market())
    observe(machine)
    return machine


def observe(funding: Driven, price: int = PRICE, after_ms: int = 1_000) -> list[m.Message]:
    funding.now_ms += after_ms
    return funding.tell(m.PriceObserved("one", "BTC_USD", price, funding.now_ms))


def change(funding: Driven, market: Market, after_ms: int) -> list[m.Message]:
    return funding.tell(m.ChangeMarket(funding.commands.header(ADMIN), market, funding.now_ms + after_ms))


def set_state(funding: Driven, state: int, until_ms: int = 0, market: int = 1) -> list[m.Message]:
    return funding.tell(m.SetMarketState(funding.commands.header(ADMIN), market, state, until_ms))


def delist(funding: Driven, after_ms: int, market: int = 1) -> list[m.Message]:
    return funding.tell(m.DelistMarket(funding.commands.header(ADMIN), market, funding.now_ms + after_ms))


def test_a_spot_market_needs_its_base_asset_in_its_decimals() -> None:
    machine = Driven("funding")
    machine.tell(m.AssetListed(USDC))
    seen = [reason_of(machine.tell(machine.commands.list_market(SPOT)))]
    machine.tell(m.AssetListed(COIN_ASSET))
    refused = the(m.CommandResolved, machine.tell(machine.commands.list_market(but(SPOT, base_decimals=9))))
    seen += [Reason(refused.reason), reason_of(machine.tell(machine.commands.list_market(SPOT)))]
    assert seen == [Reason.UNKNOWN_ASSET, Reason.INVALID_LISTING, Reason.NONE]
    assert refused.limit == 17


def test_a_spot_market_has_marks_but_neither_premium_nor_steps() -> None:
    machine = Driven("funding")
    for asset in (USDC, COIN_ASSET):
        machine.tell(m.AssetListed(asset))
    machine.tell(machine.commands.list_market(SPOT))
    assert observe(machine) == [m.SettlementMarked(2, MARK), m.MarksUpdated([(2, MARK, MARK)], [0])]
    machine.tell(m.BookSampled(2, MARK + 5_000, MARK + 5_010, MARK + 5_000, MARK + 5_010, MARK + 5_000, 0))
    assert the(m.MarksUpdated, observe(machine)).premiums == [0]
    assert only(m.FundingStepped, machine.wait(HOUR_MS)) == []


def test_a_change_comes_at_its_time_and_goes_down_the_stream(funding: Driven) -> None:
    (done,) = change(funding, WIDER, HOUR_MS // 2)
    assert reason_of([done]) is Reason.NONE
    assert only(m.MarketChanged, observe(funding, after_ms=HOUR_MS // 2 - 1)) == []
    assert funding.state.markets[1] == BTC
    assert the(m.MarketChanged, observe(funding, after_ms=1)) == m.MarketChanged(WIDER)
    assert funding.state.markets[1] == WIDER
    assert funding.state.changes == {}


def test_a_later_change_takes_the_place_of_one_to_come(funding: Driven) -> None:
    change(funding, WIDER, 10_000)
    change(funding, but(BTC, orders_max=100), 5_000)
    changed = [one for _ in range(4) for one in only(m.MarketChanged, funding.wait(5_000))]
    assert changed == [m.MarketChanged(but(BTC, orders_max=100))]


def test_the_listing_stays_the_same_listing_after_a_change(funding: Driven) -> None:
    change(funding, WIDER, 0)
    funding.wait(1)
    assert reason_of(funding.tell(funding.commands.list_market(BTC))) is Reason.NONE
    assert reason_of(funding.tell(funding.commands.list_market(WIDER))) is Reason.ALREADY_LISTED
    assert funding.state.markets[1] == WIDER


CHANGES: list[tuple[str, Market, int, Reason, int]] = [
    ("in the past", WIDER, -1, Reason.CHANGE_TOO_EARLY, START_MS + 1_000),
    ("a margin call without notice", HIGHER, NOTICE_MS - 1, Reason.CHANGE_TOO_EARLY, START_MS + 1_000 + NOTICE_MS),
    ("no such market", but(BTC, id=9), 0, Reason.UNKNOWN_MARKET, 0),
    ("breaks a rule of listings", but(BTC, tick=0), 0, Reason.INVALID_LISTING, 5),
    ("another symbol", but(BTC, symbol="X"), 0, Reason.CHANGE_OUT_OF_BOUNDS, 1),
    ("too far ahead", WIDER, AHEAD_MS_MAX + 1, Reason.INVALID_EXPIRY, START_MS + 1_000 + AHEAD_MS_MAX),
]


@pytest.mark.parametrize(
    ("market", "after_ms", "reason", "limit"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES]
)
def test_changes_are_refused(funding: Driven, market: Market, after_ms: int, reason: Reason, limit: int) -> None:
    result = the(m.CommandResolved, change(funding, market, after_ms))
    assert (result.reason, result.limit) == (reason, limit)
    assert funding.state.changes == {}


NONSENSE: list[dict[str, Any]] = [
    {"tick": 0},
    {"lot": 0},
    {"size_decimals": 99},
    {"price_decimals": -99},
    {"tiers": ((5, 0, -1, 9),) * 3},
    {"tiers": ((0, 1, 1, 0),) * 50_000},
    {"maintenance_margin_factor": -1},
    {"settlement_decimals": 99},
]


@pytest.mark.parametrize("fields", NONSENSE, ids=[str(row)[:30] for row in NONSENSE])
def test_nonsense_is_refused_and_nothing_else(funding: Driven, fields: dict[str, Any]) -> None:
    assert reason_of(change(funding, but(BTC, **fields), 2 * NOTICE_MS)) is Reason.INVALID_LISTING


def test_the_ladder_of_a_change_is_that_of_the_reasons() -> None:
    reasons = [row[3] for row in CHANGES]
    assert reasons == sorted(reasons)


def test_only_admins_command(funding: Driven) -> None:
    header = funding.commands.header(ALICE)
    commands: list[Any] = [
        m.ChangeMarket(header, WIDER, funding.now_ms),
        m.SetMarketState(header, 1, m.MarketState.HALTED),
        m.DelistMarket(header, 1, funding.now_ms),
    ]
    assert [reason_of(funding.tell(command)) for command in commands] == [Reason.UNAUTHORIZED] * 3


def test_a_command_acts_once(funding: Driven) -> None:
    command = m.SetMarketState(funding.commands.header(ADMIN), 1, m.MarketState.HALTED)
    assert len(funding.tell(command)) == 2
    assert funding.tell(command) == []
    assert funding.tell(m.AdminFrameSigned([b"key"], b"frame", [b"signature"])) == []


def test_a_new_interval_pays_at_its_own_ends(funding: Driven) -> None:
    change(funding, but(BTC, funding_interval_ms=HOUR_MS // 2), 10_000)
    steps = [step.at_ms for _ in range(8) for step in only(m.FundingStepped, funding.wait(HOUR_MS // 4))]
    assert steps == [START_MS + number * HOUR_MS // 2 for number in (1, 2, 3, 4)]


def test_a_finer_lot_owes_its_part_of_the_remainder(funding: Driven) -> None:
    funding.state.funding[1].remainder = 10**12 - 1
    change(funding, but(BTC, lot=BTC.lot // 10), 0)
    funding.wait(1)
    assert funding.state.funding[1].remainder == (10**12 - 1) // 10


def test_states_go_down_the_stream(funding: Driven) -> None:
    assert set_state(funding, m.MarketState.HALTED)[0] == m.MarketStateSet(1, m.MarketState.HALTED)
    until_ms = funding.now_ms + 60_000
    assert set_state(funding, m.MarketState.AUCTION, until_ms)[0] == m.MarketStateSet(
        1, m.MarketState.AUCTION, until_ms
    )


def test_states_are_refused(funding: Driven) -> None:
    seen = [reason_of(set_state(funding, 99)), reason_of(set_state(funding, m.MarketState.OPEN, market=9))]
    funding.tell(funding.commands.list_market(but(BTC, id=2, symbol="ETH_USDC_PERP", index="ETH_USD")))
    seen.append(reason_of(set_state(funding, m.MarketState.OPEN, market=2)))
    seen.append(reason_of(set_state(funding, m.MarketState.AUCTION)))
    assert seen == [Reason.MALFORMED, Reason.UNKNOWN_MARKET, Reason.NO_MARK, Reason.INVALID_EXPIRY]
    assert reason_of(set_state(funding, m.MarketState.HALTED, market=2)) is Reason.NONE


def test_a_market_ends_at_its_time_at_a_fresh_mark_and_pays_no_more(funding: Driven) -> None:
    change(funding, WIDER, HOUR_MS)
    assert reason_of(delist(funding, 2_500)) is Reason.NONE
    observe(funding, PRICE + DOLLAR)
    observe(funding, PRICE + 2 * DOLLAR)
    funding.now_ms += 300
    funding.tell(m.PriceObserved("one", "BTC_USD", PRICE + 3 * DOLLAR, funding.now_ms))
    assert funding.wait(200) == [m.MarketDelisted(1, MARK + 300)]
    assert observe(funding, PRICE * 2) == []
    assert funding.wait(2 * HOUR_MS) == []


def test_a_market_whose_sources_are_silent_ends_with_their_next_price(funding: Driven) -> None:
    delist(funding, BTC.price_stale_ms + 10_000)
    assert funding.wait(BTC.price_stale_ms + 20_000) == []
    assert observe(funding, PRICE - DOLLAR) == [m.MarketDelisted(1, MARK - 100)]


def test_an_end_can_be_put_off(funding: Driven) -> None:
    delist(funding, 5_000)
    delist(funding, 20_000)
    observe(funding, after_ms=5_000)
    assert not funding.state.funding[1].delisted
    observe(funding, after_ms=15_000)
    assert funding.state.funding[1].delisted


def test_id_and_symbol_of_a_market_that_ended_are_not_free(funding: Driven) -> None:
    delist(funding, 0)
    observe(funding)
    other = but(BTC, id=2, tick=5)
    assert reason_of(funding.tell(funding.commands.list_market(other))) is Reason.ALREADY_LISTED
    for answer in (change(funding, WIDER, 0), set_state(funding, m.MarketState.OPEN), delist(funding, 0)):
        result = the(m.CommandResolved, answer)
        assert (result.reason, result.limit) == (Reason.MARKET_STATE, m.MarketState.DELISTED)
