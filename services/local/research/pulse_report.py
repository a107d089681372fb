"""What the experiment of the pulse says: tables and charts of what was measured, and the sentences between them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from services.core.decimals import format_decimal
from services.core.fixed import FRACTION_ONE, Milliseconds, div_floor
from services.core.reasons import Reason
from services.local.research.charts import Chart, Line
from services.local.research.experiment import Experiment
from services.local.research.participants import UNIT
from services.local.research.pulse import BY_WILL, OFF, ON
from services.local.research.report import Report, Table

BLUE, ORANGE, GREEN, GREY = "#2563eb", "#d9730d", "#0f8a5f", "#7b8794"
TITLE = "What pools and the pulse change"
TENTH_PERCENT = FRACTION_ONE // 1_000
ASSET = "USDC"


def report_of(experiment: Experiment, measured: dict[str, Any]) -> Report:
    """Make the report of a run of both variants."""
    whole = {
        "asked": experiment.asked,
        "path": experiment.path_name,
        "seed": experiment.seed,
        "begins_ms": experiment.begins_ms,
        "ends_ms": experiment.ends_ms,
        "population": {group.name: group.count for group in experiment.population},
        "units": "amounts 1e-8 of the asset or of the unit of account, prices 1e-10 (marks in ticks), rates and shares 1e-12",
        "variants": measured,
    }
    tables = [changes(measured), people(measured), pool_table(measured[ON])]
    return Report(
        experiment.name, TITLE, experiment.asked, sentences(experiment, measured), tables, charts(measured), whole
    )


# sentences


def sentences(experiment: Experiment, measured: dict[str, Any]) -> list[str]:
    """What was run, and what came out of it."""
    on, off = measured[ON], measured[OFF]
    count = sum(group.count for group in experiment.population)
    begins, ends = when(experiment.begins_ms), when(experiment.ends_ms)
    earned, paid = total(on["interest"]["earned"][ASSET]), total(on["interest"]["paid"][ASSET])
    asked = (
        f"The same path ({experiment.path_name}, {begins} to {ends}) and the same {count} participants "
        f"(seed {experiment.seed}), twice: once on a venue whose assets have no pool, where a loss makes idle money fall "
        "below zero and nobody asks interest for it, and once with a lending pool per asset and a pulse every 10 seconds, "
        "where losses and profits move claims. Every order, fill, liquidation and accrual went through the venue's own "
        "machines on virtual time; the same command gives the same files, byte for byte."
    )
    found = (
        f"With pools, lenders earned {dollars(earned)} USDC and debtors paid {dollars(paid)}: what losers and borrowers used "
        f"was paid for, to those whose money it was. Without, {dollars(off['debts']['lost_mean'])} were owed by losers on average, "
        f"{dollars(off['debts']['lost_most'])} at most, by up to {off['debts']['debtors_most']} accounts, and cost nothing."
    )
    limits = (
        "The people are a model: makers quote, takers bet with borrowed strength, hedgers hold coins against short perpetuals, "
        "borrowers buy coins with dollars that they ask for while the rate is low enough for them, and without pools they are "
        "refused. So the figures say how money moves between them under either rule, not what a market would be. A loss on "
        "coins is a debt in dollars; by losses below zero are all but those who borrowed by will."
    )
    return [asked, found, limits]


def when(at_ms: Milliseconds) -> str:
    """A time as text, UTC."""
    return datetime.fromtimestamp(at_ms // 1_000, UTC).strftime("%-d %b %Y %H:%M")


# tables


def changes(measured: dict[str, Any]) -> Table:
    """The two variants beside each other."""
    rows = [
        row("income of lenders, USDC", measured, lambda one: dollars(interest(one, "earned"))),
        row("cost of debtors, USDC", measured, lambda one: dollars(interest(one, "paid"))),
        row("of it, on losses", measured, lambda one: dollars(interest(one, "paid") - by_will(one))),
        row("of it, on what was borrowed by will", measured, lambda one: dollars(by_will(one))),
        row("reserve of the pool, USDC", measured, lambda one: dollars(one["pool"]["reserve"])),
        row("below zero in USDC by losses, mean", measured, lambda one: dollars(one["debts"]["lost_mean"])),
        row("below zero in USDC by losses, most", measured, lambda one: dollars(one["debts"]["lost_most"])),
        row("accounts below zero by losses, most", measured, lambda one: str(one["debts"]["debtors_most"])),
        row("liquidations begun", measured, lambda one: str(one["liquidations"]["started"])),
        row("accounts liquidated", measured, lambda one: str(one["liquidations"]["accounts"])),
        row("paid to the insurance fund", measured, lambda one: dollars(one["liquidations"]["contributed"])),
        row("deficits that it covered", measured, lambda one: dollars(one["liquidations"]["deficits_covered"])),
        row("deficits that nobody covered", measured, lambda one: dollars(one["liquidations"]["deficits_uncovered"])),
        row("commands refused for want of cash", measured, lambda one: f"{refused_for_cash(one):,}"),
        row("fills", measured, lambda one: f"{one['trading']['fills']:,}"),
        row("pulses", measured, lambda one: f"{one['trading']['pulses']:,}"),
    ]
    return Table("With and without", ("", "without pools", "with pools and pulse"), rows)


def row(label: str, measured: dict[str, Any], text: Any) -> tuple[str, str, str]:  # noqa: ANN401 - a function of a variant
    """One line of both variants."""
    return label, text(measured[OFF]), text(measured[ON])


def interest(one: dict[str, Any], side: str) -> int:
    """Interest of all in USDC."""
    return total(one["interest"][side].get(ASSET, {}))


def refused_for_cash(one: dict[str, Any]) -> int:
    """How often a pool had not set aside enough cash."""
    count: int = one["trading"]["refused"].get(str(int(Reason.NO_LIQUIDITY)), 0)
    return count


def by_will(one: dict[str, Any]) -> int:
    """Interest paid on what was borrowed by will, in USDC."""
    paid = one["interest"]["paid"].get(ASSET, {})
    return sum(paid.get(kind, 0) for kind in BY_WILL)


def people(measured: dict[str, Any]) -> Table:
    """What each kind won, and what of it is interest."""
    on, off = measured[ON], measured[OFF]
    rows = [
        (
            kind,
            str(count),
            dollars(off["wealth"]["won"][kind]),
            dollars(on["wealth"]["won"][kind]),
            dollars(on["interest"]["earned"][ASSET].get(kind, 0)),
            dollars(on["interest"]["paid"][ASSET].get(kind, 0)),
            f"{off['liquidations']['by_kind'][kind]} / {on['liquidations']['by_kind'][kind]}",
        )
        for kind, count in on["wealth"]["accounts"].items()
    ]
    head = (
        "kind",
        "accounts",
        "won without",
        "won with",
        "interest earned",
        "interest paid",
        "liquidations without / with",
    )
    return Table("Who won and who paid, in USDC at the last price", head, rows)


def pool_table(one: dict[str, Any]) -> Table:
    """The pool over the whole time."""
    mean, most = one["pool"]["mean"], one["pool"]["most"]
    rows = [
        ("utilisation", percent(mean.get("used", 0)), percent(most["used"])),
        ("borrowers pay, per year", percent(mean.get("borrow_rate", 0)), percent(most["borrow_rate"])),
        ("lenders get, per year", percent(mean.get("lend_rate", 0)), percent(most["lend_rate"])),
        ("supplied, USDC", dollars(mean.get("supplied", 0)), ""),
        ("borrowed, USDC", dollars(mean.get("borrowed", 0)), ""),
        ("openings", f"{one['pool']['openings']:,}", ""),
        ("step of the stress ladder", "", str(most["stress"])),
    ]
    return Table(f"The pool of {ASSET}", ("", "mean", "most"), rows)


# charts


def charts(measured: dict[str, Any]) -> list[Chart]:
    """Price, utilisation, rates, what is owed, interest."""
    on, off = measured[ON], measured[OFF]
    pool = on["pool"]["course"]
    return [
        Chart(
            "Price of BTC, USDC",
            [line("index", GREY, on["wealth"]["course"], "index")],
            cents,
            from_zero=False,
        ),
        Chart("Utilisation of the USDC pool", [line("used", BLUE, pool, "used")], percent_short),
        Chart(
            "Rates per year",
            [line("borrowers pay", ORANGE, pool, "borrow_rate"), line("lenders get", GREEN, pool, "lend_rate")],
            percent_short,
        ),
        Chart(
            "Below zero in USDC by losses",
            [
                line("without pools, free of interest", GREY, off["debts"]["course"], "lost"),
                line("with pools", BLUE, on["debts"]["course"], "lost"),
            ],
            thousands,
        ),
        Chart(
            "Interest since the beginning, USDC",
            [
                line("paid by debtors", ORANGE, on["interest"]["course"], "paid"),
                line("earned by lenders", GREEN, on["interest"]["course"], "earned"),
            ],
            dollars_short,
        ),
        Chart(
            "Liquidations begun since the beginning",
            [
                line("without pools", GREY, off["liquidations"]["course"], "started"),
                line("with pools", BLUE, on["liquidations"]["course"], "started"),
            ],
            str,
        ),
    ]


def line(label: str, colour: str, course: Sequence[dict[str, int]], field: str) -> Line:
    """A line of one field of a course."""
    return Line(label, colour, [(sample["at_ms"], sample[field]) for sample in course])


# words for numbers


def total(by_kind: dict[str, int]) -> int:
    """Sum over kinds."""
    return sum(by_kind.values())


def dollars(units: int) -> str:
    """Amount of 1e-8 to the cent, with commas; rounded towards zero."""
    sign = "-" if units < 0 else ""
    whole, rest = divmod(abs(units) // 10**6, 100)
    return f"{sign}{whole:,}.{rest:02}" if whole or rest else "0"


def dollars_short(units: int) -> str:
    """Whole dollars with commas."""
    return f"{div_floor(units, UNIT):,}"


def thousands(units: int) -> str:
    """Whole thousands of dollars."""
    return f"{div_floor(units, UNIT * 1_000):,}k"


def cents(price: int) -> str:
    """Index price of a market, 1e-2, as whole dollars."""
    return f"{div_floor(price, 100):,}"


def percent(fraction: int) -> str:
    """Fraction of 1e12 as percent, three digits; rounded down."""
    return format_decimal(div_floor(fraction, TENTH_PERCENT // 100), 3) + " %"


def percent_short(fraction: int) -> str:
    """Fraction of 1e12 as percent, as short as it goes."""
    return format_decimal(div_floor(fraction, TENTH_PERCENT // 100), 3) + "%"
