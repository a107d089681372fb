"""Queries about accounts and commands; read-only, answered between two records."""

from itertools import islice

from services.core.feeds import SIDES
from services.core.fixed import SUBACCOUNTS, AccountId, MarketId, SubaccountId
from services.core.machine_queries import command_results, feed_seq, host_of, status_of
from services.core.messages import Side
from services.core.process import Hosts
from services.core.reasons import Reason
from services.core.rpc import Context, Service, malformed, not_found
from services.risk.health import parts_of, position_value
from services.risk.max_size import max_size
from services.risk.report import entry_price, report
from services.risk.shares import lent_and_owed
from services.risk.state import Account, Exposure, OpenOrder, State, Subaccount
from services.risk.trigger import Trigger
from services.risk.withdrawable import withdrawable
from vigil.v1 import common_pb2, queries_pb2, queries_pb2_grpc, trading_pb2

KEYS_PAGE = 1_000
KEYS_PAGE_MAX = 10_000
SIDE_ASKED: dict[int, Side] = {common_pb2.SIDE_BID: Side.BUY, common_pb2.SIDE_ASK: Side.SELL}


class Servicer(queries_pb2_grpc.RiskQueriesServicer):
    """Answers for the partitions hosted here."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts

    async def GetAccount(  # noqa: N802 - grpc's name
        self, request: queries_pb2.AccountQuery, context: Context
    ) -> trading_pb2.Account:
        """State of an account, with the feed's `seq` that it contains."""
        del context
        host = host_of(self.hosts, request.partition)
        state: State = host.query()
        return trading_pb2.Account(
            account=request.account,
            machine=host.engine.name,
            seq=feed_seq(host, "feed.account"),
            at_ms=state.now_ms,
            subaccounts=subaccounts(state, request.account),
        )

    async def GetMargin(  # noqa: N802
        self, request: queries_pb2.MarginQuery, context: Context
    ) -> trading_pb2.MarginReport:
        """Explain the margin of a subaccount; one that was never used has none."""
        del context
        host = host_of(self.hosts, request.partition)
        state: State = host.query()
        known = state.subaccounts.get(request.subaccount) or Subaccount(request.subaccount)
        answer = report(state, known)
        answer.machine, answer.seq = host.engine.name, feed_seq(host, "feed.account")
        return answer

    async def GetMaxOrderSize(  # noqa: N802
        self, request: queries_pb2.MaxOrderSizeQuery, context: Context
    ) -> trading_pb2.MaxOrderSize:
        """Find the largest order that would be admitted now."""
        del context
        state: State = host_of(self.hosts, request.partition).query()
        market = state.markets.get(request.market)
        if market is None:
            raise not_found(f"market {request.market}: no such market", Reason.UNKNOWN_MARKET)
        side = SIDE_ASKED.get(request.side)
        if side is None:
            raise malformed("side: SIDE_BID and SIDE_ASK are accepted")
        return max_size(state, request.subaccount, market, side, request.price, reduce_only=request.reduce_only)

    async def GetWithdrawable(  # noqa: N802
        self, request: queries_pb2.WithdrawableQuery, context: Context
    ) -> trading_pb2.Withdrawable:
        """Explain what may leave now; a subaccount that was never used has nothing."""
        del context
        host = host_of(self.hosts, request.partition)
        state: State = host.query()
        if request.asset not in state.assets:
            raise not_found(f"asset {request.asset}: no such asset", Reason.UNKNOWN_ASSET)
        subaccount = state.subaccounts.get(request.subaccount) or Subaccount(request.subaccount)
        answer = withdrawable(state, subaccount, request.asset)
        answer.machine, answer.seq = host.engine.name, feed_seq(host, "feed.account")
        return answer

    async def GetTriggers(  # noqa: N802
        self, request: queries_pb2.TriggersQuery, context: Context
    ) -> trading_pb2.Triggers:
        """What waits in a subaccount, with the feed's `seq` that it contains; one that was never used is empty."""
        del context
        host = host_of(self.hosts, request.partition)
        state: State = host.query()
        subaccount = state.subaccounts.get(request.subaccount)
        return trading_pb2.Triggers(
            machine=host.engine.name,
            seq=feed_seq(host, "feed.account"),
            at_ms=state.now_ms,
            triggers=[] if subaccount is None else triggers(subaccount, request.market),
        )

    async def ListKeys(  # noqa: N802
        self, request: queries_pb2.KeysQuery, context: Context
    ) -> queries_pb2.KeysPage:
        """Keys of some accounts, in the order in which they were opened."""
        del context
        if request.accounts > KEYS_PAGE_MAX:
            raise malformed(f"accounts {request.accounts}: at most {KEYS_PAGE_MAX} per page are accepted")
        host = host_of(self.hosts, request.partition)
        state: State = host.query()
        start = min(request.start, len(state.accounts))
        accounts = islice(state.accounts.values(), start, start + (request.accounts or KEYS_PAGE))
        return queries_pb2.KeysPage(
            machine=host.engine.name, seq=feed_seq(host, "feed.account"), accounts=map(encode_keys, accounts)
        )

    async def GetCommandResults(  # noqa: N802
        self, request: queries_pb2.CommandResultsQuery, context: Context
    ) -> queries_pb2.CommandResultsAnswer:
        """What became of commands of one account."""
        del context
        state: State = host_of(self.hosts, request.partition).query()
        return command_results(state.commands, state.now_ms, request)

    async def Status(  # noqa: N802
        self, request: queries_pb2.StatusQuery, context: Context
    ) -> queries_pb2.MachineStatus:
        """How far the machine is."""
        del context
        return status_of(self.hosts, request)


