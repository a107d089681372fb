"""What a lending pool takes: settlement keeps an admin's word, the pool keeps to it from its next opening on."""

from services.core.commands import check_admin
from services.core.messages import Message, PoolStateSet, SetPoolState
from services.core.pool import PoolState
from services.core.reasons import Reason, Refusal
from services.settlement.state import State


def process_pool_state(state: State, command: SetPoolState) -> list[Message]:
    """Set what a pool takes and tell it; the same again changes nothing."""
    header = command.header
    answer = state.commands.take(header, check_admin(header, state.genesis, state.now_ms), state.now_ms)
    if answer is not None:
        return [*answer]
    refusal = check_pool_state(state, command)
    resolved = state.commands.resolve(header.account, header.command_id, refusal=refusal)
    if refusal is not None or state.pool_states.get(command.asset, PoolState.OPEN) == command.state:
        return [*resolved]
    state.pool_states[command.asset] = command.state
    return [PoolStateSet(command.asset, command.state), *resolved]


def check_pool_state(state: State, command: SetPoolState) -> Refusal | None:
    """Refuse what is no state of a pool, an unknown asset, and one without a pool."""
    if command.state not in tuple(PoolState):
        return Refusal(Reason.MALFORMED, max(PoolState))
    asset = state.assets.get(command.asset)
    if asset is None:
        return Refusal(Reason.UNKNOWN_ASSET)
    return None if asset.pool is not None else Refusal(Reason.NO_POOL)
