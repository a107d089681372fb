"""Settlements of markets that go on, and the end of dated futures: what is seen for their price, and when there is one.

Without a price made in the window or after its end nothing is settled: it waits for the next price of the sources, and never guesses.
"""

from services.core.fixed import Milliseconds, Price, div_floor
from services.core.markets import REFERENCE_PARTITIONS, Market, SettlementPrice
from services.core.messages import BookSampled, MarketSettled, Message, PriceObserved
from services.core.timers import next_multiple
from services.funding.marks import agreed_for, to_market_price, update_mark
from services.funding.publication import TimerKind, end
from services.funding.reference_rate import Partition, reference_rate, volume_weighted_median
from services.funding.settlement_price import (
    FILL_MS,
    SAMPLE_MS,
    add_samples,
    add_total,
    amount_of,
    from_index,
    index_mean,
    sample_times,
    traded_mean,
)
from services.funding.sources import Flaw
from services.funding.state import Settling, Source, State, Window


def next_due_ms(market: Market, now_ms: Milliseconds) -> Milliseconds:
    """Return when a market is settled next, or ends if that is no later; 0 for never."""
    due_ms, offset_ms = 0, market.settlement_offset_ms
    if market.settlement_interval_ms:
        due_ms = next_multiple(now_ms - offset_ms, market.settlement_interval_ms) + offset_ms
    return market.expires_ms if market.expires_ms and (not due_ms or market.expires_ms <= due_ms) else due_ms


def arm_settlement(state: State, market: Market) -> None:
    """Begin the window of a market's next settlement or end, if there is one; of what an earlier one saw only the last index stays."""
    due_ms = next_due_ms(market, state.now_ms)
    if not due_ms:
        state.settling.pop(market.id, None)
        return
    settling = state.settling.get(market.id)
    begins_ms = due_ms - market.settlement_window_ms
    if settling is None:
        state.settling[market.id] = Settling(Window(due_ms, begins_ms, begins_ms))
    else:
        before = settling.window
        begins_ms = max(begins_ms, settling.settled_ms, before.index_ms)
        settling.window = Window(due_ms, begins_ms, begins_ms, before.index, before.index_ms)
    state.timers.arm(due_ms, TimerKind.SETTLEMENT, market.id)


def terms_of(market: Market) -> tuple[int, ...]:
    """What a window depends on: with other terms it begins anew."""
    interval = (market.settlement_interval_ms, market.settlement_offset_ms)
    return (*interval, market.settlement_price, market.settlement_window_ms)


def note_price(state: State, market: Market, source: Source, observed: PriceObserved) -> None:
    """Let the index be sampled as it was until now, and keep what it is with a source's new price."""
    window = state.settling[market.id].window
    if state.now_ms < window.begins_ms - FILL_MS:
        return
    take_samples(window, state.now_ms)
    index = agreed_for(state, market)
    if not 0 < to_market_price(market, index) <= market.price_max:
        return
    window.index, window.index_ms = index, state.now_ms
    is_open = window.begins_ms <= state.now_ms < window.due_ms
    if is_open and source.flaw == Flaw.NONE and method_of(market, window.due_ms) == SettlementPrice.REFERENCE_RATE:
        close_parts(window, part_of(market, window, state.now_ms))
        window.partition.add(observed.price, observed.volume)


def take_samples(window: Window, now_ms: Milliseconds) -> None:
    """Sample the index for each second of the window until now; the last one stands in for up to ten seconds, then none does (F-1.2)."""
    last_ms = min(now_ms, window.due_ms - 1)
    filled = sample_times(window.sampled_ms, min(last_ms, window.index_ms + FILL_MS))
    window.samples = add_samples(window.samples, window.index, filled)
    window.sampled_ms += SAMPLE_MS * sample_times(window.sampled_ms, last_ms)


def part_of(market: Market, window: Window, now_ms: Milliseconds) -> int:
    """Which of the equal parts of its window `now_ms` lies in, from 0 on."""
    into_ms = now_ms - (window.due_ms - market.settlement_window_ms)
    return div_floor(into_ms * REFERENCE_PARTITIONS, market.settlement_window_ms)


