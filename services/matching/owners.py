"""Positions of one owner's accounts in a market, bounded together while orders trade (`Market.owner_position_max`)."""

from dataclasses import dataclass, field
from typing import final

from services.core.fixed import AccountId, Size, SubaccountId, account_of


@final
@dataclass(slots=True)
class Owners:
    """Sums of absolute sizes by owner as a plan begins, and what it moves. Nothing that falls below the limit, or closes, is stopped."""

    limit: Size
    owner_of: dict[AccountId, int]
    sizes: dict[int, Size]
    moved: dict[int, Size] = field(default_factory=dict)

    def owner(self, subaccount: SubaccountId) -> int:
        """Owner of a subaccount; an account of which nobody was named is its own owner, below zero."""
        return owner_of(self.owner_of, account_of(subaccount))

    def room(self, owner: int) -> Size:
        """How much an owner's positions may still grow."""
        return max(0, self.limit - self.sizes.get(owner, 0) - self.moved.get(owner, 0))

    def move(self, subaccount: SubaccountId, grown: Size) -> None:
        """Count what a position has grown or shrunk by, without its sign."""
        owner = self.owner(subaccount)
        self.moved[owner] = self.moved.get(owner, 0) + grown


def owner_of(owners: dict[AccountId, int], account: AccountId) -> int:
    """Return the number under which the positions of an account's owner are summed."""
    return owners.get(account) or -account
