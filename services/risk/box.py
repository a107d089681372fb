"""The margin box of a subaccount: how far prices may move before it has to be judged again, and the wires at its sides (M-5)."""

from bisect import bisect_right

from services.core.collateral import worth_high
from services.core.fixed import FRACTION_ONE, Amount, Fraction, Milliseconds, Price, clamp, div_ceil, div_floor
from services.core.markets import SPOT
from services.risk.alarms import TimerKind
from services.risk.health import Health, price_of
from services.risk.margin_call import COLLATERAL, MARK, Ranges, surplus
from services.risk.series import wires_of
from services.risk.state import Box, State, Subaccount
from services.risk.wires import Series, Subject

WIDTH_ONE = 1 << 10
LADDER = tuple((2 + half) << step for step in range(13) for half in (0, 1))
"""Widths that a box may have, in parts of 1,024 of each price's typical move: from a five hundredth to twelve times as far."""
MOVE_MAX: Fraction = 900_000_000_000
"""No side of a box lies further than this from the price."""
MOVE_MIN: Fraction = 20_000_000_000
"""Typical move of an asset that weighs in full."""
EXPIRY_MS: Milliseconds = 3_600_000
"""A box with a debt lasts so long: the debt may have grown at its highest rate by then."""
SLACK_MIN: Amount = 256
"""Surplus that a box leaves at its worst corner: inside it may be less by a unit per asset, for worth is rounded."""
GUESS = (7, 10)
"""Part of the surplus that a first guess uses up, as the box's corner is worse than its sides."""


def fit(state: State, subaccount: Subaccount, now: Health, slack: Amount) -> bool:
    """Give a subaccount the widest box in which its surplus stays positive; False when there is none, and it must be watched.

    A box that holds still stays, with its wires.
    """
    around, box = prices_around(state, subaccount), subaccount.box
    grows = has_growing_debt(state, now) or any(one in state.pulses for one in subaccount.exposures)
    if not around and not grows:
        drop(state, subaccount)
        return True
    if box is not None and still_holds(state, subaccount, box, around, grows=grows):
        stretch(
            state, subaccount, box
        )  # Prices may have left it and come back before anybody looked: some wires are cut.
        return True
    expires_ms = state.now_ms + EXPIRY_MS if grows else 0
    found = widest(state, subaccount, around, first_guess(state, now, slack), expires_ms)
    drop(state, subaccount)
    if found is None:
        return False
    subaccount.box = found
    arm(state, subaccount, found)
    return True


def prices_around(state: State, subaccount: Subaccount) -> dict[Series, Price]:
    """Prices that a subaccount's surplus depends on, if it can fall below zero at all.

    It has a position, an order or a debt; a spot order may make one, where it takes more than idle money.
    """
    found: dict[Series, Price] = {}
    assets = dict.fromkeys(asset for asset, idle in subaccount.idle.items() if idle)
    assets.update(dict.fromkeys(subaccount.claims))
    is_bound = bool(subaccount.lines_held) or any(one.debt for one in subaccount.claims.values())
    is_bound = is_bound or any(idle < 0 for idle in subaccount.idle.values())
    for exposure in subaccount.exposures.values():
        market = state.markets[exposure.market]
        assets[market.settlement_asset] = None
        if market.kind == SPOT:
            assets[market.base_asset] = None
        else:
            is_bound = True
            found[MARK, market.id] = state.marks[market.id].price
    if not is_bound:
        return {}
    for asset_id in assets:
        asset = state.assets.get(asset_id)
        if asset is not None and asset.collateral.index:
            found[COLLATERAL, asset_id] = price_of(state, asset)
    return found


def still_holds(state: State, subaccount: Subaccount, box: Box, around: dict[Series, Price], *, grows: bool) -> bool:
    """Whether the box that a subaccount has encloses every price and leaves a surplus still; one without end holds no growing debt."""
    if len(box.ranges) != len(around) or (box.expires_ms <= state.now_ms if box.expires_ms else grows):
        return False
    for series, price in around.items():
        low, high = box.ranges.get(series) or (price, price)
        if not low < price < high:
            return False
    box.slack = surplus(state, subaccount, box.ranges, box.expires_ms)
    return box.slack > SLACK_MIN


