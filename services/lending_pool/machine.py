"""The lending pool's machine: reports of the shards in, the next period out; no money moves here, and no account is known."""

from typing import TypeAlias

from services.core.fixed import invariant, unexpected
from services.core.messages import (
    AssetListed,
    FundChanged,
    LossBorne,
    Message,
    PeriodOpened,
    PoolDelta,
    PoolStateSet,
    PoolStressed,
    PoolUpdated,
    Record,
)
from services.core.spine import Machine
from services.lending_pool.opening import open_period
from services.lending_pool.state import Pool, State, check_invariants

Input: TypeAlias = AssetListed | PoolStateSet | FundChanged | PoolDelta
Output: TypeAlias = PeriodOpened | PoolUpdated | PoolStressed | LossBorne


def apply(state: State, record: Record) -> list[Message]:
    """Advance the pools by one record; the last shard's report opens the next period."""
    match record.message:
        case PoolDelta() as report:
            return process_report(state, report)
        case FundChanged() as fund:
            return process_fund(state, fund)
        case PoolStateSet() as changed:
            return process_state(state, changed)
        case AssetListed() as listed:
            return process_listing(state, listed)
        case unknown:
            raise unexpected(unknown)


def process_report(state: State, report: PoolDelta) -> list[Message]:
    """Take a shard's report of the open period. One of another period, or a second one, changes nothing; of an unknown asset, it waits."""
    pool = state.pools.get(report.asset)
    if pool is None:
        state.parked.setdefault(report.asset, []).append(report)
        return []
    invariant(0 <= report.shard < state.shards, "a report is of one of the venue's shards")
    if report.period != pool.indices.period or report.shard in pool.reports:
        pool.passed_over += 1
        return []
    pool.reports[report.shard] = report
    return open_period(state, pool) if len(pool.reports) == state.shards else []


def process_fund(state: State, fund: FundChanged) -> list[Message]:
    """Remember what a fund has."""
    state.funds.setdefault(fund.group, {})[fund.asset] = fund.balance
    return []


def process_state(state: State, changed: PoolStateSet) -> list[Message]:
    """Remember what a pool takes from its next opening on; settlement sets nothing before it has listed it."""
    invariant(changed.asset in state.pools, "a pool is listed before its state is set")
    state.pools[changed.asset].state_next = changed.state
    return []


def process_listing(state: State, listed: AssetListed) -> list[Message]:
    """Begin the pool of an asset that has one, and take the reports that came sooner; its terms never change."""
    asset = listed.asset
    state.assets[asset.id] = asset
    if asset.pool is None or asset.id in state.pools:
        return []
    state.pools[asset.id] = Pool(asset.id, asset.pool)
    return [event for report in state.parked.pop(asset.id, []) for event in process_report(state, report)]


MACHINE = Machine("lending_pool", State, apply, check_invariants)
