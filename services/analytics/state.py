"""What points are made of: streams read, levels that hold since a time, and per week what was done. Integers only, of any length.

A level is a number that stays until the next one is told: a size, a claim, a price. Its time in a week is its integral over time.
"""

from typing import TypeAlias

import msgspec

from services.core.fixed import AccountId, AssetId, MarketId, Milliseconds, SubaccountId

StreamName: TypeAlias = str
"""Topic and partition: feed.account/0."""


class Stream(msgspec.Struct, array_like=True):
    """How far one feed partition was read. `first_seq` is above 1 where older records had expired."""

    offset: int = 0
    seq: int = 0
    now_ms: Milliseconds = 0
    first_seq: int = 0
    duplicates: int = 0
    early: int = 0


class AssetTerms(msgspec.Struct, array_like=True, frozen=True):
    """What does not change of an asset."""

    symbol: str
    decimals: int
    is_unit: bool


class MarketTerms(msgspec.Struct, array_like=True, frozen=True):
    """What does not change of a market."""

    symbol: str
    kind: int
    settlement_asset: AssetId
    price_decimals: int
    size_decimals: int
    settlement_decimals: int
    face: int


class Level(msgspec.Struct, array_like=True):
    """A number and the time since when it holds."""

    amount: int
    since_ms: Milliseconds


class Mean(msgspec.Struct, array_like=True):
    """A price over time: its integral, and for how long there was one."""

    price_ms: int = 0
    ms: Milliseconds = 0


class Activity(msgspec.Struct, array_like=True):
    """What an account did in a week.

    `turnover` and `traded` are sums of size * price and of size by market, `held` is |size| * ms by market, `lent` and `owed` are
    amount * ms by asset.
    """

    turnover: dict[MarketId, int] = {}
    traded: dict[MarketId, int] = {}
    held: dict[MarketId, int] = {}
    lent: dict[AssetId, int] = {}
    owed: dict[AssetId, int] = {}


Levels: TypeAlias = dict[int, Level]
Weekly: TypeAlias = dict[AccountId, Activity]


class Holdings(msgspec.Struct, array_like=True):
    """Levels of a subaccount: |size| by market, claims and debts by asset."""

    held: Levels = {}
    lent: Levels = {}
    owed: Levels = {}


class State(msgspec.Struct):
    """Everything."""

    streams: dict[StreamName, Stream] = {}
    assets: dict[AssetId, AssetTerms] = {}
    markets: dict[MarketId, MarketTerms] = {}
    marks: Levels = {}
    prices: Levels = {}
    mean_marks: dict[int, dict[MarketId, Mean]] = {}
    mean_prices: dict[int, dict[AssetId, Mean]] = {}
    subaccounts: dict[SubaccountId, Holdings] = {}
    weeks: dict[int, Weekly] = {}

    @property
    def now_ms(self) -> Milliseconds:
        """The venue's time, as far as the feeds were read."""
        return max((stream.now_ms for stream in self.streams.values()), default=0)


def activity_of(weeks: dict[int, Weekly], week: int, account: AccountId) -> Activity:
    """What an account did in a week, made when it is first needed."""
    return weeks.setdefault(week, {}).setdefault(account, Activity())
