"""A venue is read exactly, refused by the field's name, and enters a log once however often it is told."""

from pathlib import Path

import msgspec
import pytest

from services.client.keyfile import read_key
from services.core import messages as m
from services.core.fixed import FRACTION_ONE
from services.core.keys import SigningKey
from services.core.markets import ContractKind, rules_of
from services.core.memory_log import MemoryLog
from services.core.spine import Engine, record_type
from services.core.topics import SERVICES, inbox
from services.local.development import ADMIN_KEY_IDS, write_admin_keys
from services.local.markets_file import RULES
from services.local.venue import MARKETS_FILE, BadVenue, Venue, found, list_assets, list_markets, read_venue
from services.settlement.machine import MACHINE as SETTLEMENT


def messages(home: MemoryLog, service: str) -> list[m.Message]:
    decode = msgspec.msgpack.Decoder(record_type(service)).decode
    return [decode(record.value).message for record in home.partitions[inbox(service), 0]]


def test_the_file_is_converted_exactly() -> None:
    venue = read_venue()
    assert [market.symbol for market in venue.markets] == [
        *("BTC_USDC_PERP", "ETH_USDC_PERP", "SOL_USDC_PERP", "BTC_USDC", "ETH_USDC", "SOL_USDC"),
    ]
    market = venue.markets[0]
    assert (market.id, market.tick, market.lot, market.unit) == (1, 10, 1, (10, 1))
    assert market.initial_margin_fraction == FRACTION_ONE // 20
    assert market.taker_fee == FRACTION_ONE // 2_000
    assert (market.notional_min, market.open_interest_max) == (10**8, 4_000 * 10**5)
    spot = venue.markets[3]
    assert (spot.kind, spot.base_asset, spot.base_decimals) == (ContractKind.SPOT, 2, 8)
    assert (spot.initial_margin_fraction, spot.funding_interval_ms, spot.premium_band) == (0, 0, 0)
    assert venue.funds == (("main", 1, 250_000 * 10**8),)
    assert len(venue.genesis.slots) == 4096


def test_every_market_has_its_limits() -> None:
    for market in read_venue().markets:
        limits = (market.notional_min, market.book_orders_max, market.levels_max, market.impact_band)
        assert all(limits), market.symbol
        assert market.is_spot or (market.open_interest_max and market.premium_band), market.symbol
        assert market.sources_min >= 2, market.symbol
        assert market.dispersion_max < FRACTION_ONE // 10, market.symbol


def test_every_rule_of_listing_is_told_in_words() -> None:
    venue = read_venue()
    assert len(RULES) == len(list(rules_of(venue.markets[0], venue.assets[0])))


def test_the_admins_of_the_file_are_those_of_the_key_files(tmp_path: Path) -> None:
    files = write_admin_keys(tmp_path)
    assert write_admin_keys(tmp_path) == files
    keys: list[SigningKey] = [read_key(file) for file in files]
    assert [key.key_id for key in keys] == read_venue().genesis.admin_keys == list(ADMIN_KEY_IDS)


def test_slots_go_to_risk_partitions_in_turn() -> None:
    venue = read_venue(partitions={"risk": 4})
    assert venue.genesis.slots[:6] == [0, 1, 2, 3, 0, 1]


BAD = [
    ("more digits than the price has", 'tick = "0.1"', 'tick = "0.001"', "tick"),
    ("a float", 'tick = "0.1"', "tick = 0.1", "market.0.tick"),
    ("unknown name", 'tick = "0.1"', 'tik = "0.1"', "market.0.tik"),
    ("not finite", 'lot = "0.00001"', 'lot = "NaN"', "market.0.lot"),
    (
        "a rule of listing",
        'maintenance_margin_fraction = "0.025"',
        'maintenance_margin_fraction = "0.06"',
        "rule 9 .*0 < maintenance",
    ),
    ("unknown asset", 'settlement_asset = "USDC"', 'settlement_asset = "USDT"', "settlement_asset"),
    ("unknown contract", "LINEAR_PERPETUAL", "MOVE", "market.0: .*kind: one of"),
    ("a service that is none", "insurance_fund = 1 }", "insurance_fund = 1, vault = 1 }", "venue.partitions"),
    ("a perpetual without funding", "funding_interval_ms = 3_600_000", "", r"market.0: .* needs funding_interval_ms"),
    (
        "a spot market with funding",
        'base_asset = "BTC"',
        'base_asset = "BTC"\ninterest_rate = 0',
        "has no interest_rate",
    ),
    ("a spot market without base", 'base_asset = "BTC"', "", "needs base_asset"),
    ("unknown base", 'base_asset = "BTC"', 'base_asset = "DOGE"', "no asset DOGE; it has USDC, BTC"),
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
    assert [type(message) for message in commands] == [*[m.ListAsset] * 4, m.ContributeToFund]
    assert all((one.header.key_id, one.header.approver) == ADMIN_KEY_IDS for one in commands)  # type: ignore[attr-defined]
    engine = Engine(SETTLEMENT, 0)
    for record in home.partitions["settlement.inbox", 0]:
        for topic, partition, value in engine.step(*record):
            if topic == "funding.inbox":
                await home.append(topic, partition, [value])
    assert engine.state.assets == {asset.id: asset for asset in venue.assets}
    assert engine.state.custody == {1: 250_000 * 10**8}
    await list_markets(home, venue, wait_ms=0)
    await list_markets(home, venue, wait_ms=0)
    kinds = [type(message) for message in messages(home, "funding")]
    assert kinds == [m.Genesis, *[m.AssetListed] * 4, *[m.ListMarket] * 6]


async def test_markets_wait_for_their_assets() -> None:
    home = await founded(read_venue())
    with pytest.raises(BadVenue, match="is settlement running"):
        await list_markets(home, read_venue(), wait_ms=0)
