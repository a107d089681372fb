"""A venue is read exactly, refused by the field's name, and enters a log once however often it is told."""

from pathlib import Path

import msgspec
import pytest

from services.core import messages as m
from services.core.fixed import FRACTION_ONE
from services.core.memory_log import MemoryLog
from services.core.spine import Engine, record_type
from services.core.topics import SERVICES, inbox
from services.local.venue import MARKETS_FILE, BadVenue, Venue, found, list_assets, list_markets, read_venue
from services.settlement.machine import MACHINE as SETTLEMENT


def messages(home: MemoryLog, service: str) -> list[m.Message]:
    decode = msgspec.msgpack.Decoder(record_type(service)).decode
    return [decode(record.value).message for record in home.partitions[inbox(service), 0]]


def test_the_file_is_converted_exactly() -> None:
    venue = read_venue()
    (market,) = venue.markets
    assert market.symbol == "BTC_USDC_PERP"
    assert (market.tick, market.lot, market.unit) == (10, 10, (10, 1))
    assert market.initial_margin_fraction == FRACTION_ONE // 20
    assert market.taker_fee == FRACTION_ONE // 2_000
    assert venue.funds == (("main", 1, 250_000 * 10**8),)
    assert len(venue.genesis.slots) == 4096


def test_slots_go_to_risk_partitions_in_turn() -> None:
    venue = read_venue(partitions={"risk": 4})
    assert venue.genesis.slots[:6] == [0, 1, 2, 3, 0, 1]


BAD = [
    ("more digits than the price has", 'tick = "0.1"', 'tick = "0.001"', "tick"),
    ("a float", 'tick = "0.1"', "tick = 0.1", "market.0.tick"),
    ("unknown name", 'tick = "0.1"', 'tik = "0.1"', "market.0.tik"),
    ("not finite", 'lot = "0.0001"', 'lot = "NaN"', "market.0.lot"),
    ("a rule of listing", 'maintenance_margin_fraction = "0.025"', 'maintenance_margin_fraction = "0.06"', "rule 9"),
    ("unknown asset", 'settlement_asset = "USDC"', 'settlement_asset = "USDT"', "settlement_asset"),
    ("unknown contract", "LINEAR_PERPETUAL", "MOVE", "kind"),
    ("a service that is none", "insurance_fund = 1 }", "insurance_fund = 1, vault = 1 }", "venue.partitions"),
    ("no key", 'admin_key_ids = ["766967696c646576"]', "admin_key_ids = []", "venue.admin_key_ids"),
    ("key in words", "766967696c646576", "master", "venue.admin_key_ids"),
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
    assert [type(message) for message in messages(home, "settlement")] == [m.Genesis, m.ListAsset, m.ContributeToFund]
    engine = Engine(SETTLEMENT, 0)
    for record in home.partitions["settlement.inbox", 0]:
        for topic, partition, value in engine.step(*record):
            if topic == "funding.inbox":
                await home.append(topic, partition, [value])
    assert engine.state.assets == {1: venue.assets[0]}
    assert engine.state.custody == {1: 250_000 * 10**8}
    await list_markets(home, venue, wait_ms=0)
    await list_markets(home, venue, wait_ms=0)
    assert [type(message) for message in messages(home, "funding")] == [m.Genesis, m.AssetListed, m.ListMarket]


async def test_markets_wait_for_their_assets() -> None:
    home = await founded(read_venue())
    with pytest.raises(BadVenue, match="is settlement running"):
        await list_markets(home, read_venue(), wait_ms=0)
