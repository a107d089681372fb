"""Who tells what to whom: one row per message, the only wiring of the venue; it sends nothing.

A row names the writer, the reader and how the reader's partition is chosen. A message that travels down a market's stream has one hop
per machine. A test holds this table equal to the unions of the machines.
"""

from enum import Enum
from typing import NamedTuple

from services.core import messages as m


class Key(Enum):
    """How the partition of a destination is chosen."""

    SUBACCOUNT = "slot of message.subaccount"
    ACCOUNT = "slot of message.header.account, or message.account"
    MARKET = "matching partition of message.market"
    FUNDING = "funding partition of message.market, by id or as listed"
    OWN = "the writer's own partition"
    ONE = "partition 0"
    ALL = "every partition"
    SHARD = "partition message.shard"


class Hop(NamedTuple):
    """One leg of a message's way. `reader` is a service (its inbox), `feed.<subject>` or `ledger`."""

    writer: str
    reader: str
    key: Key


class Route(NamedTuple):
    """All the ways of one message."""

    message: type[m.Message]
    hops: tuple[Hop, ...]


SERVICES = ("settlement", "funding", "matching", "risk", "insurance_fund", "lending_pool")
"""The machines; the position in this tuple plus one is a service's number in TRANSIT."""

OUTSIDE = ("gateway", "admin", "oracle", "host")
"""Writers that are no machines: their messages carry natural keys instead of sequences."""


def route(message: type[m.Message], *hops: tuple[str, str, Key]) -> Route:
    """Build one row."""
    return Route(message, tuple(Hop(*hop) for hop in hops))


def every_machine(message: type[m.Message], writer: str) -> Route:
    """Build the row of a message that every inbox knows."""
    return Route(message, tuple(Hop(writer, service, Key.ALL) for service in SERVICES))