def close_parts(window: Window, part: int) -> None:
    """Keep of each part that is over its median alone, 0 of an empty one."""
    while window.part < part:
        window.medians.append(volume_weighted_median(window.partition.observations()))
        window.partition = Partition()
        window.part += 1


def note_trades(state: State, market: Market, sampled: BookSampled) -> None:
    """Add what traded since the sample before, which is what matching told within the window."""
    settling = state.settling.get(market.id)
    if settling is not None and settling.window.begins_ms <= state.now_ms < settling.window.due_ms:
        settling.window.volume = add_total(settling.window.volume, sampled.volume)
        settling.window.turnover = add_total(settling.window.turnover, sampled.turnover)


def method_of(market: Market, at_ms: Milliseconds) -> int:
    """How the price is made of what falls due at a time."""
    return market.expiry_price if is_end(market, at_ms) else market.settlement_price


def is_end(market: Market, at_ms: Milliseconds) -> bool:
    """Whether a market has come to its end."""
    return 0 < market.expires_ms <= at_ms


def settle(state: State, market: Market) -> list[Message]:
    """Settle a market or end it, if it is time and there is a price; one that never opened ends without, for nobody holds anything."""
    settling, now_ms = state.settling.get(market.id), state.now_ms
    if settling is None or now_ms < settling.window.due_ms:
        return []
    never_opened, ends = not state.funding[market.id].marked_ms, is_end(market, now_ms)
    if never_opened and not ends:
        arm_settlement(state, market)
        return []
    take_samples(settling.window, now_ms)
    price = price_of(state, market, settling)
    if ends:
        return [end(state, market, price, is_expiry=True)] if price or never_opened else []
    if not price:
        return []
    settling.step, settling.price = settling.step + 1, price
    settling.settled_ms = last_due_ms(market, now_ms)
    arm_settlement(state, market)
    return [MarketSettled(market.id, settling.step, price, settling.settled_ms)]


def last_due_ms(market: Market, now_ms: Milliseconds) -> Milliseconds:
    """Return the latest time that a settlement stands for: one pays for all that an outage passed."""
    return now_ms - (now_ms - market.settlement_offset_ms) % market.settlement_interval_ms


def price_of(state: State, market: Market, settling: Settling) -> Price:
    """Price of what falls due now, 0 for none yet: as the market names it, else the last reference rate, else the mean of the index."""
    method = method_of(market, state.now_ms)
    if method == SettlementPrice.MARK:
        funding = state.funding[market.id]
        return funding.mark_price if update_mark(state, market, funding) else 0
    price = named_price(market, settling, method)
    if price:
        return price
    price = settling.rate if method == SettlementPrice.REFERENCE_RATE else 0
    price = price or index_price_of(market, settling.window)
    if price and method != SettlementPrice.INDEX_MEAN:
        state.fallbacks += 1
    return price


def named_price(market: Market, settling: Settling, method: int) -> Price:
    """Price that only what was seen in the window can give: of trades or as a reference rate; 0 where nothing was, or the mean is named."""
    if method == SettlementPrice.TRADED_MEAN:
        return traded_price(market, settling.window)
    if method != SettlementPrice.REFERENCE_RATE:
        return 0
    rate = rate_of(market, settling.window)
    settling.rate = rate or settling.rate
    return rate


def traded_price(market: Market, window: Window) -> Price:
    """Mean price of what traded in the window, 0 when nothing did."""
    volume, turnover = amount_of(window.volume), amount_of(window.turnover)
    return traded_mean(market, volume, turnover) if volume and turnover else 0


def rate_of(market: Market, window: Window) -> Price:
    """Reference rate of the window, 0 when nothing was observed."""
    closed = [[(median, 1)] if median else [] for median in window.medians]
    numerator, partitions = reference_rate([*closed, window.partition.observations()])
    return from_index(market, numerator, partitions) if partitions else 0


def index_price_of(market: Market, window: Window) -> Price:
    """Mean of the index in the window; without any sample the first index made after it; 0 for none."""
    numerator, samples = index_mean(window.samples)
    if samples:
        return from_index(market, numerator, samples)
    return from_index(market, window.index, 1) if window.index_ms >= window.due_ms else 0
