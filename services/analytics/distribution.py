"""A week's points, account by account and line by line, and a season's standings: pure functions of the state and the terms.

What is still held is counted up to the venue's time, so a week may be asked for before it ends, and says the same ever after its end.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from services.analytics import worth
from services.analytics.points import largest_remainder, places
from services.analytics.state import Activity, Level, Mean, State
from services.analytics.terms import Component, Season, Terms
from services.analytics.weeks import ends_ms, overlap, week_of
from services.core.fixed import AccountId, Amount, Milliseconds, account_of
from services.core.markets import SPOT

Line: TypeAlias = tuple[int, int, int]
"""What worth is of: (component, market, asset), with 0 where there is none."""
NO_PRICE = Mean()


class Status(IntEnum):
    """How far a week is: it runs, it ended and late records may come, it is distributed."""

    OPEN = 1
    COUNTING = 2
    DISTRIBUTED = 3


@dataclass(frozen=True)
class Distribution:
    """A week's points. `worths` are what every account did, `scores` that by the weights."""

    week: int
    status: Status
    worths: dict[AccountId, dict[Line, Amount]] = field(default_factory=dict)
    scores: dict[AccountId, int] = field(default_factory=dict)
    points: dict[AccountId, int] = field(default_factory=dict)


class Standing(NamedTuple):
    """One place of a season."""

    place: int
    account: AccountId
    points: int


class Explained(NamedTuple):
    """One line of an account's week: what it did, what that scored, and its share of the account's points."""

    component: int
    market: int
    asset: int
    worth: Amount
    score: int
    points: int


def distribute(state: State, terms: Terms, week: int) -> Distribution:
    """Share a week's points out: as it ended, or as it stands."""
    worths = {account: own for account, done in activities(state, week).items() if (own := lines(state, week, done))}
    scores = {account: sum(scored(terms, own).values()) for account, own in worths.items()}
    points = largest_remainder(terms.week_points, scores) if terms.season_of(week) else {}
    return Distribution(week, status_of(terms, week, state.now_ms), worths, scores, points)


def status_of(terms: Terms, week: int, now_ms: Milliseconds) -> Status:
    """How far a week is at a time."""
    if now_ms <= ends_ms(week):
        return Status.OPEN
    is_distributed = now_ms > ends_ms(week) + terms.distributed_after_ms
    return Status.DISTRIBUTED if is_distributed else Status.COUNTING


def scored(terms: Terms, own: dict[Line, Amount]) -> dict[Line, int]:
    """Worth by the weights: 1e-20 of a unit of account."""
    return {line: terms.weights[line[0]] * amount for line, amount in own.items()}


def explain(terms: Terms, found: Distribution, account: AccountId) -> list[Explained]:
    """Lines of an account's week; their points sum to its points."""
    own = found.worths.get(account, {})
    scores = scored(terms, own)
    shares = largest_remainder(found.points.get(account, 0), scores)
    return [Explained(*line, own[line], scores[line], shares.get(line, 0)) for line in sorted(own)]


def standings(found: list[Distribution]) -> list[Standing]:
    """Places of all accounts over the weeks of a season."""
    total: Counter[AccountId] = Counter()
    for week in found:
        total.update(week.points)
    return [Standing(*row) for row in places(total)]


def weeks_of(state: State, season: Season) -> range:
    """Weeks of a season that have begun, from the first that the feeds tell of."""
    if not state.streams:
        return range(0)
    told = [*state.weeks, *state.mean_marks, *(week_of(level.since_ms) for level in state.marks.values())]
    now = week_of(state.now_ms)
    return range(max(season.first, min(told, default=now)), min(season.last or now, now) + 1)


def activities(state: State, week: int) -> dict[AccountId, Activity]:
    """What accounts did in a week, with what they still hold counted up to the week's end or to now."""
    until = min(state.now_ms, ends_ms(week))
    found = {account: copied(done) for account, done in state.weeks.get(week, {}).items()}
    for subaccount, holdings in state.subaccounts.items():
        account = account_of(subaccount)
        for name in ("held", "lent", "owed"):
            for key, level in getattr(holdings, name).items():
                if ms := overlap(week, level.since_ms, until):
                    sums = getattr(found.setdefault(account, Activity()), name)
                    sums[key] = sums.get(key, 0) + level.amount * ms
    return found


def copied(done: Activity) -> Activity:
    """The same activity, to be added to; what was traded is read only."""
    return Activity(done.turnover, done.traded, dict(done.held), dict(done.lent), dict(done.owed))


def lines(state: State, week: int, done: Activity) -> dict[Line, Amount]:
    """What activity is worth, line by line; nothing for what is not listed, or never had a price."""
    found: dict[Line, Amount] = {}
    for number, turnover in done.turnover.items():
        component = Component.SPOT_VOLUME if is_spot(state, number) else Component.VOLUME
        found[int(component), number, 0] = volume_worth(state, week, number, turnover, done.traded[number])
    for number, held in done.held.items():
        found[int(Component.POSITION), number, 0] = position_worth(state, week, number, held)
    for asset, amount_ms in done.lent.items():
        found[int(Component.LENT), 0, asset] = claim_worth(state, week, asset, amount_ms)
    for asset, amount_ms in done.owed.items():
        found[int(Component.OWED), 0, asset] = claim_worth(state, week, asset, amount_ms)
    return {line: amount for line, amount in found.items() if amount}


def is_spot(state: State, number: int) -> bool:
    """Whether a market is known as one of spot."""
    market = state.markets.get(number)
    return market is not None and market.kind == SPOT


def volume_worth(state: State, week: int, number: int, turnover: int, traded: int) -> Amount:
    """Worth of what was traded in a market."""
    market = state.markets.get(number)
    asset = state.assets.get(market.settlement_asset) if market else None
    if market is None or asset is None:
        return 0
    return worth.turnover_worth(market, asset, mean_price(state, week, market.settlement_asset), turnover, traded)


def position_worth(state: State, week: int, number: int, held: int) -> Amount:
    """Mean worth of what was held in a market."""
    market = state.markets.get(number)
    asset = state.assets.get(market.settlement_asset) if market else None
    if market is None or asset is None:
        return 0
    mark = mean_of(state, state.mean_marks, state.marks, week, number)
    return worth.held_worth(market, mark, asset, mean_price(state, week, market.settlement_asset), held)


def claim_worth(state: State, week: int, asset: int, amount_ms: int) -> Amount:
    """Mean worth of what was lent or owed of an asset."""
    known = state.assets.get(asset)
    return 0 if known is None else worth.claim_worth(known, mean_price(state, week, asset), amount_ms)


def mean_price(state: State, week: int, asset: int) -> Mean:
    """Mean price of an asset over a week, as the feeds tell collateral."""
    known = state.assets.get(asset)
    if known is not None and known.is_unit:
        return worth.UNIT_PRICE
    return mean_of(state, state.mean_prices, state.prices, week, asset)


def mean_of(state: State, weeks: dict[int, dict[int, Mean]], levels: dict[int, Level], week: int, key: int) -> Mean:
    """Mean over a week, the price that still holds included up to the week's end or to now."""
    mean, level = weeks.get(week, {}).get(key, NO_PRICE), levels.get(key)
    ms = 0 if level is None else overlap(week, level.since_ms, min(state.now_ms, ends_ms(week)))
    return mean if level is None or not ms else Mean(mean.price_ms + level.amount * ms, mean.ms + ms)
