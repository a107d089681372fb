"""What a gateway bears: settings, and one token bucket per account; real time, for it shields this process, not the venue."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic_ns

import grpc

from services.core.fixed import AccountId
from services.core.reasons import TEXT, Reason
from services.core.rpc import Refused, RpcSettings

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class GatewaySettings:
    """Limits and paces of a gateway. Times ending in `_s` are real seconds, `_ms` are of the log's clock."""

    rpc: RpcSettings = field(default_factory=RpcSettings)
    commands_per_s: int = 500
    """Per account; a cancel and a query count as one fifth."""
    burst: int = 1_000
    accounts_tracked: int = 100_000
    deadline_s: float = 5.0
    """For a client that sets none."""
    deadline_s_max: float = 30.0
    margin_s: float = 0.05
    """How long before the deadline the answer goes out."""
    ask_after_s: float = 0.15
    """When a result has not come by the feed, its owner is asked; then at growing intervals."""
    ask_every_s: float = 1.0
    poll_s: float = 1.0
    lag_ms_max: int = 5_000
    lag_records_max: int = 20_000
    start_s_max: float = 60.0
    queue_records: int = 10_000
    """Records that wait for a stream's reader before it is disconnected."""
    batch_records: int = 200
    """Records per stream message."""
    streams_max: int = 1_000


@dataclass(slots=True)
class Bucket:
    """Tokens of one account, in nanoseconds of refill."""

    filled_ns: int
    tokens: int


class RateLimit:
    """Token buckets by account. Only what a key signed is charged, so nobody can use up another's."""

    FULL_COST = 5
    SMALL_COST = 1

    def __init__(self, settings: GatewaySettings, clock: Callable[[], int] = monotonic_ns) -> None:
        """Begin with full buckets; tokens are fifths of a command."""
        self.per_s = settings.commands_per_s * self.FULL_COST
        self.capacity = settings.burst * self.FULL_COST
        self.tracked = settings.accounts_tracked
        self.limit = settings.commands_per_s
        self.clock = clock
        self.buckets: OrderedDict[AccountId, Bucket] = OrderedDict()

    def charge(self, account: AccountId, cost: int) -> None:
        """Take `cost` tokens; raises Refused when there are fewer."""
        now = self.clock()
        bucket = self.buckets.get(account)
        if bucket is None:
            bucket = self.buckets[account] = Bucket(now, self.capacity)
            if len(self.buckets) > self.tracked:
                self.buckets.popitem(last=False)
        else:
            self.buckets.move_to_end(account)
            self.refill(bucket, now)
        if bucket.tokens < cost:
            reason = Reason.TOO_MANY_REQUESTS
            text = TEXT[reason].format(limit=self.limit)
            raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, text, reason)
        bucket.tokens -= cost

    def refill(self, bucket: Bucket, now_ns: int) -> None:
        """Add whole tokens for the time that passed; the rest of the time is kept."""
        added, rest = divmod((now_ns - bucket.filled_ns) * self.per_s, NANOSECONDS)
        bucket.tokens = min(self.capacity, bucket.tokens + added)
        bucket.filled_ns = now_ns - rest // self.per_s
