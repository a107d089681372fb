"""Refusals in words: what was wrong, which limit applies in the units that people use; it decides nothing."""

from dataclasses import dataclass

from services.core.decimals import format_decimal
from services.core.markets import Asset, Market
from services.core.reasons import TEXT, Reason

SIZES = (Reason.INVALID_SIZE, Reason.POSITION_LIMIT)
PRICES = (Reason.INVALID_PRICE, Reason.OUTSIDE_BAND, Reason.POST_ONLY_WOULD_TAKE)
AMOUNTS = (Reason.INVALID_AMOUNT, Reason.INSUFFICIENT_MARGIN, Reason.INSUFFICIENT_FUNDS)


@dataclass(frozen=True, slots=True)
class Units:
    """In what a command's numbers are: its market, and the asset of its amounts."""

    market: Market | None = None
    asset: Asset | None = None

    def show(self, reason: Reason, limit: int) -> str:
        """Limit of a refusal as people write it."""
        if self.market is not None and reason in SIZES:
            return format_decimal(limit, self.market.size_decimals)
        if self.market is not None and reason in PRICES:
            return format_decimal(limit, self.market.price_decimals)
        if self.asset is not None and reason in AMOUNTS:
            return f"{format_decimal(limit, self.asset.decimals)} {self.asset.symbol}"
        return f"{limit} units" if reason in (*SIZES, *PRICES, *AMOUNTS) else str(limit)


def explained(number: int, limit: int, units: Units) -> tuple[str, str]:
    """Name and text of a reason; a newer machine may know more reasons than this gateway."""
    try:
        reason = Reason(number)
    except ValueError:
        return f"REASON_{number}", f"refused for reason {number}, limit {limit}"
    return reason.name, TEXT[reason].format(limit=units.show(reason, limit))
