"""When futures of a calendar end, and what they are called: integer arithmetic on days; no clock, no state.

`check_calendar` refuses by number of rule what could not be listed for ever.
"""

from collections.abc import Iterator

from services.core.fixed import LIMIT, MarketId, Milliseconds, div_floor
from services.core.listing import MARKETS_MAX
from services.core.markets import FUTURES, Calendar
from services.core.reasons import Reason, Refusal

DAY_MS = 86_400_000
WEEK = 7
FRIDAY = 1
"""Days since 1 January 1970, a Thursday, leave this when divided by seven."""
AHEAD_MAX = 8
ERA = 146_097
"""Days in 400 years, after which the calendar repeats."""
ERA_YEARS = 400
MARCH_1970 = 719_468
"""Days from 1 March of the year 0 to 1 January 1970: years that begin in March end with their leap day."""
DATE_LENGTH = len("_20260626")


def date_of(day: int) -> tuple[int, int, int]:
    """Year, month and day of the month of a day since 1970, in the Gregorian calendar."""
    era = div_floor(day + MARCH_1970, ERA)
    of_era = day + MARCH_1970 - era * ERA
    leaps = div_floor(of_era, 1_460) - div_floor(of_era, 36_524) + div_floor(of_era, 146_096)
    year_of_era = div_floor(of_era - leaps, 365)
    of_year = of_era - (365 * year_of_era + div_floor(year_of_era, 4) - div_floor(year_of_era, 100))
    from_march = div_floor(5 * of_year + 2, 153)
    month = from_march + 3 if from_march < 10 else from_march - 9
    year = year_of_era + era * ERA_YEARS + (1 if month <= 2 else 0)
    return year, month, of_year - div_floor(153 * from_march + 2, 5) + 1


def is_quarterly(friday: int) -> bool:
    """Whether a Friday is the last one of March, June, September or December."""
    _, month, _ = date_of(friday)
    _, month_after, _ = date_of(friday + WEEK)
    return month % 3 == 0 and month_after != month


def first_friday(now_ms: Milliseconds, hour_ms: Milliseconds) -> int:
    """Day of the first Friday whose hour is still to come."""
    day = div_floor(now_ms - hour_ms, DAY_MS) + 1
    return day + (FRIDAY - day) % WEEK


def ends_of(calendar: Calendar, now_ms: Milliseconds) -> list[Milliseconds]:
    """Ends, all after now, of the futures that a calendar has at this time, in order; a quarter's may be a week's, too."""
    friday, quarters, ends, number = first_friday(now_ms, calendar.hour_ms), 0, [], 0
    while number < calendar.weeks or quarters < calendar.quarters:
        quarterly = quarters < calendar.quarters and is_quarterly(friday)
        quarters += 1 if quarterly else 0
        if number < calendar.weeks or quarterly:
            ends.append(friday * DAY_MS + calendar.hour_ms)
        friday, number = friday + WEEK, number + 1
    return ends


def symbol_of(calendar: Calendar, expires_ms: Milliseconds) -> str:
    """Symbol of a calendar's future: `BTC_USD_20260626`."""
    year, month, day = date_of(div_floor(expires_ms, DAY_MS))
    return f"{calendar.market.symbol}_{year:04}{month:02}{day:02}"


def names(calendar: Calendar, market: MarketId, symbol: str) -> bool:
    """Whether an id or a symbol is one of those that a calendar gives."""
    first, stem = calendar.market.id, calendar.market.symbol + "_"
    dated = symbol.startswith(stem) and symbol[len(stem) :].isdigit() and len(symbol) == len(stem) - 1 + DATE_LENGTH
    return first <= market < first + calendar.markets_max or dated


def overlap(one: Calendar, other: Calendar) -> bool:
    """Whether two calendars would give an id or a symbol twice."""
    first, second = one.market.id, other.market.id
    apart = first + one.markets_max <= second or second + other.markets_max <= first
    return not apart or one.market.symbol == other.market.symbol


def check_calendar(calendar: Calendar, others: list[Calendar], markets: list[tuple[MarketId, str]]) -> Refusal | None:
    """Refuse a calendar that breaks a rule; `limit` of the refusal is the number of the rule."""
    for number, holds in enumerate(rules_of(calendar, others, markets), 1):
        if not holds:
            return Refusal(Reason.INVALID_CALENDAR, number)
    return None


def rules_of(calendar: Calendar, others: list[Calendar], markets: list[tuple[MarketId, str]]) -> Iterator[bool]:
    """Judge rule by rule.

    1 it has an id; 2 its market is a future; 3 which has no end of its own; 4 weeks and quarters are 0 to 8, not both 0; 5 the hour lies
    within a day; 6 there are ids for all that are there at once, and they are ids; 7 no other calendar gives one of its ids or
    symbols; 8 nor has a market one.
    """
    market = calendar.market
    yield 0 < calendar.id < LIMIT
    yield market.kind in FUTURES
    yield market.expires_ms == 0
    weeks, quarters = calendar.weeks, calendar.quarters
    yield 0 <= weeks <= AHEAD_MAX and 0 <= quarters <= AHEAD_MAX and weeks + quarters > 0
    yield 0 <= calendar.hour_ms < DAY_MS
    yield weeks + quarters <= calendar.markets_max and market.id + calendar.markets_max <= MARKETS_MAX
    yield not any(overlap(calendar, other) for other in others)
    yield not any(names(calendar, *known) for known in markets)