ROUTES = (
    every_machine(m.Genesis, "admin"),
    every_machine(m.Tick, "host"),
    every_machine(m.Continue, "host"),
    every_machine(m.Resumed, "host"),
    every_machine(m.ActivateRules, "admin"),
    # commands
    route(m.FrameSigned, ("gateway", "risk", Key.ACCOUNT), ("gateway", "settlement", Key.ONE)),
    route(m.OpenAccount, ("gateway", "risk", Key.ACCOUNT)),
    route(m.PlaceOrder, ("gateway", "risk", Key.SUBACCOUNT)),
    route(m.CancelOrder, ("gateway", "risk", Key.SUBACCOUNT)),
    route(m.ReplaceOrder, ("gateway", "risk", Key.SUBACCOUNT)),
    route(m.CancelAll, ("gateway", "risk", Key.SUBACCOUNT)),
    route(m.PlaceTrigger, ("gateway", "risk", Key.SUBACCOUNT)),
    route(m.PlaceTwap, ("gateway", "risk", Key.SUBACCOUNT)),
    route(m.CancelTrigger, ("gateway", "risk", Key.SUBACCOUNT)),
    route(m.SetLeverage, ("gateway", "risk", Key.SUBACCOUNT)),
    route(m.SetProtection, ("gateway", "risk", Key.SUBACCOUNT)),
    route(m.ResetProtection, ("gateway", "risk", Key.SUBACCOUNT)),
    route(m.MassQuote, ("gateway", "risk", Key.SUBACCOUNT)),
    route(m.ScheduleCancel, ("gateway", "risk", Key.SUBACCOUNT)),
    route(m.Transfer, ("gateway", "risk", Key.SUBACCOUNT)),
    route(m.Withdraw, ("gateway", "risk", Key.SUBACCOUNT)),
    route(m.AddKey, ("gateway", "risk", Key.ACCOUNT)),
    route(m.RevokeKey, ("gateway", "risk", Key.ACCOUNT)),
    route(m.LeaseRenewed, ("gateway", "risk", Key.ACCOUNT)),
    route(m.SetModes, ("gateway", "risk", Key.SUBACCOUNT)),
    route(m.Lend, ("gateway", "risk", Key.SUBACCOUNT)),
    route(m.Redeem, ("gateway", "risk", Key.SUBACCOUNT)),
    route(m.Borrow, ("gateway", "risk", Key.SUBACCOUNT)),
    route(m.Repay, ("gateway", "risk", Key.SUBACCOUNT)),
    route(m.FaucetDeposit, ("gateway", "settlement", Key.ONE)),
    route(m.AdminFrameSigned, ("admin", "settlement", Key.ONE), ("admin", "funding", Key.FUNDING)),
    route(m.ListAsset, ("admin", "settlement", Key.ONE)),
    route(m.ContributeToFund, ("admin", "settlement", Key.ONE)),
    route(m.SetFeeSchedule, ("admin", "settlement", Key.ONE)),
    route(m.SetAccountTier, ("admin", "settlement", Key.ONE)),
    route(m.SetLimitTiers, ("admin", "settlement", Key.ONE)),
    route(m.SetOwner, ("admin", "settlement", Key.ONE)),
    route(m.SetPoolState, ("admin", "settlement", Key.ONE)),
    route(m.ListMarket, ("admin", "funding", Key.FUNDING)),
    route(m.ListCalendar, ("admin", "funding", Key.FUNDING)),
    route(m.ChangeMarket, ("admin", "funding", Key.FUNDING)),
    route(m.SetMarketState, ("admin", "funding", Key.FUNDING)),
    route(m.DelistMarket, ("admin", "funding", Key.FUNDING)),
    route(
        m.CommandResolved,
        ("risk", "feed.account", Key.OWN),
        ("settlement", "feed.settlement", Key.OWN),
        ("funding", "feed.markets", Key.OWN),
    ),
    # listing, prices, the market's stream: funding -> matching -> every risk shard
    route(m.PriceObserved, ("oracle", "funding", Key.ALL)),
    route(
        m.AssetListed,
        ("settlement", "risk", Key.ALL),
        ("settlement", "funding", Key.ALL),
        ("settlement", "lending_pool", Key.ONE),
        ("settlement", "feed.settlement", Key.OWN),
    ),
    route(m.CollateralListed, ("settlement", "funding", Key.ONE)),
    route(
        m.MarketListed,
        ("funding", "matching", Key.MARKET),
        ("matching", "risk", Key.ALL),
        ("funding", "feed.markets", Key.OWN),
    ),
    route(
        m.MarketChanged,
        ("funding", "matching", Key.MARKET),
        ("matching", "risk", Key.ALL),
        ("funding", "feed.markets", Key.OWN),
    ),
    route(m.MarketStateSet, ("funding", "matching", Key.MARKET)),
    route(m.MarketStateChanged, ("matching", "risk", Key.ALL), ("matching", "feed.book", Key.OWN)),
    route(
        m.MarketDelisted,
        ("funding", "matching", Key.MARKET),
        ("matching", "risk", Key.ALL),
        ("funding", "feed.markets", Key.OWN),
    ),
    route(
        m.SettlementMarked,
        ("funding", "matching", Key.MARKET),
        ("matching", "risk", Key.ALL),
        ("funding", "feed.markets", Key.OWN),
    ),
    route(
        m.MarketSettled,
        ("funding", "matching", Key.MARKET),
        ("matching", "risk", Key.ALL),
        ("funding", "feed.markets", Key.OWN),
    ),
    route(
        m.FundingStepped,
        ("funding", "matching", Key.MARKET),
        ("matching", "risk", Key.ALL),
        ("funding", "feed.markets", Key.OWN),
    ),
    route(
        m.MarksUpdated,
        ("funding", "risk", Key.ALL),
        ("funding", "matching", Key.ALL),
        ("funding", "feed.markets", Key.OWN),
    ),
    route(
        m.BookSampled,
        ("matching", "funding", Key.FUNDING),
        ("matching", "risk", Key.ALL),
        ("matching", "feed.book", Key.OWN),
    ),
    # orders
    route(m.OrderAdmitted, ("risk", "matching", Key.MARKET)),
    route(m.CancelRequested, ("risk", "matching", Key.MARKET)),
    route(m.CancelAllRequested, ("risk", "matching", Key.MARKET)),
    route(m.ReplaceRequested, ("risk", "matching", Key.MARKET)),
    route(m.QuotesAdmitted, ("risk", "matching", Key.MARKET)),
    route(m.OrderRested, ("matching", "risk", Key.SUBACCOUNT)),
    route(m.OrderFilled, ("matching", "risk", Key.SUBACCOUNT)),
    route(m.OrderCancelled, ("matching", "risk", Key.SUBACCOUNT)),
    route(m.CancelRefused, ("matching", "risk", Key.SUBACCOUNT)),
    route(m.AllCancelled, ("matching", "risk", Key.SUBACCOUNT)),
    route(m.OrderReplaced, ("matching", "risk", Key.SUBACCOUNT)),
    route(m.ReplaceRefused, ("matching", "risk", Key.SUBACCOUNT)),
    route(m.OrderReduced, ("matching", "risk", Key.SUBACCOUNT)),
    route(m.QuotesAnswered, ("matching", "risk", Key.SUBACCOUNT)),
    route(m.ProtectionSet, ("risk", "matching", Key.MARKET)),
    route(m.ProtectionTripped, ("matching", "risk", Key.SUBACCOUNT), ("risk", "feed.account", Key.OWN)),
    # fees
    route(m.FeeScheduleSet, ("settlement", "risk", Key.ALL), ("settlement", "feed.settlement", Key.OWN)),
    route(m.AccountTierSet, ("settlement", "risk", Key.ACCOUNT), ("settlement", "feed.settlement", Key.OWN)),
    route(m.LimitTiersSet, ("settlement", "risk", Key.ALL), ("settlement", "feed.settlement", Key.OWN)),
    route(m.OwnerSet, ("settlement", "matching", Key.ALL), ("settlement", "feed.settlement", Key.OWN)),
    # money between machines
    route(m.DepositCredited, ("settlement", "risk", Key.SUBACCOUNT)),
    route(m.WithdrawalRequested, ("risk", "settlement", Key.ONE)),
    route(m.WithdrawalPaid, ("settlement", "risk", Key.SUBACCOUNT)),
    route(m.WithdrawalReturned, ("settlement", "risk", Key.SUBACCOUNT)),
    route(m.FundContributed, ("risk", "insurance_fund", Key.ONE), ("settlement", "insurance_fund", Key.ONE)),
    route(m.DeficitReported, ("risk", "insurance_fund", Key.ONE)),
    route(m.DeficitCovered, ("insurance_fund", "risk", Key.SUBACCOUNT)),
    route(m.DeficitUncovered, ("insurance_fund", "risk", Key.SUBACCOUNT)),
    # the pool: each shard reports, the next period opens on all
    route(m.PoolStateSet, ("settlement", "lending_pool", Key.ONE), ("settlement", "feed.settlement", Key.OWN)),
    route(m.PoolDelta, ("risk", "lending_pool", Key.ONE)),
    route(m.PeriodOpened, ("lending_pool", "risk", Key.SHARD)),
    route(m.PoolUpdated, ("lending_pool", "feed.pool", Key.OWN)),
    route(m.PoolStressed, ("lending_pool", "feed.pool", Key.OWN)),
    route(m.LossBorne, ("lending_pool", "feed.pool", Key.OWN)),
    # the ledger and the feeds
    route(
        m.Posted,
        ("risk", "ledger", Key.OWN),
        ("settlement", "ledger", Key.OWN),
        ("insurance_fund", "ledger", Key.OWN),
    ),
    route(m.AccountOpened, ("risk", "feed.account", Key.OWN)),
    route(m.KeyAdded, ("risk", "feed.account", Key.OWN)),
    route(m.KeyRevoked, ("risk", "feed.account", Key.OWN)),
    route(m.MarginCalled, ("risk", "feed.account", Key.OWN)),
    route(m.BalanceChanged, ("risk", "feed.account", Key.OWN)),
    route(m.PositionChanged, ("risk", "feed.account", Key.OWN)),
    route(m.OrderUpdated, ("risk", "feed.account", Key.OWN)),
    route(m.TriggerUpdated, ("risk", "feed.account", Key.OWN)),
    route(m.LeverageSet, ("risk", "feed.account", Key.OWN)),
    route(m.PositionSettled, ("risk", "feed.account", Key.OWN)),
    route(m.QuotesUpdated, ("risk", "feed.account", Key.OWN)),
    route(m.FillBooked, ("risk", "feed.account", Key.OWN)),
    route(m.FundingPaid, ("risk", "feed.account", Key.OWN)),
    route(m.LiquidationStarted, ("risk", "feed.account", Key.OWN), ("risk", "feed.liquidations", Key.OWN)),
    route(m.LiquidationEnded, ("risk", "feed.account", Key.OWN), ("risk", "feed.liquidations", Key.OWN)),
    route(m.TradeExecuted, ("matching", "feed.trades", Key.OWN)),
    route(m.BookChanged, ("matching", "feed.book", Key.OWN)),
    route(m.ModesSet, ("risk", "feed.account", Key.OWN)),
    route(m.LenderDeleveraged, ("risk", "feed.account", Key.OWN), ("risk", "feed.liquidations", Key.OWN)),
    route(m.InterestAccrued, ("risk", "feed.account", Key.OWN)),
    route(m.FundChanged, ("insurance_fund", "feed.fund", Key.OWN), ("insurance_fund", "lending_pool", Key.ONE)),
    route(m.WithdrawalSettled, ("settlement", "feed.settlement", Key.OWN)),
)


