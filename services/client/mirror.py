"""An account kept in step with the venue: a snapshot and the events after it; margin and profit need marks, so the venue is asked for them.

What GetAccount would answer at the same `seq` this says too: balances, positions, open orders that have reached the book, what waits,
leverage limits and modes. What is lent and owed stands as it was last told: interest since then comes with the next event. A settlement
is followed by the position and the balance after it.
"""

from typing import Any, TypeAlias

from services.client.listed import Listed
from services.client.views import AccountView
from services.core.fixed import AssetId, MarketId, SubaccountId
from services.core.messages import MODES_DEFAULT
from vigil.v1 import common_pb2, feeds_pb2
from vigil.v1 import trading_pb2 as pb

SPOT = 2
WAITING = (common_pb2.TRIGGER_STATUS_PENDING, common_pb2.TRIGGER_STATUS_WORKING)
OPEN = (common_pb2.ORDER_STATUS_NEW, common_pb2.ORDER_STATUS_PARTIALLY_FILLED)
OrderKey: TypeAlias = tuple[SubaccountId, MarketId, int, int]
"""Subaccount, market, order id, 0: of an order that has none yet, subaccount, market, command id, client id."""


class AccountMirror:
    """Balances, positions, open orders and triggers of one account; `seq` is the last event of `machine` that they contain."""

    def __init__(self, snapshot: pb.Account, listed: Listed) -> None:
        """Begin with what GetAccount said."""
        self.listed = listed
        self.account = snapshot.account
        self.machine = snapshot.machine
        self.seq = snapshot.seq
        self.at_ms = snapshot.at_ms
        self.balances: dict[tuple[SubaccountId, AssetId], pb.Balance] = {}
        self.positions: dict[tuple[SubaccountId, MarketId], pb.Position] = {}
        self.orders: dict[OrderKey, pb.Order] = {}
        self.triggers: dict[tuple[SubaccountId, int], pb.Trigger] = {}
        self.leverages: dict[SubaccountId, int] = {}
        self.modes: dict[SubaccountId, int] = {}
        self.liquidating: set[SubaccountId] = set()
        for held in snapshot.subaccounts:
            self.begin(held)

    def begin(self, held: pb.Subaccount) -> None:
        """Take over one subaccount."""
        self.balances |= {(held.subaccount, one.asset): one for one in held.balances}
        self.positions |= {(held.subaccount, one.market): one for one in held.positions}
        self.orders |= {key_of(held.subaccount, one): one for one in held.orders}
        self.triggers |= {(held.subaccount, one.trigger_id): one for one in held.triggers}
        self.leverages[held.subaccount] = held.leverage_max
        self.modes[held.subaccount] = held.modes
        if held.liquidating:
            self.liquidating.add(held.subaccount)

    def take(self, record: feeds_pb2.FeedRecord) -> bool:
        """Take the next event; False when it is known already."""
        if record.machine == self.machine and record.seq <= self.seq:
            return False
        self.machine, self.seq, self.at_ms = record.machine, record.seq, record.at_ms
        name = record.WhichOneof("event")
        take = TAKE.get(name) if name is not None else None
        if take is not None and name is not None:
            take(self, getattr(record, name))
        return True

    def balance_changed(self, event: feeds_pb2.BalanceChanged) -> None:
        """A balance as it is now."""
        self.balances[event.subaccount, event.asset] = pb.Balance(
            asset=event.asset,
            idle=event.idle,
            hold=event.hold,
            unsettled=event.unsettled,
            lent=event.lent,
            owed=event.owed,
        )

    def position_changed(self, event: feeds_pb2.PositionChanged) -> None:
        """A position as it is now; one of size 0 is none."""
        self.positions.pop((event.subaccount, event.market), None)
        if event.size:
            position = pb.Position(market=event.market, size=event.size, cash=event.cash, basis=event.basis)
            self.positions[event.subaccount, event.market] = position

    def hold_changed(self, subaccount: SubaccountId, asset: AssetId, hold: int) -> None:
        """What open orders need of a balance now."""
        balance = self.balances.setdefault((subaccount, asset), pb.Balance(asset=asset))
        balance.hold = hold

    def order_updated(self, event: feeds_pb2.OrderUpdated) -> None:
        """An order as it is now."""
        market = self.listed.markets[event.market]
        gives_base = market.kind == SPOT and event.side == common_pb2.SIDE_ASK
        self.hold_changed(event.subaccount, market.base_asset if gives_base else market.settlement_asset, event.hold)
        self.orders.pop((event.subaccount, event.market, event.command_id, event.client_id), None)
        key = (event.subaccount, event.market, event.order_id, 0)
        self.orders.pop(key, None)
        if event.status in OPEN and event.remaining:
            self.orders[key] = pb.Order(
                order_id=event.order_id,
                client_id=event.client_id,
                command_id=event.command_id,
                market=event.market,
                side=event.side,
                price=event.price,
                size=event.size,
                remaining=event.remaining,
                expires_ms=event.expires_ms,
                reduce_only=event.reduce_only,
                kind=event.kind,
                group=event.group,
            )

    def quotes_updated(self, event: feeds_pb2.QuotesUpdated) -> None:
        """Quotes as they are now."""
        for quote in event.quotes:
            self.orders.pop((event.subaccount, event.market, event.command_id, quote.client_id), None)
            key = (event.subaccount, event.market, quote.order_id, 0)
            self.orders.pop(key, None)
            if quote.remaining:
                self.orders[key] = pb.Order(
                    order_id=quote.order_id,
                    client_id=quote.client_id,
                    command_id=event.command_id,
                    market=event.market,
                    side=quote.side,
                    price=quote.price,
                    size=quote.size,
                    remaining=quote.remaining,
                    kind=common_pb2.ORDER_KIND_QUOTE,
                )
        market = self.listed.markets[event.market]
        self.hold_changed(event.subaccount, market.settlement_asset, event.hold)
        if market.kind == SPOT:
            self.hold_changed(event.subaccount, market.base_asset, self.offered(event.subaccount, market.base_asset))

    def trigger_updated(self, event: feeds_pb2.TriggerUpdated) -> None:
        """What waits, as it is now; what is over waits no more."""
        key = (event.subaccount, event.trigger_id)
        self.triggers.pop(key, None)
        if event.status in WAITING:
            self.triggers[key] = pb.Trigger(
                subaccount=event.subaccount,
                market=event.market,
                trigger_id=event.trigger_id,
                client_id=event.client_id,
                command_id=event.command_id,
                kind=event.kind,
                trigger_by=event.trigger_by,
                side=event.side,
                time_in_force=event.time_in_force,
                trigger_price=event.trigger_price,
                price=event.price,
                size=event.size,
                remaining=event.remaining,
                trail=event.trail,
                reduce_only=event.reduce_only,
                group=event.group,
                status=event.status,
                parent=event.parent,
                interval_ms=event.interval_ms,
                next_ms=event.next_ms,
                ends_ms=event.ends_ms,
            )

    def leverage_set(self, event: feeds_pb2.LeverageSet) -> None:
        """A leverage limit as it is now."""
        self.leverages[event.subaccount] = event.leverage_max

    def modes_set(self, event: feeds_pb2.ModesSet) -> None:
        """Modes as they are now."""
        self.modes[event.subaccount] = event.modes

    def offered(self, subaccount: SubaccountId, base: AssetId) -> int:
        """What open orders offer of an asset on spot markets, in its own units."""
        amount = 0
        for key, order in self.orders.items():
            market = self.listed.markets[order.market]
            if key[0] == subaccount and market.base_asset == base and order.side == common_pb2.SIDE_ASK:
                amount += order.remaining * int(10 ** (market.base_decimals - market.size_decimals))
        return amount

    def view(self) -> AccountView:
        """The account as people think of it; without margins, and positions without their value."""
        owned = [*self.balances, *self.positions, *self.orders, *self.triggers]
        bounded = {one for one, leverage_max in self.leverages.items() if leverage_max}
        numbers = sorted({one[0] for one in owned} | bounded | self.liquidating | {*self.modes})
        return self.listed.account(
            pb.Account(
                account=self.account,
                machine=self.machine,
                seq=self.seq,
                at_ms=self.at_ms,
                subaccounts=[self.subaccount(number) for number in numbers],
            )
        )

    def subaccount(self, number: SubaccountId) -> pb.Subaccount:
        """One subaccount."""
        positions = own(self.positions, number)
        for position in positions:
            position.entry_price = self.listed.entry_price(position.market, position.size, position.basis)
        orders = sorted(own(self.orders, number), key=lambda one: one.order_id)
        return pb.Subaccount(
            subaccount=number,
            balances=own(self.balances, number),
            positions=positions,
            orders=orders,
            liquidating=number in self.liquidating,
            leverage_max=self.leverages.get(number, 0),
            triggers=own(self.triggers, number),
            modes=self.modes.get(number, MODES_DEFAULT),
        )


def own(table: dict[Any, Any], subaccount: SubaccountId) -> list[Any]:
    """Rows of one subaccount, by key."""
    return [row for key, row in sorted(table.items(), key=lambda item: item[0]) if key[0] == subaccount]


def key_of(subaccount: SubaccountId, order: pb.Order) -> OrderKey:
    """Where an order is kept."""
    if order.order_id:
        return (subaccount, order.market, order.order_id, 0)
    return (subaccount, order.market, order.command_id, order.client_id)


TAKE: dict[str, Any] = {
    "balance_changed": AccountMirror.balance_changed,
    "position_changed": AccountMirror.position_changed,
    "order_updated": AccountMirror.order_updated,
    "quotes_updated": AccountMirror.quotes_updated,
    "trigger_updated": AccountMirror.trigger_updated,
    "leverage_set": AccountMirror.leverage_set,
    "modes_set": AccountMirror.modes_set,
    "liquidation_started": lambda mirror, event: mirror.liquidating.add(event.subaccount),
    "liquidation_ended": lambda mirror, event: mirror.liquidating.discard(event.subaccount),
}
