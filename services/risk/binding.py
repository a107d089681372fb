"""What binds a subaccount now, in words and numbers as its owner reads them; it decides nothing."""

from collections.abc import Sequence

from services.core.collateral import WORTH_DECIMALS
from services.core.decimals import format_decimal
from services.core.fixed import Amount, div_ceil, div_floor
from services.core.markets import is_unit
from services.risk.health import Health, is_due, is_liquidatable
from services.risk.leaving import must_stay
from services.risk.state import State, Subaccount
from vigil.v1 import trading_pb2 as pb

CENT = 10 ** (WORTH_DECIMALS - 2)


def binding(
    state: State, subaccount: Subaccount, now: Health, free: Amount, assets: Sequence[pb.MarginAsset]
) -> tuple[pb.MarginBinding.ValueType, str]:
    """What binds a subaccount, the hardest first, and the same in words. `free` is what is left for opening, in worth."""
    unit = unit_of(state)
    if subaccount.liquidation is not None:
        text = "being liquidated: until that is done only cancels and deposits are taken"
        return pb.MARGIN_BINDING_MAINTENANCE, text
    if is_liquidatable(now):
        begins = is_due(state, subaccount, now)
        when = (
            "liquidation begins with the next mark" if begins else "no liquidation before stale prices are fresh again"
        )
        text = f"equity is {lacking(now.maintenance - now.equity)} {unit} below maintenance margin: {when}"
        return pb.MARGIN_BINDING_MAINTENANCE, text
    spare = f"; equity is {money(now.equity - now.maintenance)} {unit} above liquidation" if now.maintenance else ""
    if free < 0:
        text = f"{lacking(-free)} {unit} below initial margin: only orders that reduce a position are taken{spare}"
        return pb.MARGIN_BINDING_INITIAL, text
    text = f"{money(free)} {unit} of initial margin is free for more{spare}"
    kept = [line for line in assets if line.withdrawable < max(0, line.idle + line.lent - line.hold)]
    debts = unsettled(state, subaccount)
    if debts:
        text += f"; {debts} is owed from a liquidation and nothing may be withdrawn until a deposit has paid it"
    elif kept:
        text += f"; of what is {where(kept)} {' or '.join(withdrawable(state, line) for line in kept)} may be withdrawn"
        text += (
            ", a part of what positions are worth stays" if rests_on_notional(state, subaccount, now, assets) else ""
        )
    return (pb.MARGIN_BINDING_WITHDRAWAL if debts or kept else pb.MARGIN_BINDING_NOTHING), text


def withdrawable(state: State, line: pb.MarginAsset) -> str:
    """How much of an asset may leave."""
    return f"{grouped(line.withdrawable, state.assets[line.asset].decimals)} {line.symbol}"


def where(lines: Sequence[pb.MarginAsset]) -> str:
    """Where money lies that may leave in part."""
    places = {"idle": any(line.idle > 0 for line in lines), "lent": any(line.lent for line in lines)}
    return " and ".join(place for place, is_there in places.items() if is_there)


def rests_on_notional(state: State, subaccount: Subaccount, now: Health, assets: Sequence[pb.MarginAsset]) -> bool:
    """Whether what must stay, beside losses of positions, is a share of what these are worth rather than initial margin (M-11)."""
    stays = any(line.withdrawable < line.idle + line.lent - line.hold + min(0, line.unrealised) for line in assets)
    least, closing = must_stay(state, subaccount)
    return stays and least + closing > now.initial


def unsettled(state: State, subaccount: Subaccount) -> str:
    """Debts outside equity (M-13), "" without any."""
    owed = ((state.assets[asset], -amount) for asset, amount in sorted(subaccount.unsettled.items()) if amount)
    return " and ".join(f"{grouped(amount, asset.decimals)} {asset.symbol}" for asset, amount in owed)


def unit_of(state: State) -> str:
    """Symbol of the asset that is the unit of account."""
    units = (asset.symbol for asset in state.assets.values() if is_unit(asset.collateral))
    return next(units, "of the unit of account")


def grouped(units: int, decimals: int) -> str:
    """Exact decimal of a number >= 0 with its thousands apart."""
    whole, point, rest = format_decimal(units, decimals).partition(".")
    return f"{int(whole):,}{point}{rest}"


def money(worth: Amount) -> str:
    """Worth that is there, to the cent; rounds down."""
    cents = div_floor(worth, CENT)
    return f"{div_floor(cents, 100):,}.{cents % 100:02d}"


def lacking(worth: Amount) -> str:
    """Worth that is not there, to the cent; rounds up."""
    return money(div_ceil(worth, CENT) * CENT)
