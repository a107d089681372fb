"""Who is looked at when a price moves: those whose wires it cuts and those whom an event has changed, deepest first, some per record (M-5).

Nobody else can be due: a subaccount that nothing has touched is inside its box. A full scan of everybody is the oracle of the tests.
"""

from services.core.fixed import FRACTION_ONE, LIMIT, AssetId, MarketId, Price, div_floor
from services.core.messages import Message
from services.risk import box, converting, lending, liquidation, profits
from services.risk.health import Health, health, is_due
from services.risk.margin_call import POINT, margin_call, narrow_marks, surplus
from services.risk.state import Mark, Stage, State, Subaccount
from services.risk.wires import Series, SeriesKind, Subject

ROUNDS_AFTER_RESUME = 3
"""Fresh marks to be seen after a restart before anybody is liquidated (M-12)."""
SLICE = 100
"""Subaccounts judged per record: more than a mark reaches, but in a crash, and then others' orders wait some milliseconds and no more."""


def see_mark(state: State, market: MarketId, mark_price: Price, index_price: Price = 0) -> list[Subject]:
    """Take a market to its mark; returns the triggers that waited for it."""
    mark = state.marks[market]
    mark.price, mark.seen_ms = mark_price, state.now_ms
    cut = move(state, (SeriesKind.MARK, market), mark_price)
    if index_price:
        mark.index_price = index_price
        cut += move(state, (SeriesKind.INDEX, market), index_price)
    return cut


def see_collateral(state: State, asset: AssetId, price: Price) -> None:
    """Take an asset to its price."""
    seen = state.collateral.setdefault(asset, Mark())
    seen.price, seen.seen_ms = price, state.now_ms
    move(state, (SeriesKind.COLLATERAL, asset), price)


def move(state: State, series: Series, price: Price) -> list[Subject]:
    """Cut the wires that a series passes: subaccounts are touched, triggers returned in the order in which they were reached."""
    wires = state.wires.get(series)
    if wires is None or wires.price == price:
        return []
    triggers: list[Subject] = []
    for subject, threshold in wires.move(price):
        if subject[1]:
            triggers.append(subject)
        else:
            depth = min(LIMIT, 1 + div_floor(abs(price - threshold) * FRACTION_ONE, threshold))
            state.touched[subject[0]] = max(depth, state.touched.get(subject[0], 0))
    return triggers


def line_up(state: State) -> None:
    """Begin a round: everybody touched is to be judged, first those whose wires were passed, the furthest before the others."""
    reached = sorted((-depth, subaccount) for subaccount, depth in state.touched.items() if depth)
    order = [subaccount for _depth, subaccount in reached]
    order += [subaccount for subaccount, depth in state.touched.items() if not depth]
    order.reverse()
    state.queue = order


def has_work(state: State) -> bool:
    """Whether queued subaccounts wait to be judged; after a restart they wait for three rounds of marks."""
    return bool(state.queue) and state.rounds_since_resumed >= ROUNDS_AFTER_RESUME


def work(state: State) -> list[Message]:
    """Judge the next queued subaccounts, exactly, at the marks of now; those that are due begin with the deepest."""
    taken = state.queue[-SLICE:]
    del state.queue[-SLICE:]
    events: list[Message] = []
    for subaccount_id in taken:
        events += touch(state, state.subaccounts[subaccount_id])
    judged = [(subaccount, health(state, subaccount)) for subaccount in map(state.subaccounts.__getitem__, taken)]
    judged.sort(key=lambda pair: (pair[1].equity - pair[1].maintenance, pair[0].id))
    for subaccount, now in judged:
        events += judge(state, subaccount, now)
    if not state.queue:
        state.touched = dict(state.touched)  # One that has been large stays slow to walk through.
    return events


def touch(state: State, subaccount: Subaccount) -> list[Message]:
    """Book what pulses owe whom nobody has touched for an hour: the end of his box has come (M-7, M-8)."""
    known = subaccount.box
    if known is None or not 0 < known.expires_ms <= state.now_ms:
        return []
    events: list[Message] = []
    for asset in list(subaccount.claims):
        events += lending.look_after(state, subaccount, asset)
    profits.lend_against(state, subaccount)
    return events


def judge(state: State, subaccount: Subaccount, now: Health) -> list[Message]:
    """Begin or go on with a liquidation, call for margin, or give a new box; who got none of these is looked at again at the next mark."""
    run = subaccount.liquidation
    if run is not None:
        return liquidation.next_step(state, subaccount, run) if run.stage == Stage.WAITING_FOR_MARK else []
    if is_due(state, subaccount, now):
        return liquidation.begin(state, subaccount, now)
    for exposure in subaccount.exposures.values():
        narrow_marks(exposure)
    slack = surplus(state, subaccount, POINT)
    if slack < 0:
        return margin_call(state, subaccount, now)
    converted = converting.convert(state, subaccount, now)
    if converted:
        return converted
    if box.fit(state, subaccount, now, slack):
        state.touched.pop(subaccount.id, None)
    return []
