"""Feed records as one line: names and numbers for people, or JSON for scripts with every field as the schema has it."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from services.client.listed import Listed
from services.client.show import clock, number
from services.client.views import exact, modes_of, word
from services.core.collateral import WORTH_DECIMALS
from services.core.fixed import INDEX_DECIMALS
from services.core.reasons import Reason
from vigil.v1 import common_pb2, feeds_pb2

SIZES = (
    *("size", "remaining", "open_interest", "bid_depth", "ask_depth", "best_bid_size", "best_ask_size"),
    *("volume", "quantity", "delta"),
)
PRICES = (
    *("price", "mark_price", "index_price", "best_bid", "best_ask", "impact_bid", "impact_ask", "last_price"),
    "trigger_price",
)
SETTLED = ("cash", "basis", "fee", "payment", "payment_per_lot", "turnover", "amount")
AMOUNTS = (
    *("idle", "hold", "unsettled", "amount", "balance", "change", "lent", "owed"),
    *("supplied", "borrowed", "cash", "reserve", "kept_back", "loss", "lines", "by_reserve", "by_suppliers"),
)
FRACTIONS = (
    *("rate", "premiums", "maker_share", "taker_share", "trail", "position_share"),
    *("used", "bound", "borrow_rate", "lend_rate"),
)
INDICES = ("supply", "mint", "borrow", "burn")
"""Of a pool, units per share."""
TIMES = ("at_ms", "expires_ms", "next_ms", "until_ms", "closes_at_ms", "full_at_ms")
INDEX_ONE_DECIMALS = 15
WORTH = ("equity", "maintenance_margin")


def record_json(record: feeds_pb2.FeedRecord) -> dict[str, Any]:
    """A record for scripts; 64-bit numbers are text, as in every JSON form of protobuf."""
    event = record.WhichOneof("event") or ""
    said = MessageToDict(record, preserving_proto_field_name=True)
    return {
        "machine": record.machine,
        "seq": str(record.seq),
        "at_ms": str(record.at_ms),
        "event": event,
        event: said.get(event, {}),
    }


def event_line(record: feeds_pb2.FeedRecord, listed: Listed) -> str:
    """A record for people: its event and fields, with decimals."""
    name = record.WhichOneof("event")
    if name is None:
        return f"{clock(record.at_ms)}  an event that this release does not know"
    return f"{clock(record.at_ms)}  {name}  {fields_line(getattr(record, name), listed)}"


def fields_line(event: Message, listed: Listed, market: int = 0) -> str:
    """Fields of an event, or of what it holds, which is of the same market."""
    own = getattr(event, "market", market)
    market = own.id if isinstance(own, common_pb2.Market) else own
    if isinstance(event, common_pb2.Market | common_pb2.Asset):
        return event.symbol
    if isinstance(event, feeds_pb2.CollateralPrice) and event.asset in listed.assets:
        return f"{listed.assets[event.asset].symbol}={number(exact(event.price, INDEX_DECIMALS))}"
    if isinstance(event, feeds_pb2.Mark) and market in listed.markets:
        prices = [number(listed.price(market, units)) for units in (event.mark_price, event.index_price)]
        return f"{listed.symbol(market)}={prices[0]} index={prices[1]}"
    asset = getattr(event, "asset", 0)
    return " ".join(
        f"{field.name}={shown(field, content, listed, market, asset)}" for field, content in event.ListFields()
    )


def shown(field: FieldDescriptor, content: Any, listed: Listed, market: int, asset: Any) -> str:  # noqa: ANN401
    """One field; of a list all of it."""
    if field.is_repeated:
        return "[" + ", ".join(shown_one(field, one, listed, market, asset) for one in content) + "]"
    return shown_one(field, content, listed, market, asset)


def shown_one(field: FieldDescriptor, content: Any, listed: Listed, market: int, asset: Any) -> str:  # noqa: ANN401
    """One value of a field, by its name."""
    name = field.name
    if field.message_type is not None:
        return fields_line(content, listed, market)
    if field.enum_type is not None:
        return word(getattr(common_pb2, field.enum_type.name), content)
    if name == "reason":
        return reason_name(content)
    if name in FRACTIONS:
        return f"{exact(content, 12):f}"
    if name in INDICES:
        return number(exact(content, INDEX_ONE_DECIMALS))
    if name == "modes":
        return ",".join(modes_of(content)) or "none"
    if name in WORTH:
        return number(exact(content, WORTH_DECIMALS))
    if name in TIMES:
        return clock(content)
    if isinstance(content, bytes):
        return content.hex()
    return quantity(name, content, listed, market, asset)


def quantity(name: str, content: Any, listed: Listed, market: int, asset: Any) -> str:  # noqa: ANN401
    """A number in the decimals of its market or asset; as it came when those are not listed."""
    if market in listed.markets:
        if name == "market":
            return listed.symbol(market)
        for names, read in ((SIZES, listed.size), (PRICES, listed.price), (SETTLED, listed.settled)):
            if name in names:
                return number(read(market, content))
    if asset in listed.assets:
        if name == "asset":
            return listed.assets[asset].symbol
        if name in AMOUNTS:
            return number(listed.amount(asset, content))
    return str(content)


def reason_name(reason: int) -> str:
    """Name of a reason; its number when this release does not know it."""
    return Reason(reason).name if reason in REASONS else str(reason)


REASONS: Iterable[int] = tuple(Reason)
