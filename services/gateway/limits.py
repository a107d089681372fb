"""What a gateway bears: settings, and token buckets; real time, for they shield this process, not the venue."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from time import monotonic_ns

import grpc

from services.core.reasons import TEXT, Reason
from services.core.rpc import Refused, RpcSettings

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class GatewaySettings:
    """Limits and paces of a gateway. Times ending in `_s` are real seconds, `_ms` are of the log's clock."""

    rpc: RpcSettings = field(default_factory=RpcSettings)
    admin: RpcSettings | None = None
    """Where admin commands are taken, None for nowhere."""
    commands_per_s: int = 5_000
    """Per account, cancels twice as many; bursts of twice that. Each quote of a mass quote counts; risk has buckets of its own."""
    queries_per_s: int = 500
    forgeries_per_s: int = 10
    """Signatures that do not verify, per peer."""
    accounts_tracked: int = 100_000
    deadline_s: float = 5.0
    """For a client that sets none, and for each frame of a stream."""
    deadline_s_max: float = 30.0
    margin_s: float = 0.05
    """How long before the deadline the answer goes out."""
    ask_after_s: float = 0.15
    """When a result has not come by the feed though later ones did, its owner is asked; then at growing intervals."""
    ask_every_s: float = 1.0
    asks_max: int = 32
    """Questions about results that are out at once."""
    sweep_s: float = 0.05
    """How often deadlines and questions are looked at."""
    poll_s: float = 1.0
    lag_ms_max: int = 5_000
    lag_records_max: int = 20_000
    start_s_max: float = 60.0
    stop_s_max: float = 2.0
    """For appends under way."""
    open_min: int = 2_000
    """Commands that may be under way to a machine at first, and whenever answers come quickly."""
    open_max: int = 32_000
    open_queued_min: int = 500
    """The same, while what is answered has stood in a queue for `standing_s`; or what is answered in `open_s` if that is more."""
    open_s: float = 0.25
    standing_s: float = 0.2
    loop_late_s_max: float = 0.1
    frames_max: int = 1_024
    """Frames of a Trade stream in work; no more are read meanwhile."""
    frame_commands_max: int = 12_800
    """The same for the commands in them."""
    queue_records: int = 10_000
    """Records that wait for a stream's reader before it is disconnected, or its book is merged."""
    ring_records: int = 4_096
    """Records of a subject that are remembered for readers who come back."""
    batch_records: int = 200
    """Records per stream message."""
    streams_max: int = 1_000


@dataclass(slots=True)
class Bucket:
    """Tokens, in nanoseconds of refill."""

    filled_ns: int
    tokens: int


class RateLimit:
    """A token bucket per name. Only what a key signed is charged to its account, so nobody can use up another's."""

    def __init__(self, per_s: int, tracked: int, clock: Callable[[], int] = monotonic_ns) -> None:
        """Begin with full buckets, which hold twice as much as comes in a second."""
        self.per_s = per_s
        self.capacity = 2 * per_s
        self.tracked = tracked
        self.clock = clock
        self.buckets: OrderedDict[Hashable, Bucket] = OrderedDict()

    def charge(self, name: Hashable, cost: int = 1) -> None:
        """Take `cost` tokens; raises Refused when there are fewer."""
        no = self.refusal(name, cost)
        if no is not None:
            raise no

    def refusal(self, name: Hashable, cost: int) -> Refused | None:
        """Take `cost` tokens, or say why not."""
        bucket = self.bucket(name)
        if bucket.tokens >= cost:
            bucket.tokens -= cost
            return None
        reason = Reason.TOO_MANY_REQUESTS
        text = TEXT[reason].format(limit=self.per_s)
        return Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, text, reason, self.per_s)

    def is_empty(self, name: Hashable) -> bool:
        """Whether no token is left."""
        return name in self.buckets and not self.bucket(name).tokens

    def bucket(self, name: Hashable) -> Bucket:
        """Bucket as it is now; the one not used for longest is forgotten when there are too many."""
        now = self.clock()
        bucket = self.buckets.get(name)
        if bucket is None:
            bucket = self.buckets[name] = Bucket(now, self.capacity)
            if len(self.buckets) > self.tracked:
                self.buckets.popitem(last=False)
        else:
            self.buckets.move_to_end(name)
            self.refill(bucket, now)
        return bucket

    def refill(self, bucket: Bucket, now_ns: int) -> None:
        """Add whole tokens for the time that passed; the rest of the time is kept."""
        added, rest = divmod((now_ns - bucket.filled_ns) * self.per_s, NANOSECONDS)
        bucket.tokens = min(self.capacity, bucket.tokens + added)
        bucket.filled_ns = now_ns - rest // self.per_s
