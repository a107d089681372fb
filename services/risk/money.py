"""Accounts opened, money in and out, funding payments."""

from services.core.commands import check_window
from services.core.fixed import LIMIT, SUBACCOUNTS, Amount, AssetId, account_of
from services.core.keys import account_of_key, key_id
from services.core.messages import (
    SCOPES_ALL,
    AccountOpened,
    Book,
    DepositCredited,
    KeyAdded,
    Leg,
    Message,
    OpenAccount,
    Scope,
    Transfer,
    Withdraw,
    WithdrawalPaid,
    WithdrawalRequested,
    WithdrawalReturned,
)
from services.core.reasons import Reason, Refusal
from services.core.spine import machine_number
from services.risk import claims, lines
from services.risk.access import take_up
from services.risk.events import balance_changed
from services.risk.leaving import available_amount
from services.risk.orders import refuse
from services.risk.profits import lend_against, withheld
from services.risk.shares import lent_and_owed
from services.risk.state import Account, Key, Pool, State, Subaccount, post

SETTLEMENT = machine_number("settlement")


def process_open(state: State, opening: OpenAccount) -> list[Message]:
    """Open an account by its first key; the same key again changes nothing."""
    header = opening.header
    account = state.accounts.get(header.account) or Account(header.account)
    answer = state.commands.take(
        header, check_key(account, opening) or check_window(header, state.now_ms), state.now_ms
    )
    if answer is not None:
        return [*answer]
    state.accounts[account.id] = account
    fresh = header.key_id not in account.keys
    done = state.commands.resolve(header.account, header.command_id)
    if not fresh:
        return [*done]
    account.keys[header.key_id] = Key(opening.key)
    added = KeyAdded(account.id, header.key_id, opening.key, SCOPES_ALL)
    return [AccountOpened(account.id, header.key_id), added, *done]


def check_key(account: Account, opening: OpenAccount) -> Refusal | None:
    """Refuse another key than the account's, and one that does not hash to what the command says."""
    header = opening.header
    if account.keys and header.key_id not in account.keys:
        return Refusal(Reason.KEY_OF_ANOTHER_ACCOUNT)
    if account_of_key(opening.key) != header.account or key_id(opening.key) != header.key_id:
        return Refusal(Reason.UNAUTHORIZED)
    return None


def process_deposit(state: State, credited: DepositCredited) -> list[Message]:
    """Take a credit, always."""
    return [
        *take_in(state, "deposit", credited.deposit_id, credited),
        balance_changed(state, state.subaccount(credited.subaccount), credited.asset, "deposit"),
    ]


def take_in(state: State, kind: str, reference: int, credit: DepositCredited | WithdrawalReturned) -> list[Message]:
    """Book money from settlement; an unsettled debt of the subaccount is settled by it first (M-13)."""
    subaccount, asset, amount = state.subaccount(credit.subaccount), credit.asset, credit.amount
    events = claims.take_out(state, subaccount, asset)
    settled = min(amount, -subaccount.unsettled.get(asset, 0))
    legs: list[Leg] = [
        (Book.TRANSIT, SETTLEMENT, 0, asset, -amount),
        *recovered(state, subaccount, asset, settled),
        *claims.received(state, subaccount, asset, amount - settled, subaccount.modes),
    ]
    events.append(post(state, kind, reference, legs))
    events += claims.tidy(state, subaccount, asset)
    claims.put_back(state, subaccount, asset)
    return events


def recovered(state: State, subaccount: Subaccount, asset: AssetId, amount: Amount) -> list[Leg]:
    """Legs that settle an unsettled debt; what a pool has lost by it goes back to the pool, and is its loss no more (M-13)."""
    legs: list[Leg] = [(Book.UNSETTLED, subaccount.id, 0, asset, amount)]
    if asset in state.pools:
        made_good(state.pools[asset], amount)
        legs += [(Book.POOL_CASH, 0, 0, asset, amount), (Book.LOSS, 0, 0, asset, -amount)]
    return legs


def made_good(pool: Pool, amount: Amount) -> None:
    """Take what was recovered from a pool's loss, and from the groups' that make it up."""
    pool.loss -= amount
    for group in sorted(pool.losses):
        part = max(0, min(amount, pool.losses[group]))
        pool.losses[group] -= part
        amount -= part


def process_withdraw(state: State, withdraw: Withdraw) -> list[Message]:
    """Debit a withdrawal and ask settlement to pay it; its result is settlement's."""
    header = withdraw.header
    answer = take_up(state, header, withdraw.subaccount, Scope.WITHDRAW, orders=1)
    if answer is not None:
        return answer
    refusal = check_leaving(state, withdraw)
    if refusal is not None:
        return refuse(state, header, refusal)
    subaccount = state.subaccount(withdraw.subaccount)
    subaccount.withdrawal_ids += 1
    identity = subaccount.withdrawal_ids
    subaccount.withdrawals[identity] = header.command_id
    asset, amount = withdraw.asset, withdraw.amount
    events = claims.take_out(state, subaccount, asset)
    legs: list[Leg] = [*claims.drawn(state, subaccount, asset, amount), (Book.TRANSIT, SETTLEMENT, 0, asset, amount)]
    events.append(post(state, "withdrawal", identity, legs))
    claims.put_back(state, subaccount, asset)
    lend_against(state, subaccount)
    return [
        *events,
        balance_changed(state, subaccount, withdraw.asset, "withdrawal"),
        WithdrawalRequested(subaccount.id, withdraw.asset, withdraw.amount, identity, withdraw.address),
    ]


