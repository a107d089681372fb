"""The settlement machine: money in, money out, assets; custody itself is an adapter's business."""

from typing import TypeAlias

from services.core.books import balanced
from services.core.commands import check_admin, check_window
from services.core.fixed import LIMIT, Amount, AssetId, account_of, unexpected
from services.core.markets import Asset
from services.core.messages import (
    AccountTierSet,
    AdminFrameSigned,
    AssetListed,
    Book,
    CollateralListed,
    CommandResolved,
    ContributeToFund,
    DepositCredited,
    FaucetDeposit,
    FeeScheduleSet,
    FrameSigned,
    FundContributed,
    LimitTiersSet,
    ListAsset,
    Message,
    OwnerSet,
    PoolStateSet,
    Posted,
    Record,
    SetAccountTier,
    SetFeeSchedule,
    SetLimitTiers,
    SetOwner,
    SetPoolState,
    WithdrawalPaid,
    WithdrawalRequested,
    WithdrawalReturned,
    WithdrawalSettled,
)
from services.core.reasons import Reason, Refusal
from services.core.spine import Machine, machine_number
from services.settlement.fees import process_account_tier, process_fee_schedule
from services.settlement.limits import process_limit_tiers, process_owner
from services.settlement.listing import check_asset
from services.settlement.pools import process_pool_state
from services.settlement.state import State, check_invariants

Input: TypeAlias = (
    ListAsset
    | ContributeToFund
    | SetFeeSchedule
    | SetAccountTier
    | SetLimitTiers
    | SetOwner
    | SetPoolState
    | FaucetDeposit
    | FrameSigned
    | AdminFrameSigned
    | WithdrawalRequested
)
Output: TypeAlias = (
    AssetListed
    | CollateralListed
    | FeeScheduleSet
    | AccountTierSet
    | LimitTiersSet
    | OwnerSet
    | PoolStateSet
    | DepositCredited
    | WithdrawalPaid
    | WithdrawalReturned
    | WithdrawalSettled
    | FundContributed
    | CommandResolved
    | Posted
)


def apply(state: State, record: Record) -> list[Message]:
    """Advance settlement by one record."""
    match record.message:
        case FaucetDeposit() as deposit:
            return process_deposit(state, deposit)
        case WithdrawalRequested() as requested:
            return process_withdrawal(state, requested)
        case ListAsset() as listing:
            return process_list_asset(state, listing)
        case ContributeToFund() as contribution:
            return process_contribution(state, contribution)
        case SetFeeSchedule() as schedule:
            return process_fee_schedule(state, schedule)
        case SetAccountTier() as tier:
            return process_account_tier(state, tier)
        case SetLimitTiers() as limits:
            return process_limit_tiers(state, limits)
        case SetOwner() as owner:
            return process_owner(state, owner)
        case SetPoolState() as command:
            return process_pool_state(state, command)
        case FrameSigned() | AdminFrameSigned():
            return []
        case unknown:
            raise unexpected(unknown)


def process_deposit(state: State, deposit: FaucetDeposit) -> list[Message]:
    """Give a test venue's money to a subaccount."""
    header = deposit.header
    answer = state.commands.take(header, check_owner(deposit) or check_window(header, state.now_ms), state.now_ms)
    if answer is not None:
        return [*answer]
    refusal = check_deposit(state, deposit)
    if refusal is not None:
        return [*state.commands.resolve(header.account, header.command_id, refusal=refusal)]
    state.deposits += 1
    return [
        take_in(state, "deposit", state.deposits, deposit.asset, deposit.amount, "risk"),
        DepositCredited(deposit.subaccount, deposit.asset, deposit.amount, state.deposits),
        *state.commands.resolve(header.account, header.command_id),
    ]


def check_owner(deposit: FaucetDeposit) -> Refusal | None:
    """Refuse a subaccount of somebody else."""
    return None if account_of(deposit.subaccount) == deposit.header.account else Refusal(Reason.UNAUTHORIZED)


def check_deposit(state: State, deposit: FaucetDeposit) -> Refusal | None:
    """Refuse what the faucet does not give."""
    asset = state.assets.get(deposit.asset)
    if asset is None:
        return Refusal(Reason.UNKNOWN_ASSET)
    if not 0 < deposit.amount <= asset.faucet_max:
        return Refusal(Reason.INVALID_AMOUNT, asset.faucet_max)
    return check_room(state, deposit.asset, deposit.amount) or check_cap(state, asset, deposit.amount)


