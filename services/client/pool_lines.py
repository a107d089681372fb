"""What the `vigil` command prints of lending pools, interest and withdrawals; shortened amounts only where tables say so."""

from decimal import ROUND_DOWN, Decimal

from rich.console import Group
from rich.table import Table
from rich.text import Text

from services.client.margin_lines import aligned, places
from services.client.pool_view import Accrual, InterestView, PoolDetail, PoolView, WithdrawableView
from services.client.rate_curve import rate_curve, short_percent
from services.client.show import clock, number, table, time_left

SUFFIXES = ("", "k", "M", "G", "T")
THOUSAND = 1_000
FIGURES = 4
STEPS = {
    "steep": "the rate is steep",
    "throttled": "borrows and redemptions wait for the throttle",
    "no_borrows": "no new borrows",
    "tight_margin": "more initial margin for those who owe",
    "auto_repay": "debts are repaid by converting collateral",
    "deleveraging": "a liquidated lender is paid by ending borrowers' debts",
}
BOUNDS = {"unspecified": "unknown"}


def shortened(amount: Decimal) -> str:
    """An amount in four figures with k, M, G or T, rounded down."""
    for suffix in SUFFIXES[:-1]:
        if abs(amount) < THOUSAND:
            return figures(amount) + suffix
        amount /= THOUSAND
    return figures(amount) + SUFFIXES[-1]


def figures(amount: Decimal) -> str:
    """Four figures, without zeros at the end."""
    digits = max(0, FIGURES - 1 - amount.adjusted()) if amount else 0
    cut = amount.quantize(Decimal(1).scaleb(-digits), ROUND_DOWN)
    return f"{cut:f}".rstrip("0").rstrip(".") if digits else f"{cut:f}"


def pools_table(pools: tuple[PoolView, ...]) -> Table:
    """All pools; rates are per year, amounts are shortened."""
    built = table("lending pools", "asset", "used", "borrow", "lend", "supplied", "borrowed", "cash", "state")
    for one in pools:
        rates = (short_percent(one.used), short_percent(one.borrow_rate), short_percent(one.lend_rate))
        amounts = (shortened(one.supplied), shortened(one.borrowed), shortened(one.cash))
        built.add_row(one.asset, *rates, *amounts, state_of(one))
    return built


def state_of(pool: PoolView) -> str:
    """What a pool takes, and the step that it stands on unless it is calm."""
    state = pool.state if pool.period else "not open yet"
    words = [state, *([pool.stress] if pool.stress != "calm" else [])]
    return ", ".join(words).replace("_", " ")


def pool_page(detail: PoolDetail, width: int) -> Group:
    """A pool explained, and its rates drawn."""
    pool = detail.pool
    title = Text(f"pool of {pool.asset}: {state_of(pool)}, {clock(detail.at_ms)} UTC", "bold")
    return Group(title, *(Text(line) for line in pool_lines(detail)), Text(""), rate_curve(detail, width))


def pool_lines(detail: PoolDetail) -> list[str]:
    """One line for each thing that there is to say of a pool."""
    pool = detail.pool
    amounts = [("supplied", pool.supplied), ("borrowed", pool.borrowed), ("cash", pool.cash)]
    amounts += [(name, of) for name, of in (("reserve", pool.reserve), ("kept back", pool.kept_back)) if of]
    amounts += [("loss", pool.loss)] if pool.loss else []
    decimals = max(places(amount) for _, amount in amounts)
    wide = max(len(aligned(amount, decimals)) for _, amount in amounts)
    lines = [f"{name:<13}{aligned(amount, decimals):>{wide}} {pool.asset}" for name, amount in amounts]
    lines[2] += f", {number(pool.lines)} of it on credit lines"
    return [*lines, *rate_lines(detail), *stress_lines(detail)]


