"""Commands about the lending pools, and how a subaccount's money moves by itself, as messages.

As in translate.py nothing is rounded, and what needs state (claims, debts, what a pool takes and can give) is left to the machine.
"""

from collections.abc import Callable
from typing import TypeAlias

from services.core import messages as m
from services.core.fixed import Amount
from services.core.markets import Asset, Market
from services.core.reasons import Reason
from services.core.rpc import shown
from services.gateway.fields import CommandRefused, Listings, amount_of, asset_of, subaccount_of
from vigil.v1 import trading_pb2 as pb

MODES_ALL = int(sum(m.Mode))
MODES_NAMED = ", ".join(f"{mode.value} {mode.name.lower()}" for mode in m.Mode)
AUTOMATIC = {
    "auto_borrow": m.Mode.BORROW,
    "auto_borrow_repay": m.Mode.REPAY,
    "auto_lend_redeem": m.Mode.REDEEM,
    "auto_lend": m.Mode.LEND,
}
"""What an order may let money do for it alone."""
Asked: TypeAlias = pb.Lend | pb.Redeem | pb.Borrow | pb.Repay
Kind: TypeAlias = type[m.Lend] | type[m.Redeem] | type[m.Borrow] | type[m.Repay]


def modes_of(order: pb.PlaceOrder, market: Market) -> int:
    """Modes of an order, beside those of its subaccount."""
    said = [name for name in AUTOMATIC if getattr(order, name)]
    if said and not market.is_spot:
        text = f"{', '.join(said)}: for spot orders, which exchange money; {market.symbol} takes what margin lacks by itself"
        raise CommandRefused(Reason.INVALID_MODES, 0, text)
    return sum(AUTOMATIC[name] for name in said)


def set_modes(asked: pb.SetModes, header: m.CommandHeader, listings: Listings) -> m.SetModes:
    """Build SetModes."""
    del listings
    subaccount = subaccount_of(header.account, asked.subaccount)
    if asked.modes > MODES_ALL:
        text = f"modes {asked.modes}: bits of {MODES_NAMED} are accepted, at most {MODES_ALL} together"
        raise CommandRefused(Reason.INVALID_MODES, MODES_ALL, text)
    return m.SetModes(header, subaccount, asked.modes)


def pooled(symbol: str, listings: Listings) -> Asset:
    """Return an asset that has a lending pool."""
    asset = asset_of(symbol, listings)
    if asset.pool is None:
        raise CommandRefused(Reason.NO_POOL, 0, f"{asset.symbol} has no lending pool; see GetPools")
    return asset


def some_or_all(text: str, asset: Asset) -> Amount:
    """An amount above zero, or 0 for all when none was said."""
    return amount_of(text, asset) if text else 0


def some(text: str, asset: Asset) -> Amount:
    """An amount above zero."""
    if not text:
        raise CommandRefused(Reason.INVALID_AMOUNT, 0, f"amount {shown(text)}: more than 0 is accepted; say how much")
    return amount_of(text, asset)


def moves(
    kind: Kind, amount: Callable[[str, Asset], Amount]
) -> Callable[[Asked, m.CommandHeader, Listings], m.Message]:
    """How to build a command that moves an amount into a pool or out of it."""

    def build(asked: Asked, header: m.CommandHeader, listings: Listings) -> m.Message:
        subaccount = subaccount_of(header.account, asked.subaccount)
        asset = pooled(asked.asset, listings)
        return kind(header, subaccount, asset.id, amount(asked.amount, asset))

    return build


LENDING: dict[str, Callable[..., m.Message]] = {
    "set_modes": set_modes,
    "lend": moves(m.Lend, some),
    "redeem": moves(m.Redeem, some_or_all),
    "borrow": moves(m.Borrow, some),
    "repay": moves(m.Repay, some_or_all),
}
"""By the name of the request."""