def check_cap(state: State, asset: Asset, amount: Amount) -> Refusal | None:
    """Refuse what would give the venue more of an asset than it takes as collateral."""
    most = asset.collateral.venue_max
    if most and state.custody.get(asset.id, 0) + amount > most:
        return Refusal(Reason.COLLATERAL_CAP, most)
    return None


def check_room(state: State, asset: AssetId, amount: Amount) -> Refusal | None:
    """Refuse what would take the venue's total of an asset out of range."""
    if state.custody.get(asset, 0) + amount >= LIMIT:
        return Refusal(Reason.NUMBER_LIMIT, LIMIT)
    return None


def process_list_asset(state: State, listing: ListAsset) -> list[Message]:
    """List an asset and tell everybody, and who makes its price if it has one; the same again changes nothing."""
    header = listing.header
    answer = state.commands.take(header, check_admin(header, state.genesis, state.now_ms), state.now_ms)
    if answer is not None:
        return [*answer]
    known = state.assets.get(listing.asset.id)
    refusal = check_asset(listing.asset) if known is None else check_same(known, listing.asset)
    done = state.commands.resolve(header.account, header.command_id, refusal=refusal)
    if refusal is not None or known is not None:
        return [*done]
    state.assets[listing.asset.id] = listing.asset
    priced = [CollateralListed(listing.asset.id)] if listing.asset.collateral.index else []
    return [AssetListed(listing.asset), *priced, *done]


def check_same(known: Asset, asset: Asset) -> Refusal | None:
    """Refuse another listing under a known id."""
    return None if known == asset else Refusal(Reason.ALREADY_LISTED)


def process_contribution(state: State, contribution: ContributeToFund) -> list[Message]:
    """Put the venue's own money into an insurance fund."""
    header = contribution.header
    answer = state.commands.take(header, check_admin(header, state.genesis, state.now_ms, two=True), state.now_ms)
    if answer is not None:
        return [*answer]
    refusal = check_contribution(state, contribution)
    if refusal is not None:
        return [*state.commands.resolve(header.account, header.command_id, refusal=refusal)]
    return [
        take_in(state, "fund", 0, contribution.asset, contribution.amount, "insurance_fund"),
        FundContributed(contribution.group, contribution.asset, contribution.amount),
        *state.commands.resolve(header.account, header.command_id),
    ]


def check_contribution(state: State, contribution: ContributeToFund) -> Refusal | None:
    """Refuse an unknown asset or an amount that is none."""
    if contribution.asset not in state.assets:
        return Refusal(Reason.UNKNOWN_ASSET)
    if contribution.amount <= 0:
        return Refusal(Reason.INVALID_AMOUNT, LIMIT)
    return check_room(state, contribution.asset, contribution.amount)


def process_withdrawal(state: State, requested: WithdrawalRequested) -> list[Message]:
    """Pay what risk has debited if custody holds it, else send it back (M-7)."""
    subaccount, asset, amount = requested.subaccount, requested.asset, requested.amount
    identity = requested.withdrawal_id
    if state.custody.get(asset, 0) < amount:
        return [
            WithdrawalReturned(subaccount, asset, amount, identity, Reason.CUSTODY_SHORT),
            WithdrawalSettled(subaccount, asset, amount, identity, Reason.CUSTODY_SHORT),
        ]
    return [
        take_in(state, "withdrawal", identity, asset, -amount, "risk"),
        WithdrawalPaid(subaccount, asset, amount, identity),
        WithdrawalSettled(subaccount, asset, amount, identity),
    ]


def take_in(state: State, kind: str, reference: int, asset: AssetId, amount: Amount, receiver: str) -> Posted:
    """Move money from outside to another machine; a negative amount the other way."""
    number = machine_number(receiver)
    state.custody[asset] = state.custody.get(asset, 0) + amount
    books = state.transit.setdefault(number, {})
    books[asset] = books.get(asset, 0) + amount
    return balanced(
        kind, reference, state.now_ms, [(Book.OUTSIDE, 0, 0, asset, -amount), (Book.TRANSIT, number, 0, asset, amount)]
    )


MACHINE = Machine("settlement", State, apply, check_invariants)