def inputs(service: str) -> tuple[type[m.Message], ...]:
    """Messages that a service reads."""
    return tuple(row.message for row in ROUTES if any(hop.reader == service for hop in row.hops))


def inputs_from_outside(service: str) -> tuple[type[m.Message], ...]:
    """Return the messages that a service takes from writers that are no machines; all others come numbered."""
    return tuple(
        row.message for row in ROUTES if any(hop.reader == service and hop.writer in OUTSIDE for hop in row.hops)
    )


def hops_from(service: str) -> dict[type[m.Message], tuple[Hop, ...]]:
    """Hops of what a service writes, by message."""
    return {row.message: own for row in ROUTES if (own := tuple(hop for hop in row.hops if hop.writer == service))}


def inbox(service: str) -> str:
    """Name of the topic that a service's machines read."""
    return f"{service}.inbox"


def topic_of(hop: Hop) -> str:
    """Topic of a hop: an inbox, a feed, or the writer's ledger."""
    if hop.reader == "ledger":
        return f"ledger.{hop.writer}"
    return hop.reader if hop.reader.startswith("feed.") else inbox(hop.reader)


DIGESTS = "feed.digests"


def all_topics(partitions: dict[str, int]) -> dict[str, int]:
    """Every topic with its number of partitions, for the partition counts of a generation."""
    topics = {inbox(service): partitions[service] for service in SERVICES}
    for row in ROUTES:
        for hop in row.hops:
            if hop.writer in partitions:
                topics.setdefault(topic_of(hop), partitions[hop.writer])
    topics[DIGESTS] = 1
    return topics
