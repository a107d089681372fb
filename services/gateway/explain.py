"""Refusals in words: what was wrong, which limit applies in the units that people use; it decides nothing."""

from dataclasses import dataclass

from services.core.decimals import format_decimal
from services.core.markets import Asset, Market
from services.core.messages import MarketState
from services.core.reasons import TEXT, Reason
from services.gateway.fields import Listings
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

SIZES = (Reason.INVALID_SIZE, Reason.POSITION_LIMIT, Reason.OPEN_INTEREST_LIMIT)
PRICES = (Reason.INVALID_PRICE, Reason.OUTSIDE_BAND, Reason.POST_ONLY_WOULD_TAKE, Reason.PREMIUM_TOO_LARGE)
AMOUNTS = (Reason.INVALID_AMOUNT, Reason.INSUFFICIENT_MARGIN, Reason.BELOW_NOTIONAL_MIN)
STATES = {int(state): state.name for state in MarketState}


@dataclass(frozen=True, slots=True)
class Units:
    """In what a command's numbers are: its market, the asset of its amounts, and the one that it gives away, if the command says which."""

    market: Market | None = None
    asset: Asset | None = None
    given: Asset | None = None

    def show(self, reason: Reason, limit: int) -> str:
        """Limit of a refusal as people write it."""
        if reason == Reason.MARKET_STATE:
            return STATES.get(limit, str(limit))
        if reason == Reason.INSUFFICIENT_FUNDS:
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
    kind = command.WhichOneof("request")
    request = getattr(command, kind or "open_account")
    market = listings.market(getattr(request, "symbol", ""))
    if market is None:
        asset = listings.asset(getattr(request, "asset", ""))
        return Units(asset=asset, given=asset)
    settlement = listings.asset_by_id(market.settlement_asset)
    if not market.is_spot:
        return Units(market, settlement, settlement)
    sides = {quote.side for quote in request.quotes} if kind == "mass_quote" else {getattr(request, "side", 0)}
    given: dict[int, Asset | None] = {
        common_pb2.SIDE_BID: settlement,
        common_pb2.SIDE_ASK: listings.asset_by_id(market.base_asset),
    }
    return Units(market, settlement, given.get(sides.pop()) if len(sides) == 1 else None)


def explained(number: int, limit: int, units: Units) -> tuple[str, str]:
    """Name and text of a reason; a newer machine may know more reasons than this gateway."""
    try:
        reason = Reason(number)
    except ValueError:
        return f"REASON_{number}", f"refused for reason {number}, limit {limit}"
    return reason.name, TEXT[reason].format(limit=units.show(reason, limit))
