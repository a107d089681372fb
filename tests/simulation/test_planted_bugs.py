"""Bugs planted on purpose: each must be found by a broken law within a few seeds, or the simulation proves nothing.

Set iteration and the wall clock in a machine are planted and found in tests/test_tidy.py.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any
from zlib import crc32

import msgspec
import pytest

from services.core import messages as m
from services.core import topics
from services.core.books import balanced
from services.core.commands import check_admin
from services.core.contracts import base_amount
from services.core.fixed import account_of
from services.core.host import Host, PartitionStopped
from services.core.log import AppendFailed, LogRecord
from services.core.markets import Market
from services.core.reasons import Reason, Refusal
from services.core.snapshots import Snapshots
from services.core.spine import ChainBroken, Engine, Output, Peer
from services.core.topics import Hop, Key
from services.matching.book import Order
from services.matching.turn import Turn
from services.risk.machine import MACHINE as RISK
from services.risk.machine import PROCESS as RISK_PROCESS
from services.risk.state import Account
from tests.simulation import clients, workload, world
from tests.simulation.runtime import Process, Task
from tests.simulation.venue import BITCOIN, DYING
from tests.simulation.world import HOUR_MS, LawBroken, Plan, Seat, World

SEEDS = 40


def finds(plan: Callable[[int], Plan], history: type[World] = World) -> BaseException:
    """Run seeds until something breaks; return what broke."""
    for seed in range(SEEDS):
        try:
            history(plan(seed)).run()
        except Exception as broken:  # noqa: BLE001 - whatever breaks is the finding
            return broken
    pytest.fail(f"not found in {SEEDS} seeds")


def trade_only(monkeypatch: pytest.MonkeyPatch, market: int) -> None:
    """Let clients place orders in one market and do nothing else: more fills are under way at any time."""
    monkeypatch.setattr(clients, "KINDS", {"order": 1})
    monkeypatch.setattr(clients, "BUSY", [int(place == market) for place in range(1, len(clients.BUSY) + 1)])


class ForgetfulEngine(Engine[Any]):
    """Dedup off: whatever comes again is applied again."""

    def accept(self, record: m.Record, value: bytes) -> bool:
        """Take everything."""
        if record.source:
            self.spine.received[record.source] = Peer(record.seq, crc32(value))
        return True


def test_dedup_off_is_found() -> None:
    """Hosts that apply duplicates leave the history of a machine that does not, or stop at what cannot happen twice."""
    found = finds(lambda seed: Plan.of(seed, engine=ForgetfulEngine, kinds=("duplicate", "zombie", "kill_before_ack")))
    assert isinstance(found, PartitionStopped) or "digest of a fresh machine" in str(found)


class HastySnapshots(Snapshots):
    """A snapshot counts although its outputs are not acknowledged."""

    def load(self, marker: int) -> tuple[int, bytes] | None:
        """Ignore the marker."""
        del marker
        return super().load(1 << 62)


class HastyHost(Host[Any]):
    """Emits only from the snapshot on, as if everything before it were acknowledged."""

    async def recover(self) -> None:
        """Believe the snapshot."""
        await super().recover()
        self.emit_from = max(self.emit_from, self.position)


class LosingWorld(World):
    """A process dies right after a snapshot of it is in place, and nothing it had handed over lands."""

    def resume(self, seat: Seat, process: Process, task: Task) -> None:
        """Let the rename happen; then kill, if appends are under way."""
        renames = task.waiting is not None and task.waiting.label == "before_rename"
        super().resume(seat, process, task)
        if renames and process.alive and process.flights:
            process.flights.clear()
            self.faults["kill_before_ack"] += 1
            self.kill(seat, process)


def test_snapshot_counted_before_acknowledgement_is_found() -> None:
    """What was not yet appended when the snapshot was taken is lost."""
    found = finds(lambda seed: Plan.of(seed, snapshots=HastySnapshots, host=HastyHost, kinds=("delay",)), LosingWorld)
    assert isinstance(found, LawBroken)
    for seed in range(3):
        LosingWorld(Plan.of(seed, kinds=("delay",))).run()


class CountlessEngine(Engine[Any]):
    """The sequence numbers are not in the snapshot."""

    def snapshot(self) -> bytes:
        """Leave `sent` out."""
        kept, self.spine.sent = self.spine.sent, {}
        try:
            return super().snapshot()
        finally:
            self.spine.sent = kept


def test_sequence_not_in_the_snapshot_is_found() -> None:
    """After a restart the machine counts anew, and its records look like old ones."""
    found = finds(lambda seed: Plan.of(seed, engine=CountlessEngine, kinds=("kill_before_read", "kill_after_apply")))
    assert isinstance(found, LawBroken | ChainBroken)


class StubbornHost(Host[Any]):
    """Goes on after a failed append."""

    async def collect(self) -> None:
        """Shrug."""
        with suppress(AppendFailed):
            await super().collect()
            return
        self.acknowledged = max(self.acknowledged, self.flight.popleft().position)


def test_first_of_two_pipelined_appends_fails_is_found() -> None:
    """An append is lost, the next one lands: whoever goes on has lost records for ever."""
    found = finds(lambda seed: Plan.of(seed, host=StubbornHost, kinds=("failed_append",)))
    assert isinstance(found, LawBroken)


def broken_on_cancel(state: Any, record: m.Record) -> list[m.Message]:
    """Risk as a release with a bug would be: it posts, then fails, on a cancel."""
    if isinstance(record.message, m.CancelOrder):
        return [m.BalanceChanged(0, 1, 1, 0, 0, "bug"), m.CancelRequested(0, 1 << 40, 0, 0)]
    return list(RISK.apply(state, record))


class LeakyHost(Host[Any]):
    """Emits what a record said before it failed."""

    def advance(self, records: list[LogRecord]) -> list[Output]:
        """Add the outputs of the failed record."""
        outputs = super().advance(records)
        return [*outputs, *self.engine.outputs] if self.failure is not None else outputs


def upgrade(monkeypatch: pytest.MonkeyPatch, host: type[Host[Any]], seed: int) -> None:
    """Let risk run a release that fails on a cancel, then the next one, which does not."""
    history = World(Plan.of(seed, host=host, faults=0, shards=1))
    monkeypatch.setitem(world.MACHINES, "risk", replace(RISK, apply=broken_on_cancel))
    with pytest.raises(PartitionStopped):
        history.run()
    monkeypatch.setitem(world.MACHINES, "risk", RISK)
    for seat in history.seats:
        for process in list(seat.processes):
            history.kill(seat, process)
    try:
        settle(history)
    finally:
        history.close()


def settle(history: World) -> None:
    """Let what is left arrive, and compare what is public with what the shadows said."""
    history.heal()
    for _ in range(20_000):
        history.step()
        if history.is_quiet():
            break
    history.judge_public()


def test_output_emitted_before_a_later_failure_in_the_same_record_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the upgrade the same record says something else: what leaked before contradicts it."""
    upgrade(monkeypatch, Host, 3)
    with pytest.raises((LawBroken, ChainBroken)):
        upgrade(monkeypatch, LeakyHost, 3)