def rate_lines(detail: PoolDetail) -> list[str]:
    """Rates, utilisation, and the open period."""
    pool = detail.pool
    late = f", the last one {pool.late_ms} ms late" if pool.late_ms else ""
    return [
        f"used         {short_percent(pool.used)}, by borrows and redemptions up to {short_percent(pool.bound)}",
        f"rates        borrow {short_percent(pool.borrow_rate)}, lend {short_percent(pool.lend_rate)} a year",
        f"period       {pool.period}, closes in {time_left(pool.closes_at_ms - detail.at_ms)}{late}",
    ]


def stress_lines(detail: PoolDetail) -> list[str]:
    """How it goes on, and from which utilisation on what happens; the steps that hold are marked."""
    pool = detail.pool
    ahead = f"full in {time_left(pool.full_at_ms - detail.at_ms)}" if pool.full_at_ms else "not filling up"
    changes = [] if detail.state_next == pool.state else [f"next state   {detail.state_next.replace('_', ' ')}"]
    names = [level.stress for level in detail.levels]
    reached = names.index(pool.stress) if pool.stress in names else -1
    ladder = [
        f"{'>' if place <= reached else ' '} {STEPS.get(level.stress, level.stress)}"
        for place, level in enumerate(detail.levels)
    ]
    levels = [f"{short_percent(level.used):>8} {words}" for level, words in zip(detail.levels, ladder, strict=True)]
    return [
        f"forecast     {ahead} at the pace of the last periods",
        *changes,
        *(["stress, from"] if levels else []),
        *levels,
    ]


def interest_page(view: InterestView) -> Group:
    """Every accrual, and totals by asset."""
    lines = table("interest", "", "at", "asset", "periods", "amount", "for")
    decimals = max((places(one.amount) for one in view.accruals), default=0)
    for one in view.accruals:
        periods = f"{one.from_period}" if one.from_period == one.to_period else f"{one.from_period}-{one.to_period}"
        amount = aligned(one.amount, decimals)
        lines.add_row(str(one.subaccount), clock(one.at_ms)[:-4], one.asset, periods, amount, what_for(one))
    totals = table("total", "asset", "earned", "paid", "net")
    for total in view.totals:
        totals.add_row(total.asset, *(aligned(one, decimals) for one in (total.earned, total.paid, total.net)))
    if not view.accruals:
        return Group(Text("no interest"), *read_over(view))
    return Group(lines, totals, *read_over(view))


def read_over(view: InterestView) -> list[Text]:
    """Over which time the venue's feed was read."""
    if not view.read_to_ms:
        return []
    return [
        Text(
            f"of {clock(view.begins_ms)[:-4]} to {clock(view.read_to_ms)[:-4]} UTC, as far as the venue's feed is kept"
        )
    ]


def what_for(accrual: Accrual) -> str:
    """Why something was earned or paid."""
    if accrual.entry_fee:
        return "entry fee"
    return "lent" if accrual.amount > 0 else "owed"


def withdrawable_page(view: WithdrawableView) -> Group:
    """What may leave, reckoned line by line, and what binds."""
    decimals = max(map(places, [view.amount, *(line.amount for line in view.lines)]))
    built = Table(box=None, pad_edge=False, show_edge=False, show_header=False)
    built.add_column("", overflow="fold", ratio=1)
    built.add_column("", justify="right", no_wrap=True)
    for line in view.lines:
        built.add_row(f"at most: {line.name}" if line.is_limit else line.name, aligned(line.amount, decimals))
    built.add_row(Text("= withdrawable", "bold"), Text(aligned(view.amount, decimals), "bold"))
    title = Text(f"withdrawable of subaccount {view.subaccount} in {view.asset}, {clock(view.at_ms)} UTC", "bold")
    return Group(title, built, *(Text(line) for line in withdrawable_ends(view)))


def withdrawable_ends(view: WithdrawableView) -> list[str]:
    """What binds, and what may leave later."""
    binding = BOUNDS.get(view.binding, view.binding).replace("_", " ")
    lines = ["", f"binds     {binding}{f': {view.binding_text}' if view.binding_text else ''}"]
    if view.maturing:
        when = f"in {time_left(view.matures_at_ms - view.at_ms)}" if view.matures_at_ms else "at a time not known yet"
        lines.append(f"matures   {number(view.maturing)} {view.asset} {when}")
    return lines