def process_transfer(state: State, transfer: Transfer) -> list[Message]:
    """Move money between two subaccounts of an account; it may leave as it may be withdrawn, and settles the receiver's debt first."""
    header, asset, amount = transfer.header, transfer.asset, transfer.amount
    answer = take_up(state, header, transfer.subaccount, Scope.TRADE, orders=1)
    if answer is not None:
        return answer
    refusal = check_receiver(transfer) or check_leaving(state, transfer)
    if refusal is not None:
        return refuse(state, header, refusal)
    giver, receiver = state.subaccount(transfer.subaccount), state.subaccount(transfer.receiver)
    events = [*claims.take_out(state, giver, asset), *claims.take_out(state, receiver, asset)]
    settled = min(amount, -receiver.unsettled.get(asset, 0))
    burnt, legs = given(state, giver, asset, amount)
    legs += recovered(state, receiver, asset, settled)
    if burnt:
        legs += claims.moved(state, receiver, asset, amount - settled)
    else:
        legs += claims.received(state, receiver, asset, amount - settled, receiver.modes)
    events.append(post(state, "transfer", header.command_id, legs))
    for subaccount in (giver, receiver):
        events += claims.tidy(state, subaccount, asset)
        claims.put_back(state, subaccount, asset)
    lend_against(state, giver)
    return [
        *events,
        balance_changed(state, giver, asset, "transfer"),
        balance_changed(state, receiver, asset, "transfer"),
        *state.commands.resolve(header.account, header.command_id),
    ]


def given(state: State, giver: Subaccount, asset: AssetId, amount: Amount) -> tuple[Amount, list[Leg]]:
    """Legs that take money for another subaccount, with how much of it is lent: that goes first, for changing hands it needs no cash."""
    lent, _owed = lent_and_owed(state, giver, asset)
    burnt = min(amount, lent)
    legs = claims.moved(state, giver, asset, -burnt) if burnt else []
    return burnt, [*legs, (Book.IDLE, giver.id, 0, asset, burnt - amount)]


def check_receiver(transfer: Transfer) -> Refusal | None:
    """Refuse another account's subaccount, and the giver itself."""
    own = account_of(transfer.receiver) == transfer.header.account and transfer.receiver != transfer.subaccount
    return None if own else Refusal(Reason.INVALID_SUBACCOUNT, SUBACCOUNTS - 1)


def check_leaving(state: State, leaving: Withdraw | Transfer) -> Refusal | None:
    """Refuse what may not leave now."""
    if leaving.asset not in state.assets:
        return Refusal(Reason.UNKNOWN_ASSET)
    if not 0 < leaving.amount < LIMIT:
        return Refusal(Reason.INVALID_AMOUNT, LIMIT)
    subaccount = state.subaccounts.get(leaving.subaccount) or Subaccount(leaving.subaccount)
    if subaccount.liquidation is not None:
        return Refusal(Reason.ACCOUNT_LIQUIDATING)
    available = available_amount(state, subaccount, leaving.asset)
    if leaving.amount > available:
        stays = withheld(state, subaccount, leaving.asset)
        is_unripe = available < leaving.amount <= available + stays
        return Refusal(Reason.PROFIT_NOT_MATURED if is_unripe else Reason.INSUFFICIENT_FUNDS, available)
    if leaving.asset in state.pools:
        return check_liquid(state, subaccount, leaving)
    return None


def check_liquid(state: State, subaccount: Subaccount, leaving: Withdraw | Transfer) -> Refusal | None:
    """Refuse a withdrawal that cash does not allow now; a transfer needs none, but takes no debt."""
    if isinstance(leaving, Withdraw):
        return lines.check_cash(state, subaccount, leaving.asset, leaving.amount, subaccount.modes)
    lent, _owed = lent_and_owed(state, subaccount, leaving.asset)
    own = lent + claims.free_idle(subaccount, leaving.asset)
    return Refusal(Reason.INSUFFICIENT_FUNDS, own) if leaving.amount > own else None


def process_withdrawal_paid(state: State, paid: WithdrawalPaid) -> list[Message]:
    """Resolve the command: the money left the venue."""
    subaccount = state.subaccount(paid.subaccount)
    command_id = subaccount.withdrawals.pop(paid.withdrawal_id)
    return [*state.commands.resolve(account_of(subaccount.id), command_id)]


def process_withdrawal_returned(state: State, returned: WithdrawalReturned) -> list[Message]:
    """Credit a withdrawal that custody could not pay."""
    subaccount = state.subaccount(returned.subaccount)
    command_id = subaccount.withdrawals.pop(returned.withdrawal_id)
    refusal = Refusal(Reason(returned.reason))
    return [
        *take_in(state, "withdrawal", returned.withdrawal_id, returned),
        balance_changed(state, subaccount, returned.asset, "withdrawal"),
        *state.commands.resolve(account_of(subaccount.id), command_id, refusal=refusal),
    ]