class ForgingWorld(World):
    """Some duplicates come with other bytes."""

    def fault_duplicate(self) -> bool:
        """Repeat the last record that a machine took from another, with another trace."""
        seat = self.rng.choice(self.seats)
        engine = self.laws.shadows[seat.service, seat.partition].engine
        for record in reversed(self.log.records[f"{seat.service}.inbox", seat.partition]):
            decoded = msgspec.msgpack.decode(record.value)
            peer = engine.spine.received.get(decoded[1])
            if peer is not None and peer.seq == decoded[2]:
                decoded[5] += 1
                self.land(f"{seat.service}.inbox", seat.partition, [msgspec.msgpack.encode(decoded)])
                return True
        return False


def test_duplicate_with_other_bytes_is_found() -> None:
    """A repeated number with other content means that a history forked: the partition stops."""
    found = finds(lambda seed: Plan.of(seed, kinds=("duplicate",)), ForgingWorld)
    assert isinstance(found, ChainBroken)


def test_funding_step_sent_beside_the_fills_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent straight to the shards, a step finds other positions on each, and paid differs from received."""
    beside = (Hop("funding", "risk", Key.ALL), Hop("funding", "feed.markets", Key.OWN))
    routes = tuple(row._replace(hops=beside) if row.message is m.FundingStepped else row for row in topics.ROUTES)
    monkeypatch.setattr(topics, "ROUTES", routes)
    trade_only(monkeypatch, BITCOIN)
    found = finds(lambda seed: Plan.of(seed, shards=4, kinds=("delay", "kill_before_read"), commands=600, faults=20))
    assert "funding paid = received" in str(found) or "clearing per market and asset" in str(found)


def test_unbalanced_posting_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fill whose cash reaches one unit more than it leaves breaks the books of its shard."""

    def careless(kind: str, reference: int, at_ms: int, legs: list[m.Leg], group: str = "") -> m.Posted:
        if kind != "fill":
            return balanced(kind, reference, at_ms, legs, group)
        book, owner, market, asset, amount = legs[2]
        return m.Posted(kind, reference, at_ms, [*legs[:2], (book, owner, market, asset, amount + 1), *legs[3:]], group)

    monkeypatch.setattr("services.risk.state.balanced", careless)
    found = finds(lambda seed: Plan.of(seed, faults=0))
    assert "sum to zero" in str(found)


