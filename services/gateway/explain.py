"""Refusals in words: what was wrong, which limit applies in the units that people use; it decides nothing."""

from dataclasses import dataclass

from services.core.collateral import WORTH_DECIMALS
from services.core.decimals import format_decimal
from services.core.markets import Asset, Market
from services.core.messages import MarketState, Mode
from services.core.pool import PoolState
from services.core.reasons import TEXT, Reason
from services.gateway.fields import FRACTION_DECIMALS, Listings
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

SIZES = (
    Reason.INVALID_SIZE,
    Reason.POSITION_LIMIT,
    Reason.OPEN_INTEREST_LIMIT,
    Reason.OWNER_LIMIT,
    Reason.INVALID_SLICES,
)
PRICES = (
    Reason.INVALID_PRICE,
    Reason.OUTSIDE_BAND,
    Reason.POST_ONLY_WOULD_TAKE,
    Reason.PREMIUM_TOO_LARGE,
    Reason.PRICE_LIMIT,
    Reason.INVALID_TRIGGER_PRICE,
)
PARTS = (Reason.INVALID_TRAIL, Reason.INVALID_TOLERANCE)
TIMES = (Reason.INVALID_DURATION, Reason.INVALID_INTERVAL)
GIVEN = (
    *(Reason.INSUFFICIENT_FUNDS, Reason.NO_LIQUIDITY, Reason.BORROW_LIMIT, Reason.LEND_LIMIT, Reason.REDEEM_FIRST),
    *(Reason.REPAY_FIRST, Reason.NOTHING_OWED, Reason.PROFIT_NOT_MATURED),
)
"""Limits in the asset that a command gives away, lends or borrows."""
AMOUNTS = (Reason.INVALID_AMOUNT, Reason.BELOW_NOTIONAL_MIN, Reason.COLLATERAL_CAP)
STATES = {int(state): state.name for state in MarketState}
POOL_STATES = {int(state): state.name for state in PoolState}


@dataclass(frozen=True, slots=True)
class Units:
    """In what a command's numbers are: its market, the asset of its amounts, the one that it gives away, if it says which, and margin's."""

    market: Market | None = None
    asset: Asset | None = None
    given: Asset | None = None
    unit: Asset | None = None

    def show(self, reason: Reason, limit: int) -> str:
        """Limit of a refusal as people write it."""
        if reason == Reason.MARKET_STATE:
            return STATES.get(limit, str(limit))
        if reason == Reason.POOL_STATE:
            return POOL_STATES.get(limit, str(limit))
        if reason == Reason.UNDONE_BY_MODES:
            return ", ".join(mode.name.lower() for mode in Mode if limit & mode) or str(limit)
        if reason in PARTS:
            return format_decimal(limit, FRACTION_DECIMALS)
        if reason in TIMES:
            return f"{format_decimal(limit, 3)} s"
        if reason == Reason.INSUFFICIENT_MARGIN:
            symbol = "of the unit of account" if self.unit is None else self.unit.symbol
            return f"{format_decimal(limit, WORTH_DECIMALS)} {symbol}"
        if reason in GIVEN:
            return f"{limit} units" if self.given is None else amount_in(self.given, limit)
        if self.market is not None and reason in SIZES:
            return format_decimal(limit, self.market.size_decimals)
        if self.market is not None and reason in PRICES:
            return format_decimal(limit, self.market.price_decimals)
        if self.asset is not None and reason in AMOUNTS:
            return amount_in(self.asset, limit)
        return f"{limit} units" if reason in (*SIZES, *PRICES, *AMOUNTS) else str(limit)


def amount_in(asset: Asset, amount: int) -> str:
    """An amount as people write it."""
    return f"{format_decimal(amount, asset.decimals)} {asset.symbol}"


def units_of(command: pb.Command, listings: Listings) -> Units:
    """In what the limit of a refused command is."""
    unit = listings.unit_of_account()
    kind = command.WhichOneof("request")
    request = getattr(command, kind or "open_account")
    market = listings.market(getattr(request, "symbol", ""))
    if market is None:
        asset = listings.asset(getattr(request, "asset", ""))
        return Units(asset=asset, given=asset, unit=unit)
    settlement = listings.asset_by_id(market.settlement_asset)
    if not market.is_spot:
        return Units(market, settlement, settlement, unit)
    sides = {quote.side for quote in request.quotes} if kind == "mass_quote" else {getattr(request, "side", 0)}
    given: dict[int, Asset | None] = {
        common_pb2.SIDE_BID: settlement,
        common_pb2.SIDE_ASK: listings.asset_by_id(market.base_asset),
    }
    return Units(market, settlement, given.get(sides.pop()) if len(sides) == 1 else None, unit)


def explained(number: int, limit: int, units: Units) -> tuple[str, str]:
    """Name and text of a reason; a newer machine may know more reasons than this gateway."""
    try:
        reason = Reason(number)
    except ValueError:
        return f"REASON_{number}", f"refused for reason {number}, limit {limit}"
    return reason.name, TEXT[reason].format(limit=units.show(reason, limit))