def has_growing_debt(state: State, now: Health) -> bool:
    """Whether a debt may grow by itself."""
    for asset_id, part in now.parts.items():
        asset = state.assets.get(asset_id)
        if asset is not None and asset.collateral.borrow_rate_max and min(part.idle, part.net, -part.owed) < 0:
            return True
    return False


def first_guess(state: State, now: Health, slack: Amount) -> int:
    """Step of the ladder at which exposures times typical moves would use up most of the slack."""
    moved = 0
    for asset_id, part in now.parts.items():
        asset = state.assets.get(asset_id)
        if asset is not None:
            price = price_of(state, asset)
            moved += worth_high(asset, part.initial, price)
            if asset.collateral.index:
                moved += worth_high(asset, div_ceil(abs(part.net) * asset_move(state, asset_id), FRACTION_ONE), price)
    if not moved:
        return len(LADDER) - 1
    width = div_floor(slack * WIDTH_ONE * GUESS[0], moved * GUESS[1])
    return clamp(bisect_right(LADDER, width) - 1, 0, len(LADDER) - 1)


def widest(
    state: State, subaccount: Subaccount, around: dict[Series, Price], guess: int, expires_ms: Milliseconds
) -> Box | None:
    """Walk the ladder from a guess to the widest box with a surplus; None when even the narrowest has none."""
    found: Box | None = None
    step = guess
    while 0 <= step < len(LADDER):
        ranges = box_of(state, around, LADDER[step])
        left = surplus(state, subaccount, ranges, expires_ms)
        if left > SLACK_MIN:
            found = Box(ranges, left, expires_ms)
            if step < guess:
                break
            step += 1
        elif found is not None:
            break
        else:
            step -= 1
    return found


def box_of(state: State, around: dict[Series, Price], width: int) -> Ranges:
    """Ranges of a width: each price may move by so much of its typical move, a mark from tick to tick, on which values are exact."""
    ranges: Ranges = {}
    for series, price in around.items():
        move = min(MOVE_MAX, div_floor(typical_move(state, series) * width, WIDTH_ONE))
        kind, subject = series
        step = state.markets[subject].tick if kind == MARK else 1
        low = min(price - step, div_floor(price * (FRACTION_ONE - move), FRACTION_ONE * step) * step)
        high = max(price + step, div_ceil(price * (FRACTION_ONE + move), FRACTION_ONE * step) * step)
        ranges[series] = (max(step, low), high)
    return ranges


def typical_move(state: State, series: Series) -> Fraction:
    """Part of a price that it may well move by: what is asked as initial margin of a market, what an asset is short of full weight."""
    kind, subject = series
    return state.markets[subject].initial_margin_fraction if kind == MARK else asset_move(state, subject)


def asset_move(state: State, asset: int) -> Fraction:
    """Part of its price that an asset may well move by."""
    return max(MOVE_MIN, FRACTION_ONE - state.assets[asset].collateral.maintenance_weight)


def arm(state: State, subaccount: Subaccount, box: Box) -> None:
    """Arm the wires at the sides of a box, and that at its end."""
    stretch(state, subaccount, box)
    if box.expires_ms:
        state.timers.arm(box.expires_ms, TimerKind.BOX, subaccount.id)


def stretch(state: State, subaccount: Subaccount, box: Box) -> None:
    """Arm the wires at the sides of a box; those that wait already stay."""
    subject: Subject = (subaccount.id, 0)
    for series, (low, high) in box.ranges.items():
        wires_of(state, *series).arm(subject, below=low, above=high)


def drop(state: State, subaccount: Subaccount) -> None:
    """Take a box and its wires away."""
    if subaccount.box is not None:
        subject: Subject = (subaccount.id, 0)
        for series, (low, high) in subaccount.box.ranges.items():
            wires_of(state, *series).disarm(subject, below=low, above=high)
        subaccount.box = None