class CrashWhileAway(World):
    """Only risk goes away, once there are positions, and prices fall meanwhile."""

    def fault_machine_away(self) -> bool:
        """Let it read nothing for an hour that begins with a steady fall by a twelfth."""
        seat = next(seat for seat in self.seats if seat.service == "risk")
        if len(seat.processes) != 1 or self.sent_commands < 200:
            return False
        self.kill(seat, seat.processes[0], HOUR_MS)
        self.work.trends.update(dict.fromkeys(self.work.trends, 0))
        for _ in range(300):
            self.work.prices.update((index, price * 9_997 // 10_000) for index, price in self.work.prices.items())
            self.log.time_ms += 30
            self.step()
            self.outside()
        self.log.time_ms += HOUR_MS
        return True


def test_late_liquidation_executed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard that comes back after an hour liquidates at prices of then, unless matching looks at the age."""
    monkeypatch.setattr("services.matching.machine.is_late", lambda _state, _record: False)
    monkeypatch.setattr(workload, "DEPOSITS", (100, 200, 400))
    trade_only(monkeypatch, BITCOIN)
    found = finds(lambda seed: Plan.of(seed, shards=1, kinds=("machine_away",), commands=300, faults=1), CrashWhileAway)
    assert "late liquidation" in str(found)


def calm(**changes: Any) -> Callable[[int], Plan]:
    """Return plans without faults: the bug alone must do."""
    return lambda seed: Plan.of(seed, **({"faults": 0, "commands": 500} | changes))


def test_hold_without_fee_and_loss_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An order counts at the mark instead of its worst price: who takes all that margin bears is short at once."""
    monkeypatch.setattr("services.risk.margin.order_hold", lambda *_terms: 0)
    assert "below initial margin" in str(finds(calm()))


def test_only_one_side_of_resting_orders_counted_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buys and sells set off against each other: either side may fill alone."""

    def netted(size: int, buys: int, sells: int, *, may_shrink: bool) -> int:
        del may_shrink
        return abs(size + buys - sells)

    monkeypatch.setattr("services.risk.margin.worst_size", netted)
    assert "below initial margin" in str(finds(calm()))


def test_band_not_checked_at_the_fill_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An order that rests from before a move trades far from the mark of now."""
    monkeypatch.setattr("services.matching.plan.Limits.why", lambda _limits, _price: 0)
    assert "within the band" in str(finds(calm()))


def test_coins_out_of_nothing_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The buyer of a spot trade gets one unit more than the seller gives; the books of each shard still balance."""

    def generous(market: Market, size: int) -> int:
        return base_amount(market, size) + (size > 0)

    monkeypatch.setattr("services.risk.answers.base_amount", generous)
    assert "clearing per market and asset" in str(finds(calm()))


def test_delisting_sent_beside_the_fills_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent straight to the shards, the end of a market finds fills under way, and positions stay that nobody faces."""
    beside = (Hop("funding", "risk", Key.ALL), Hop("funding", "feed.markets", Key.OWN))
    routes = tuple(row._replace(hops=beside) if row.message is m.MarketDelisted else row for row in topics.ROUTES)
    monkeypatch.setattr(topics, "ROUTES", routes)
    trade_only(monkeypatch, DYING)
    found = finds(lambda seed: Plan.of(seed, shards=4, kinds=("delay",), commands=500, faults=20))
    assert "sum to zero" in str(found) or "clearing" in str(found)


def test_decrement_that_forgets_the_size_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What self-trade prevention takes off an order is said to be open still."""

    def careless(turn: Turn, taker: Order, size: int) -> None:
        taker.remaining -= min(size, taker.remaining - 1)
        turn.say_reduced(taker, int(Reason.SELF_TRADE))

    monkeypatch.setattr("services.matching.turn.Turn.decrement", careless)
    assert "filled + open + cancelled = placed" in str(finds(calm()))


def in_flight(seed: int) -> Plan:
    """Return a plan in which much is under way at once."""
    return Plan.of(seed, kinds=("delay",), faults=20, commands=500)


def process_otherwise(
    monkeypatch: pytest.MonkeyPatch, message: type[m.Message], process: Callable[[Any, Any], list[m.Message]]
) -> None:
    """Let risk take a message in another way."""
    table: dict[type[m.Message], Callable[..., list[m.Message]]] = dict(RISK_PROCESS)
    table[message] = process
    monkeypatch.setattr("services.risk.machine.PROCESS", table)


def test_replace_that_is_refused_and_never_settled_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its client is told, but the order goes on holding margin for terms that it will not have."""

    def forgetful(state: Any, refused: m.ReplaceRefused) -> list[m.Message]:
        refusal = Refusal(Reason(refused.reason))
        return [*state.commands.resolve(account_of(refused.subaccount), refused.command_id, refusal=refusal)]

    process_otherwise(monkeypatch, m.ReplaceRefused, forgetful)
    assert "waits for each answer once" in str(finds(in_flight))


def test_cancel_that_is_never_answered_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancel that came too late leaves its client without a word."""
    process_otherwise(monkeypatch, m.CancelRefused, lambda _state, _message: [])
    assert "exactly one result" in str(finds(in_flight))


def test_revoked_key_that_still_signs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stole a key goes on trading."""

    def trusting(account: Account | None, signer: int, _now_ms: int) -> Refusal | None:
        return None if account is not None and signer in account.keys else Refusal(Reason.UNKNOWN_KEY)

    monkeypatch.setattr("services.risk.keys.check_alive", trusting)
    assert "who may not ask" in str(finds(calm()))


def test_one_admin_who_moves_money_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fees are set by one signature."""

    def alone(header: m.CommandHeader, genesis: m.Genesis | None, now_ms: int, *, two: bool) -> Refusal | None:
        del two
        return check_admin(header, genesis, now_ms)

    monkeypatch.setattr("services.settlement.fees.check_admin", alone)
    assert "who may not ask" in str(finds(calm()))


def test_guard_that_sleeps_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease runs out and nobody looks."""
    monkeypatch.setattr("services.risk.cancels.end_leases", lambda _state, _account: [])
    assert "overdue" in str(finds(calm()))


def test_scheduled_cancel_of_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of a scheduled cancel comes, and nothing is asked of matching."""
    monkeypatch.setattr("services.risk.cancels.cancel_all", lambda *_what: [])
    assert "is cancelled when its guard ends" in str(finds(calm()))


def test_book_left_crossed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An order that would take rests instead, without sliding."""
    monkeypatch.setattr("services.matching.orders.slide", lambda *_order: False)
    monkeypatch.setattr("services.matching.quotes.slide", lambda *_order: False)
    assert "crossed" in str(finds(calm()))
