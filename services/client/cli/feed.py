"""Feeds read from Kafka directly, without a gateway: each record once, and what is missing is said."""

import logging
import sys
from typing import Annotated

import typer

from services.client import events
from services.client.cli.app import AsJson, Terminal, finish
from services.client.errors import ClientError
from services.client.listed import Listed

feed_app = typer.Typer()
Subject = Annotated[
    str, typer.Argument(help="account, book, digests, fund, liquidations, markets, settlement or trades.")
]
Kafka = Annotated[str, typer.Option(envvar="VIGIL_KAFKA", help="A broker, host:port.")]
Market = Annotated[str, typer.Option("--market", help="Only what is about this market.")]
Account = Annotated[int, typer.Option("--account", min=0, help="Only what is about this account.")]
FromStart = Annotated[bool, typer.Option("--from-start", help="From the oldest record that is kept; from now without.")]
UntilEnd = Annotated[bool, typer.Option("--until-end", help="Stop at what is there now; for ever without.")]


@feed_app.command("feed")
def feed(
    subject: Subject,
    kafka: Kafka = "127.0.0.1:19092",
    market: Market = "",
    account: Account = 0,
    from_start: FromStart = False,  # noqa: FBT002
    until_end: UntilEnd = False,  # noqa: FBT002
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Read a feed from Kafka, each record once."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    terminal = Terminal(as_json=as_json)

    async def work() -> None:
        from services.client import kafka_feed  # noqa: PLC0415 - aiokafka is an extra, needed here alone

        if subject not in kafka_feed.subjects():
            raise typer.BadParameter(f"no feed {subject!r}: there are {', '.join(kafka_feed.subjects())}")
        listed = await kafka_feed.read_listed(kafka)
        is_wanted = kafka_feed.about(market_of(listed, market), account)
        async for line in kafka_feed.read_feed(kafka, subject, from_start=from_start, until_end=until_end):
            if line.missing:
                warn(line.partition, line.missing, line.record.seq)
            if is_wanted(line.record):
                place = {"topic": line.topic, "partition": line.partition}
                terminal.line(events.event_line(line.record, listed), {**place, **events.record_json(line.record)})

    finish(work(), terminal)


def market_of(listed: Listed, symbol: str) -> int:
    """Number of a market, 0 for none; ClientError for one that is not listed."""
    if symbol and symbol not in listed.by_symbol:
        raise ClientError(listed.no_market(symbol))
    return listed.by_symbol[symbol].id if symbol else 0


def warn(partition: int, missing: int, seq: int) -> None:
    """Say what is missing."""
    sys.stderr.write(f"vigil: partition {partition}: {missing} records before seq {seq} are missing\n")
