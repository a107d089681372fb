"""A subaccount's own leverage limit: it raises initial margin fractions, never those of maintenance."""

from services.core.messages import LeverageSet, Message, Scope, SetLeverage
from services.core.reasons import Reason, Refusal
from services.risk.access import take_up
from services.risk.health import health
from services.risk.orders import refuse
from services.risk.state import State, Subaccount

LEVERAGE_MAX = 100


def process_leverage(state: State, command: SetLeverage) -> list[Message]:
    """Take a new limit that the margin held now covers; a looser one is always taken."""
    header = command.header
    answer = take_up(state, header, command.subaccount, Scope.TRADE, orders=1)
    if answer is not None:
        return answer
    wanted = command.leverage_max
    known = state.subaccounts.get(command.subaccount) or Subaccount(command.subaccount)
    if not 0 <= wanted <= LEVERAGE_MAX or (is_tighter(known.leverage_max, wanted) and not covers(state, known, wanted)):
        return refuse(state, header, Refusal(Reason.INVALID_LEVERAGE, LEVERAGE_MAX))
    subaccount = state.subaccount(command.subaccount)
    subaccount.leverage_max = wanted
    return [*state.commands.resolve(header.account, header.command_id), LeverageSet(subaccount.id, wanted)]


def is_tighter(before: int, wanted: int) -> bool:
    """Whether a limit allows less than the one before; 0 is no limit."""
    return wanted != 0 and (before == 0 or wanted < before)


def covers(state: State, subaccount: Subaccount, wanted: int) -> bool:
    """Whether a subaccount has the initial margin that it would need under a limit; it is left as it was."""
    before, subaccount.leverage_max = subaccount.leverage_max, wanted
    now = health(state, subaccount)
    subaccount.leverage_max = before
    return now.equity_initial >= now.initial