def encode_keys(account: Account) -> trading_pb2.AccountKeys:
    """Rights of an account's keys."""
    keys = [
        trading_pb2.KeyRights(key_id=number, scopes=key.scopes, expires_ms=key.expires_ms, revoked=key.revoked)
        for number, key in sorted(account.keys.items())
    ]
    return trading_pb2.AccountKeys(account=account.id, keys=keys)


def subaccounts(state: State, account: AccountId) -> list[trading_pb2.Subaccount]:
    """Subaccounts that were ever used, by id."""
    first = account * SUBACCOUNTS
    known = (state.subaccounts.get(first + number) for number in range(SUBACCOUNTS))
    return [encode_subaccount(state, one) for one in known if one is not None]


def encode_subaccount(state: State, subaccount: Subaccount) -> trading_pb2.Subaccount:
    """One subaccount as clients read it."""
    exposures = [subaccount.exposures[market] for market in sorted(subaccount.exposures)]
    return trading_pb2.Subaccount(
        subaccount=subaccount.id,
        balances=balances(state, subaccount),
        positions=[encode_position(state, exposure) for exposure in exposures if exposure.size],
        orders=[
            encode_order(exposure, exposure.orders[ref]) for exposure in exposures for ref in sorted(exposure.orders)
        ],
        margins=margins(state, subaccount),
        liquidating=subaccount.liquidation is not None,
        leverage_max=subaccount.leverage_max,
        triggers=triggers(subaccount),
        modes=subaccount.modes,
    )


def triggers(subaccount: Subaccount, market: MarketId = 0) -> list[trading_pb2.Trigger]:
    """What waits in a market, or in all, oldest first."""
    waiting = (subaccount.triggers[one] for one in sorted(subaccount.triggers))
    return [encode_trigger(subaccount.id, one) for one in waiting if market in (0, one.market)]


def balances(state: State, subaccount: Subaccount) -> list[trading_pb2.Balance]:
    """Balances by asset."""
    assets = sorted({*subaccount.idle, *subaccount.unsettled, *subaccount.holds, *subaccount.claims})
    claims = {asset: lent_and_owed(state, subaccount, asset) for asset in assets}
    return [
        trading_pb2.Balance(
            asset=asset,
            idle=subaccount.idle.get(asset, 0),
            hold=subaccount.holds.get(asset, 0),
            unsettled=subaccount.unsettled.get(asset, 0),
            lent=claims[asset][0],
            owed=claims[asset][1],
        )
        for asset in assets
    ]


def encode_position(state: State, exposure: Exposure) -> trading_pb2.Position:
    """One position, valued at the mark seen."""
    market = state.markets[exposure.market]
    return trading_pb2.Position(
        market=market.id,
        size=exposure.size,
        cash=exposure.cash,
        basis=exposure.basis,
        entry_price=entry_price(market, exposure),
        unrealised_pnl=position_value(state, market, exposure),
    )


def encode_order(exposure: Exposure, order: OpenOrder) -> trading_pb2.Order:
    """One open order."""
    return trading_pb2.Order(
        order_id=order.order_id,
        client_id=order.client_id,
        command_id=order.command_id,
        market=exposure.market,
        side=SIDES[Side(order.side)],
        price=order.price,
        size=order.size,
        remaining=order.remaining,
        reduce_only=order.reduce_only,
        kind=common_pb2.OrderKind.ValueType(order.kind),
        expires_ms=order.expires_ms,
        group=max(0, order.group),
    )


def encode_trigger(subaccount: SubaccountId, trigger: Trigger) -> trading_pb2.Trigger:
    """One trigger; exits of one order are a group that has no number outside."""
    return trading_pb2.Trigger(
        subaccount=subaccount,
        market=trigger.market,
        trigger_id=trigger.id,
        client_id=trigger.client_id,
        command_id=trigger.command_id,
        kind=common_pb2.TriggerKind.ValueType(trigger.kind),
        trigger_by=common_pb2.TriggerBy.ValueType(trigger.trigger_by),
        side=SIDES[Side(trigger.side)],
        time_in_force=common_pb2.TimeInForce.ValueType(trigger.time_in_force),
        trigger_price=trigger.trigger_price,
        price=trigger.price,
        size=trigger.size,
        remaining=trigger.remaining,
        trail=trigger.trail,
        reduce_only=trigger.reduce_only,
        group=max(0, trigger.group),
        status=common_pb2.TriggerStatus.ValueType(trigger.status),
        parent=trigger.parent,
        interval_ms=trigger.interval_ms,
        next_ms=trigger.next_ms,
        ends_ms=trigger.ends_ms,
    )


def margins(state: State, subaccount: Subaccount) -> list[trading_pb2.Margin]:
    """What it has and needs by asset; GetMargin says what that is worth together."""
    parts = parts_of(state, subaccount)
    return [
        trading_pb2.Margin(
            asset=asset,
            equity=parts[asset].net,
            initial_margin=parts[asset].initial,
            maintenance_margin=parts[asset].maintenance,
        )
        for asset in sorted(parts)
    ]


def services_of(hosts: Hosts) -> list[Service]:
    """What this machine serves."""
    name = queries_pb2.DESCRIPTOR.services_by_name["RiskQueries"].full_name
    return [Service(name, queries_pb2_grpc.add_RiskQueriesServicer_to_server, Servicer(hosts))]
