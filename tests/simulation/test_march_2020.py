"""The recorded hours of 12 and 13 March 2020 with two hundred accounts: conservation, funding, liquidation, replay, split."""

from pathlib import Path

import pytest

from services.core import messages as m
from services.core.log import LogRecord
from services.core.markets import Asset
from services.core.replay import replay
from services.core.spine import Engine
from services.core.sqlite_log import SqliteLog
from services.risk.machine import MACHINE as RISK
from services.risk.state import Subaccount
from tests.simulation.march import March, march
from tests.simulation.split import split
from tests.simulation.world import MACHINES

REAL = {m.Book.IDLE, m.Book.POSITION, m.Book.UNSETTLED, m.Book.FEES, m.Book.FUND}


@pytest.fixture(scope="module")
def history() -> March:
    """Return the two days, made once."""
    return march()


def test_nothing_is_missing_or_too_much_at_every_thousandth_entry(history: March) -> None:
    """The audit folds every ledger as its entries come; it asserted while the history was made."""
    audit = history.audit
    assert audit.checks > 50
    for asset in (history.usdc, history.btc):
        custody = -held(history, asset, {m.Book.OUTSIDE})
        real = held(history, asset, REAL)
        print(f"{audit.entries} entries, {audit.checks} checks, {asset.symbol}: custody {custody} = books {real}")
        assert custody == real > 0


def held(history: March, asset: Asset, books: set[m.Book]) -> int:
    """Sum books of an asset, over all machines."""
    return sum(
        amount
        for (_topic, book, *_, owned), amount in history.audit.balances.items()
        if owned == asset.id and book in books
    )


def test_funding_paid_is_funding_received(history: March) -> None:
    """Every hourly step of both perpetuals sums to zero, exactly."""
    funding = history.audit.funding
    print(f"{len(funding)} steps of {len({market for market, _ in funding})} markets")
    assert len(funding) > 60
    assert not any(funding.values())


def test_nobody_is_below_maintenance_without_a_liquidation(history: March) -> None:
    """After each fresh mark, judged from scratch; those who have coins and no dollars are among the liquidated."""
    feed, liquidated = history.audit.feed, history.audit.liquidated
    with_coins = [trader for trader in history.with_coins if trader.account << 8 in liquidated]
    print(
        f"{feed['liquidation_started']} liquidations of {len(liquidated)} accounts, {len(with_coins)} with coins alone"
    )
    assert feed["liquidation_started"] == feed["liquidation_ended"] > 50
    assert len(with_coins) > 10
    assert history.unattended == []


async def test_replay_on_sqlite_reaches_the_same_digests(history: March, tmp_path: Path) -> None:
    """The inboxes, copied with their times into a file, lead fresh machines to the same digests."""
    home = SqliteLog(tmp_path / "copy.db")
    await home.create({topic: 1 for topic, _ in history.pump.inboxes}, keep_times=True)
    for (topic, partition), records in history.pump.inboxes.items():
        await copy(home, topic, partition, records)
        engine = await replay(Engine(MACHINES[topic.removesuffix(".inbox")], partition), home)
        assert engine.spine.digest == history.pump.engines[topic, partition].spine.digest
    await home.close()


async def copy(home: SqliteLog, topic: str, partition: int, records: list[LogRecord]) -> None:
    """Append records with their times."""
    await (
        await home.append(topic, partition, [record.value for record in records], [record.at_ms for record in records])
    )


def test_split_by_slot_gives_every_account_the_same_state(history: March) -> None:
    """One risk inbox split into four leads every subaccount to what it was with one shard, but for where its margin box lies.

    Smaller shards look at a crowd sooner, and a box lies round the prices at which somebody was looked at last.
    """
    whole = history.pump.engines["risk.inbox", 0].state
    parts: dict[int, Subaccount] = {}
    for shard, inbox in enumerate(split(history.pump.inboxes["risk.inbox", 0], 4)):
        engine = Engine(RISK, shard)
        for record in inbox:
            engine.step(*record)
        RISK.check_invariants(engine.state)
        parts.update(engine.state.subaccounts)
    for subaccount in (*parts.values(), *whole.subaccounts.values()):
        subaccount.box = None
    assert parts == whole.subaccounts
