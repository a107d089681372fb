"""Builders of commands about lending pools and a subaccount's modes, amounts in exact decimals; they send nothing."""

from collections.abc import Iterable

from services.client.commands import optional
from services.client.views import Quantity, plain
from services.core.messages import Mode
from vigil.v1 import trading_pb2 as pb

MODES = {mode.name.lower(): mode for mode in Mode}
"""What a subaccount's money may do by itself, by name."""


def modes_command(modes: Iterable[str], *, subaccount: int = 0) -> pb.Command:
    """Command that lets money do these of MODES by itself, and no others; ValueError for one that there is not."""
    wanted = {*modes}
    if not wanted <= MODES.keys():
        raise ValueError(f"no mode {', '.join(sorted(wanted - MODES.keys()))}: there are {', '.join(MODES)}")
    bits = sum(bit for name, bit in MODES.items() if name in wanted)
    return pb.Command(set_modes=pb.SetModes(subaccount=subaccount, modes=bits))


def lend_command(asset: str, amount: Quantity, *, subaccount: int = 0) -> pb.Command:
    """Command that supplies idle money to the asset's pool."""
    return pb.Command(lend=pb.Lend(subaccount=subaccount, asset=asset, amount=plain(amount)))


def redeem_command(asset: str, amount: Quantity | None = None, *, subaccount: int = 0) -> pb.Command:
    """Command that takes lent money back, all of it without `amount`."""
    return pb.Command(redeem=pb.Redeem(subaccount=subaccount, asset=asset, amount=optional(amount)))


def borrow_command(asset: str, amount: Quantity, *, subaccount: int = 0) -> pb.Command:
    """Command that borrows from the asset's pool; the interest of its open period is paid at once."""
    return pb.Command(borrow=pb.Borrow(subaccount=subaccount, asset=asset, amount=plain(amount)))


def repay_command(asset: str, amount: Quantity | None = None, *, subaccount: int = 0) -> pb.Command:
    """Command that repays a debt from idle money, all of it without `amount`."""
    return pb.Command(repay=pb.Repay(subaccount=subaccount, asset=asset, amount=optional(amount)))
