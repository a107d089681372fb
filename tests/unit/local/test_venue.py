"""A venue is read exactly, refused by the field's name, and enters a log once however often it is told."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from services.client.keyfile import read_key
from services.core import messages as m
from services.core.fixed import FRACTION_ONE
from services.core.keys import SigningKey
from services.core.listing import rules_of
from services.core.markets import UNIT_OF_ACCOUNT, ContractKind, SettlementPrice
from services.core.memory_log import MemoryLog
from services.core.spine import Engine, record_type
from services.core.topics import SERVICES, inbox
from services.local.development import ADMIN_KEY_IDS, write_admin_keys
from services.local.markets_file import ASSET_RULES, RULES
from services.local.venue import MARKETS_FILE, BadVenue, Venue, found, list_assets, list_markets, read_venue
from services.oracle.settings import INDICES
from services.settlement.listing import rules_of as asset_rules_of
from services.settlement.machine import MACHINE as SETTLEMENT

PERCENT = FRACTION_ONE // 100


def messages(home: MemoryLog, service: str) -> list[m.Message]:
    decode = msgspec.msgpack.Decoder(record_type(service)).decode
    return [decode(record.value).message for record in home.partitions[inbox(service), 0]]


def test_the_file_is_converted_exactly() -> None:
    venue = read_venue()
    assert [market.symbol for market in venue.markets] == [
        *("BTC_USDC_PERP", "ETH_USDC_PERP", "SOL_USDC_PERP", "BTC_USDC", "ETH_USDC", "SOL_USDC"),
        *("BTC_USD_IPERP", "ETH_USD_IPERP", "BTC_USDT_PERP", "PEPE_USDC_PERP", "PEPE_USDC", "TBILL_USDC", "USDT_USDC"),
    ]
    market = venue.markets[0]
    assert (market.id, market.tick, market.lot, market.unit) == (1, 10, 1, (10, 1))
    assert market.initial_margin_fraction == FRACTION_ONE // 50
    assert (market.initial_margin_factor, market.maintenance_margin_factor) == (24_940_000, 14_960_000)
    assert market.taker_fee == FRACTION_ONE // 2_000
    assert (market.notional_min, market.open_interest_max) == (10**8, 4_000 * 10**5)
    spot = venue.markets[3]
    assert (spot.kind, spot.base_asset, spot.base_decimals) == (ContractKind.SPOT, 2, 8)
    assert (spot.initial_margin_fraction, spot.funding_interval_ms, spot.premium_band) == (0, 0, 0)
    assert venue.funds[:2] == (("main", 1, 250_000 * 10**8), ("main", 5, 50_000 * 10**6))
    assert len(venue.genesis.slots) == 4096


def test_inverse_contracts_tiers_and_calendars_are_converted_exactly() -> None:
    venue = read_venue()
    inverse, tiered = (
        next(one for one in venue.markets if one.symbol == name) for name in ("BTC_USD_IPERP", "BTC_USDT_PERP")
    )
    assert (inverse.face, inverse.face_unit, inverse.settlement_asset) == (100, (100 * 10**8, 1), 2)
    assert tiered.tiers[1] == (500_000 * 10**6, FRACTION_ONE // 25, FRACTION_ONE // 50, 3_750 * 10**6)
    cash, coin = venue.calendars
    assert (cash.market.symbol, cash.weeks, cash.quarters, cash.hour_ms) == ("BTC_USDC", 0, 2, 16 * 3_600_000)
    assert cash.market.limit_steps == (7 * PERCENT, 13 * PERCENT, 20 * PERCENT)
    assert (cash.market.expiry_price, cash.market.settlement_price) == (
        SettlementPrice.REFERENCE_RATE,
        SettlementPrice.TRADED_MEAN,
    )
    assert (coin.market.face, coin.market.profit_lock, coin.market.expires_ms) == (10_000, True, 0)
    friday = datetime(2026, 6, 26, 8, tzinfo=UTC).timestamp() * 1_000
    assert friday % coin.market.settlement_interval_ms == coin.market.settlement_offset_ms


def test_collateral_is_converted_exactly_and_one_asset_is_what_is_counted_in() -> None:
    assets = {asset.symbol: asset for asset in read_venue().assets}
    unit = msgspec.structs.replace(UNIT_OF_ACCOUNT, borrow_rate_max=FRACTION_ONE // 2_000)
    assert [one.symbol for one in assets.values() if one.collateral == unit] == ["USDC"]
    assert {one.decimals for one in assets.values()} == {8, 6, 0}
    pepe = assets["PEPE"].collateral
    assert (pepe.index, pepe.initial_weight, pepe.weight_penalty) == ("PEPE_USD", FRACTION_ONE // 2, 10**6)
    assert (pepe.account_max, pepe.borrow_rate_max, pepe.sources_min) == (5 * 10**11, FRACTION_ONE // 1_000, 2)
    assert all(one.collateral.initial_weight for one in assets.values())


def test_every_index_of_the_file_has_a_price_in_a_run() -> None:
    assert set(read_venue().indices) <= set(INDICES)


def test_pools_are_converted_exactly_and_perpetuals_pulse() -> None:
    venue = read_venue()
    pools = {asset.symbol: asset.pool for asset in venue.assets if asset.pool is not None}
    assert list(pools) == ["USDC", "BTC", "ETH", "SOL", "USDT"]
    dollars = pools["USDC"]
    assert (dollars.optimal, dollars.slope, dollars.steep_slope) == (90 * PERCENT, 5 * PERCENT, 100 * PERCENT)
    assert (dollars.throttle_bound, dollars.account_debt_max, dollars.period_ms) == (95 * PERCENT, 10**15, 60_000)
    assert pools["USDT"].account_debt_max == 5_000_000 * 10**6
    for market in venue.listings:
        pooled = market.is_perpetual and market.settlement_asset in [a.id for a in venue.assets if a.pool is not None]
        assert market.pulse_interval_ms == (10_000 if pooled else 0), market.symbol
    assert venue.markets[0].withdrawal_fraction == 10 * PERCENT
    assert venue.markets[0].profit_debt_max == 500_000 * 10**8


def test_every_market_has_its_limits() -> None:
    for market in read_venue().listings:
        limits = (market.notional_min, market.book_orders_max, market.levels_max, market.impact_band)
        assert all(limits), market.symbol
        assert market.is_spot or (market.open_interest_max and market.owner_position_max), market.symbol
        assert bool(market.premium_band) == market.is_perpetual, market.symbol
        assert market.sources_min >= 2, market.symbol
        assert market.dispersion_max < FRACTION_ONE // 10, market.symbol


def test_every_rule_of_listing_is_told_in_words() -> None:
    venue = read_venue()
    assert len(RULES) == len(list(rules_of(venue.markets[0], venue.assets[0])))
    assert len(ASSET_RULES) == len(list(asset_rules_of(venue.assets[0])))


def test_the_admins_of_the_file_are_those_of_the_key_files(tmp_path: Path) -> None:
    files = write_admin_keys(tmp_path)
    assert write_admin_keys(tmp_path) == files
    keys: list[SigningKey] = [read_key(file) for file in files]
    assert [key.key_id for key in keys] == read_venue().genesis.admin_keys == list(ADMIN_KEY_IDS)


def test_slots_go_to_risk_partitions_in_turn() -> None:
    venue = read_venue(partitions={"risk": 4})
    assert venue.genesis.slots[:6] == [0, 1, 2, 3, 0, 1]


UNIT_LINES = (
    "unit_of_account = true # worth one: equity and margin are counted in it\n"
    'borrow_rate_max = "0.0005" # most that a debt can grow per hour\n'
)
BAD = [
    (
        "more digits than the price has",
        'tick = "0.1"',
        'tick = "0.001"',
        "market BTC_USDC_PERP: tick: 0.001 is no whole",
    ),
    ("a float", 'tick = "0.1"', "tick = 0.1", "market.0.tick"),
    ("unknown name", 'tick = "0.1"', 'tik = "0.1"', "market.0.tik"),
    ("not finite", 'lot = "0.00001"', 'lot = "NaN"', "market.0.lot"),
    (
        "a rule of listing",
        'maintenance_margin_fraction = "0.0125"',
        'maintenance_margin_fraction = "0.06"',
        "rule 9 .*0 < maintenance",
    ),
    ("unknown asset", 'settlement_asset = "USDC"', 'settlement_asset = "EURC"', "settlement_asset.*no asset EURC"),
    ("unknown contract", "LINEAR_PERPETUAL", "MOVE", "market.0: .*kind: one of"),
    (
        "unknown form",
        'form = "perpetual"',
        'form = "swap"',
        "market.0.form: the file has no form swap; it has perpetual",
    ),
    ("a form of nothing", 'kind = "SPOT"', 'kindness = "SPOT"', "form.spot.kindness: no market has"),
    ("an inverse market without face", 'face = "1" # dollars', "", "INVERSE_PERPETUAL market needs face"),
    ("a linear market with face", "id = 1\nform", 'id = 1\nface = "1"\nform', "LINEAR_PERPETUAL market has no face"),
    ("a perpetual that ends", "id = 1\nform", "id = 1\nexpires = 2026-06-26T08:00:00Z\nform", "has no expires"),
    ("a time of nowhere", "id = 1\nform", "id = 1\nexpires = 2026-06-26T08:00:00\nform", "market.0.expires.*timezone"),
    ("a calendar's end", "id = 1_000", "id = 1_000\nexpires = 2026-06-26T08:00:00Z", "calendar.0.market.expires"),
    ("a calendar of perpetuals", 'kind = "LINEAR_FUTURE"', 'form = "perpetual"\nexpires = 1', "calendar.0"),
    ("a calendar of nothing", "weeks = 0\nquarters = 2", "weeks = 0\nquarters = 0", "calendar.0: .*weeks, quarters"),
    ("a calendar of years", "weeks = 2\n", "weeks = 104\n", "calendar.1.weeks"),
    ("ids that meet", "id = 2_000", "id = 1_999", "calendar 2: id 1999 belongs to calendar 1 already"),
    (
        "one id twice",
        "[[market]]\nid = 2",
        "[[market]]\nid = 1",
        "market ETH_USDC_PERP: id 1 belongs to market BTC_USDC_PERP",
    ),
    ("one symbol twice", '"ETH_USDC_PERP"', '"BTC_USDC_PERP"', "market BTC_USDC_PERP: two of them have this symbol"),
    ("a way to settle", '"REFERENCE_RATE"', '"RATE"', "calendar.0.market.expiry_price: .*REFERENCE_RATE"),
    ("limits without order", '["0.07", "0.13"', '["0.13", "0.07"', "calendar 1: market BTC_USDC: breaks rule 24"),
    ("tiers that fall", 'amount = "3750"', 'amount = "99999"', "market BTC_USDT_PERP: breaks rule 22"),
    ("digits of a tier", 'from = "500000"', 'from = "0.0000001"', "BTC_USDT_PERP: tiers.1.from"),
    ("digits of a coin", 'account_max = "2500"', 'account_max = "0.000000001"', "asset BTC: collateral.account_max"),
    ("no limit of collateral said", 'venue_max = "20000"', "", "asset.1.collateral.venue_max"),
    (
        "weights that fall",
        'maintenance_weight = "0.97"',
        'maintenance_weight = "0.9"',
        "asset BTC: breaks rule 4: 0 <= init",
    ),
    ("a calendar too short", "markets_max = 10_000", "markets_max = 3", "calendar.1: .*markets_max: 4 at least"),
    (
        "a symbol that a calendar gives",
        'symbol = "TBILL_USDC"',
        'symbol = "BTC_USD_20260626"',
        "calendar 2: breaks rule 8",
    ),
    ("worth said twice", 'symbol = "BTC"', 'symbol = "BTC"\nunit_of_account = true', "asset.1: .*worth one, in full"),
    ("no unit of account", UNIT_LINES, "", "asset: exactly one .* not 0"),
    (
        "a growth of debts said twice",
        'symbol = "BTC"',
        'symbol = "BTC"\nborrow_rate_max = "0.1"',
        "in the collateral table",
    ),
    (
        "digits of a cap",
        'account_debt_max = "500"',
        'account_debt_max = "0.000000001"',
        "asset BTC: pool.account_debt_max",
    ),
    ("no limit of a pool said", 'debt_max = "15000"', "", "asset.1.pool.debt_max"),
    (
        "a pool that bends at nothing",
        'optimal = "0.8"',
        'optimal = "0"',
        "asset BTC: breaks rule 12: pool.optimal is above 0",
    ),
    (
        "debts that grow faster than margin expects",
        'steep_slope = "1"',
        'steep_slope = "5"',
        "asset USDC: breaks rule 17: .* no more than borrow_rate_max",
    ),
    ("a pulse too quick", "pulse_interval_ms = 10_000", "pulse_interval_ms = 100", "BTC_USDC_PERP: breaks rule 28"),
    (
        "a future that pulses",
        'kind = "LINEAR_FUTURE"',
        'kind = "LINEAR_FUTURE"\npulse_interval_ms = 1',
        "LINEAR_FUTURE market has no pulse",
    ),
    (
        "a perpetual that does not say its pulse",
        "\npulse_interval_ms = 10_000 #",
        "\n#",
        "market.0: .* needs pulse_interval_ms",
    ),
    (
        "withdrawals that leave more than all",
        'withdrawal_fraction = "0.1"',
        'withdrawal_fraction = "1.1"',
        "breaks rule 29",
    ),
    ("a service that is none", "lending_pool = 1 }", "lending_pool = 1, vault = 1 }", "venue.partitions"),
    ("a perpetual without funding", "funding_interval_ms = 3_600_000", "", r"market.0: .* needs funding_interval_ms"),
    (
        "a spot market with funding",
        'base_asset = "BTC"',
        'base_asset = "BTC"\ninterest_rate = 0',
        "has no interest_rate",
    ),
    ("a spot market without base", 'base_asset = "BTC"', "", "needs base_asset"),
    ("unknown base", 'base_asset = "BTC"', 'base_asset = "DOGE"', "no asset DOGE; it has USDC, BTC, ETH"),
    ("no limit said", 'notional_min = "1"', "", "market.0.notional_min"),
    ("one key", ', "5d1a565b8c95179b"]', "]", "venue.admin_key_ids: name at least two"),
    ("one key twice", "5d1a565b8c95179b", "a240b65d68df4e71", "venue.admin_key_ids: name at least two"),
    ("key in words", "a240b65d68df4e71", "master", "venue.admin_key_ids"),
    (
        "keys of everybody",
        'name = "vigil-dev"',
        'name = "vigil"',
        "everybody has the development keys a240b65d68df4e71",
    ),
    ("no TOML", "[venue]", "[venue", "cannot be read"),
]


@pytest.mark.parametrize(("old", "new", "named"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_cannot_be_is_refused_by_name(old: str, new: str, named: str, tmp_path: Path) -> None:
    text = MARKETS_FILE.read_text()
    assert old in text
    file = tmp_path / "markets.toml"
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(BadVenue, match=named):
        read_venue(file)


async def founded(venue: Venue) -> MemoryLog:
    home = MemoryLog(lambda: 1_584_000_000_000)
    await found(home, venue)
    return home


async def test_genesis_is_the_first_record_of_every_inbox_and_only_once() -> None:
    venue = read_venue()
    home = await founded(venue)
    await found(home, venue)
    for service in SERVICES:
        assert messages(home, service) == [venue.genesis]


async def test_another_venue_is_refused() -> None:
    home = await founded(read_venue())
    genesis = msgspec.structs.replace(read_venue().genesis, venue="other")
    with pytest.raises(BadVenue, match="another venue"):
        await found(home, Venue(genesis, (), (), ()))


async def test_settlement_accepts_every_command_and_a_repeat_appends_nothing() -> None:
    venue = read_venue()
    home = await founded(venue)
    await list_assets(home, venue)
    await list_assets(home, venue)
    commands = messages(home, "settlement")[1:]
    assert [type(message) for message in commands] == [*[m.ListAsset] * 7, *[m.ContributeToFund] * 4]
    assert all((one.header.key_id, one.header.approver) == ADMIN_KEY_IDS for one in commands)  # type: ignore[attr-defined]
    engine = Engine(SETTLEMENT, 0)
    for record in home.partitions["settlement.inbox", 0]:
        for topic, partition, value in engine.step(*record):
            if topic == "funding.inbox":
                await home.append(topic, partition, [value])
    assert engine.state.assets == {asset.id: asset for asset in venue.assets}
    assert engine.state.custody == {asset: amount for _, asset, amount in venue.funds}
    await list_markets(home, venue, wait_ms=0)
    await list_markets(home, venue, wait_ms=0)
    kinds = [type(message) for message in messages(home, "funding")]
    listed = [kind for kind in kinds if kind is not m.CollateralListed]
    assert listed == [m.Genesis, *[m.AssetListed] * 7, *[m.ListMarket] * 13, *[m.ListCalendar] * 2]


async def test_markets_wait_for_their_assets() -> None:
    home = await founded(read_venue())
    with pytest.raises(BadVenue, match="is settlement running"):
        await list_markets(home, read_venue(), wait_ms=0)
