"""A week's points, account by account and line by line, and a season's standings: pure functions of the state and the terms.

What is still held is counted up to the venue's time, so a week may be asked for before it ends, and says the same ever after its end.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from services.analytics.points import largest_remainder, places
from services.analytics.rates import Line, Rates
from services.analytics.state import Activity, Holdings, Levels, State
from services.analytics.terms import Season, Terms
from services.analytics.weeks import ends_ms, week_of
from services.core.fixed import AccountId, Amount, Milliseconds, account_of

NOTHING_DONE = Activity()


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
    rates, done, held = Rates(state, week), state.weeks.get(week, {}), holdings_of(state)
    worths: dict[AccountId, dict[Line, Amount]] = {}
    for account in {**done, **held}:
        if own := rates.lines(whole(rates, done.get(account, NOTHING_DONE), held.get(account, []))):
            worths[account] = own
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


def holdings_of(state: State) -> dict[AccountId, list[Holdings]]:
    """What is held, by account: that of all its subaccounts."""
    found: dict[AccountId, list[Holdings]] = {}
    for subaccount, holdings in state.subaccounts.items():
        found.setdefault(account_of(subaccount), []).append(holdings)
    return found


def whole(rates: Rates, done: Activity, held: list[Holdings]) -> Activity:
    """What an account did in a week, with what it still holds; `done` stays as it is."""
    if not held:
        return done
    found = Activity(done.turnover, done.traded, dict(done.held), dict(done.lent), dict(done.owed))
    for holdings in held:
        add_levels(rates, found.held, holdings.held)
        add_levels(rates, found.lent, holdings.lent)
        add_levels(rates, found.owed, holdings.owed)
    return found


def add_levels(rates: Rates, sums: dict[int, int], levels: Levels) -> None:
    """Count levels that still hold."""
    for key, level in levels.items():
        if ms := rates.still(level):
            sums[key] = sums.get(key, 0) + level.amount * ms
