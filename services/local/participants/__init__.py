"""Participants: ordinary clients over gRPC, each with its own key, that make markets and take them; nothing here is privileged.

What they do depends on the seed and on what they see. They are not clever: makers quote round mark and index, takers chase moves with
leverage, so that a crash has somebody to liquidate, and arbitrageurs keep spot and perpetual together.
"""

from services.local.participants.crowd import Crowd, Mix, NoSuchMarket, trade

__all__ = ["Crowd", "Mix", "NoSuchMarket", "trade"]
