"""A run in one process: clients trade through gRPC, the books balance, and it goes on where it stopped."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from services.client import Outcome, SigningKey, Vigil
from services.core.messages import Book, MarketDelisted
from services.core.process import CannotStart
from services.core.spine import record_type
from services.core.topics import inbox
from services.local.run import Options, Run, Setup, keep_setup, prices_of, started, summary
from services.local.single_process import Addresses
from services.local.venue import MARKETS_FILE
from services.oracle.scenario import utc
from services.settlement.ledger.queries import open_queries

BEGIN_MS = utc("2020-03-12 10:40")
ANYWHERE = Addresses("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
SETUP = Setup("march-2020", "", 1, 2)


def options(folder: Path) -> Options:
    return Options(
        setup=SETUP,
        folder=folder,
        markets=MARKETS_FILE,
        speed=0,
        participants=4,
        headless=True,
        duration_ms=None,
        begins_ms=BEGIN_MS,
        addresses=ANYWHERE,
    )


async def play(folder: Path, seconds: int) -> Run:
    """Play so many seconds of log time."""
    prices = prices_of(options(folder))
    async with started(options(folder), prices) as running:
        await running.crowd.start()
        await running.pacer.run(running.clock() + seconds * 1_000, asyncio.Event())
        assert running.process.failure() is None
    return running


async def test_participants_trade_books_balance_and_a_restart_goes_on(tmp_path: Path) -> None:
    first = await play(tmp_path, 60)
    queries = open_queries(first.process.ledger_file)
    trial = queries.trial_balance()
    assert trial.unbalanced() == {}
    assert trial.totals()[1][Book.TRANSIT] == 0, "drained: nothing is under way"
    assert trial.totals()[-1][Book.CLEARING] == 0
    assert sum(line.kind == "fill" for line in queries.statement(owner_of(first), 0, 1_000)) > 0
    assert queries.trial_balance(trial.entry // 2).unbalanced() == {}
    queries.database.close()
    assert "balanced" in summary(first, 1.0, BEGIN_MS)

    second = await play(tmp_path, 5)
    assert second.clock() >= BEGIN_MS + 65_000
    assert all(host.engine.counters.applied < 2_000 for host in second.process.hosts), "it read no history anew"
    again = open_queries(second.process.ledger_file)
    assert again.trial_balance().entry > trial.entry
    assert again.trial_balance().unbalanced() == {}
    again.database.close()


FRIDAY_MS = utc("2020-03-13 08:00")
WEEKLY = "BTC_USD_20200313"


async def test_a_weekly_future_ends_and_is_settled_in_its_coin(tmp_path: Path) -> None:
    """Forty contracts of 100 dollars, bought five minutes before Friday 08:00: what they earned is lent or owed in bitcoin."""
    begun = replace(options(tmp_path), begins_ms=FRIDAY_MS - 300_000)
    stop = asyncio.Event()
    async with started(begun, prices_of(begun)) as running:
        await running.crowd.start()
        await running.pacer.run(FRIDAY_MS - 280_000, stop)
        async with Vigil(running.process.gateway.address, SigningKey(b"f" * 32), time_age_s=0) as client:
            await client.open_account()
            await client.deposit("USDC", 50_000)
            assert (await client.buy(WEEKLY, size=40)).outcome is Outcome.DONE
            (bought,) = (await client.account()).positions
            await running.pacer.run(FRIDAY_MS + 5_000, stop)
            account = await client.account()
            listed = (await client.listed()).by_symbol
            marks = {mark.symbol: mark for mark in await client.marks()}
            end = await ending(running, listed[WEEKLY].id)
        assert running.process.failure() is None
        assert not any(host.failure for host in running.process.hosts)
    assert bought.symbol == WEEKLY
    assert bought.size == 40
    assert account.positions == ()
    (coins,) = (one.idle + one.lent - one.owed for one in account.balances if one.asset == "BTC")
    assert abs(end / marks["BTC_USD_IPERP"].index_price - 1) < Decimal("0.02"), "the mean of five minutes' index"
    fee = 4_000 / bought.entry_price * Decimal("0.0005")
    earned = 4_000 / bought.entry_price - 4_000 / end - fee
    assert abs(coins - earned) < Decimal("0.000003"), "the price at which it was bought is told to the cent"
    assert {"BTC_USD_20200320", "BTC_USD_20200327", "BTC_USD_20200626"} < set(listed)
    queries = open_queries(running.process.ledger_file)
    trial = queries.trial_balance()
    assert trial.unbalanced() == {}
    assert queries.open_interest(listed[WEEKLY].id) == 0
    queries.database.close()


async def ending(running: Run, market: int) -> Decimal:
    """Price at which a market ended, as risk was told it."""
    home, topic = running.process.home, inbox("risk")
    decode = msgspec.msgpack.Decoder(record_type("risk")).decode
    records = await home.read(topic, 0, 0, await home.end(topic, 0), 0)
    said = (decode(record.value).message for record in records)
    (price,) = [one.price for one in said if isinstance(one, MarketDelisted) and one.market == market and one.is_expiry]
    return Decimal(price) / 100


def owner_of(running: Run) -> int:
    key = running.crowd.participants[0].vigil.key
    assert key is not None
    return key.account * 256


def test_a_folder_goes_on_with_what_it_was_begun_with(tmp_path: Path) -> None:
    keep_setup(tmp_path, SETUP)
    keep_setup(tmp_path, SETUP)
    with pytest.raises(CannotStart, match=r"begun with \{'seed': 1\}"):
        keep_setup(tmp_path, replace(SETUP, seed=2))


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match="--dir"):
        keep_setup(tmp_path / "file", SETUP)


PRICES = [
    ("unknown scenario", replace(SETUP, scenario="moon"), "--scenario.*one of march-2020"),
    ("no such file", replace(SETUP, scenario="", recorded="nowhere.csv"), "--recorded.*nowhere.csv"),
    ("others without the base", replace(SETUP, scenario="", recorded="ETH_USD=x.csv"), "--recorded"),
    ("unknown venue", replace(SETUP, scenario="", live="mtgox"), "'mtgox' is no venue"),
]


@pytest.mark.parametrize(("setup", "said"), [row[1:] for row in PRICES], ids=[row[0] for row in PRICES])
def test_prices_that_cannot_be_played_are_said(setup: Setup, said: str, tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=said):
        prices_of(replace(options(tmp_path), setup=setup))
