"""What may be withdrawn now, told in numbers: what there is, what must stay, what binds, when the rest matures (M-11)."""

from services.core.fixed import Amount, AssetId, div_floor
from services.core.messages import Mode
from services.risk.health import total
from services.risk.leaving import available_amount, must_stay, parts_left
from services.risk.lines import cash_of
from services.risk.profits import PARTS_THAT_LEAVE, Profit, is_deeper, profits, realised_lately, withheld
from services.risk.shares import lent_and_owed
from services.risk.state import State, Subaccount
from vigil.v1 import trading_pb2 as pb

TEXT = {
    pb.WITHDRAWAL_BOUND_BALANCE: "all that there is may leave",
    pb.WITHDRAWAL_BOUND_MARGIN: "the rest stays for initial margin",
    pb.WITHDRAWAL_BOUND_NOTIONAL: "the rest stays for the positions' size, and for closing them on the depth there is",
    pb.WITHDRAWAL_BOUND_MATURITY: "half of a floating profit may leave once its period has closed well; the rest goes on earning",
    pb.WITHDRAWAL_BOUND_POOL: "the pool's cash gives no more here now; its next period, repayments and new supply bring more",
    pb.WITHDRAWAL_BOUND_DEPTH: "the book is thinner than a position whose profit would leave",
    pb.WITHDRAWAL_BOUND_LIQUIDATION: "nothing leaves during a liquidation or beside an unsettled debt",
    pb.WITHDRAWAL_BOUND_REALISATION: "floating profit is not realised while the mode is off",
}


def withdrawable(state: State, subaccount: Subaccount, asset: AssetId) -> pb.Withdrawable:
    """Explain the largest withdrawal of an asset that would be admitted now. Units: of the asset."""
    cash, floating = cash_of(state, subaccount, asset, subaccount.modes), profits(state, subaccount, asset)
    by_margin = available_amount(state, subaccount, asset)
    amount = min(by_margin, cash.amount)
    lines = lines_of(state, subaccount, asset, by_margin)
    if asset in state.pools:
        lines.append(pb.WithdrawableLine(name="cash that can be had now", amount=cash.amount, is_limit=True))
    binding = binding_of(state, subaccount, asset, floating, by_margin, cash.amount)
    text = (
        TEXT[binding] if amount or binding != pb.WITHDRAWAL_BOUND_BALANCE else "there is nothing of it that could leave"
    )
    pool = state.pools.get(asset)
    maturing = realised_lately(state, subaccount, asset)
    maturing += sum(div_floor(one.whole, PARTS_THAT_LEAVE) for one in floating if not one.free)
    return pb.Withdrawable(
        subaccount=subaccount.id,
        at_ms=state.now_ms,
        asset=asset,
        amount=amount,
        binding=binding,
        binding_text=text,
        lines=lines,
        maturing=maturing,
        matures_at_ms=pool.indices.closes_at_ms if pool is not None and maturing else 0,
    )


def lines_of(state: State, subaccount: Subaccount, asset: AssetId, by_margin: Amount) -> list[pb.WithdrawableLine]:
    """What there is, then what must stay; they add up to what margin and maturity let go."""
    lent, owed = lent_and_owed(state, subaccount, asset)
    part = parts_left(state, subaccount).get(asset)
    if part is None:
        return []
    rows = [
        ("idle", subaccount.idle.get(asset, 0)),
        ("lent", lent),
        ("owed", -owed),
        ("profit that has not matured, or stays", -withheld(state, subaccount, asset)),
        ("loss since the last pulse or settlement", part.profit),
        ("held by orders", -part.holds),
    ]
    left = sum(amount for _name, amount in rows)
    rows.append(("margin of positions, orders and debts", by_margin - max(0, left)))
    return [pb.WithdrawableLine(name=name, amount=amount) for name, amount in rows if amount]


def binding_of(
    state: State, subaccount: Subaccount, asset: AssetId, floating: list[Profit], by_margin: Amount, cash: Amount
) -> "pb.WithdrawalBound.ValueType":
    """Which bound a larger withdrawal would pass first."""
    if any(subaccount.unsettled.values()) or subaccount.liquidation is not None:
        return pb.WITHDRAWAL_BOUND_LIQUIDATION
    if cash < by_margin:
        return pb.WITHDRAWAL_BOUND_POOL
    parts = parts_left(state, subaccount)
    part = parts.get(asset)
    most = max(0, part.net - part.holds) if part is not None else 0
    if by_margin < most:
        least, closing = must_stay(state, subaccount)
        stays = least + closing > total(state, parts).initial
        return pb.WITHDRAWAL_BOUND_NOTIONAL if stays else pb.WITHDRAWAL_BOUND_MARGIN
    return bound_of_profit(state, subaccount, floating)


def bound_of_profit(state: State, subaccount: Subaccount, floating: list[Profit]) -> "pb.WithdrawalBound.ValueType":
    """Why floating profit stays, if any does."""
    held = [one for one in floating if one.withheld]
    if any(realised_lately(state, subaccount, asset) for asset in state.pools):
        return pb.WITHDRAWAL_BOUND_MATURITY
    if not held:
        return pb.WITHDRAWAL_BOUND_BALANCE
    if not subaccount.modes & Mode.REALISE:
        return pb.WITHDRAWAL_BOUND_REALISATION
    is_thin = any(is_deeper(state, one.market.id, subaccount.exposures[one.market.id].size) for one in held)
    return pb.WITHDRAWAL_BOUND_DEPTH if is_thin else pb.WITHDRAWAL_BOUND_MATURITY
