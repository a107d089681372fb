"""What became of the commands of a load, and what it cost: counts, latencies, processor time."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

IN_TIME_MS = 1_000
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
DONE = common_pb2.COMMAND_OUTCOME_DONE


class Tally:
    """Commands that were due while it was measured, by what became of them."""

    def __init__(self) -> None:
        self.from_s = self.to_s = 0.0
        self.sent = 0
        self.answered = 0
        self.outcomes: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.latencies: list[tuple[float, int]] = []

    def counts(self, due_s: float, commands: list[pb.Command]) -> bool:
        """Whether a frame that was due then counts."""
        if not self.from_s <= due_s < self.to_s:
            return False
        self.sent += len(commands)
        self.requests.update(command.WhichOneof("request") or "" for command in commands)
        return True

    def note(self, results: Iterable[pb.CommandResult], latency_s: float) -> None:
        """Count the answer to a frame: what a machine decided is answered, what the gateway turned away is not."""
        before = self.answered
        for result in results:
            outcome = common_pb2.CommandOutcome.Name(result.outcome).removeprefix("COMMAND_OUTCOME_").lower()
            self.answered += result.outcome == DONE or result.recorded
            self.outcomes[f"{outcome} {result.reason_name}".strip()] += 1
        if self.answered > before:
            self.latencies.append((latency_s * 1_000, self.answered - before))

    def percentile(self, per_mille: int) -> float:
        """Latency in ms within which so many of a thousand answered commands were answered."""
        rank, seen = self.answered * per_mille // 1_000, 0
        for latency, count in sorted(self.latencies):
            seen += count
            if seen > rank:
                return latency
        return 0.0

    def report(self, cpu_seconds: dict[str, float], machine_seconds: float) -> dict[str, Any]:
        """Rates, latencies, microseconds of processor time per answered command, and the share of the machine that others took."""
        answered = max(1, self.answered)
        others = machine_seconds - sum(cpu_seconds.values())
        return {
            "answered_per_s": self.answered / (self.to_s - self.from_s),
            "sent": self.sent,
            "answered": self.answered,
            "done": self.outcomes["done"],
            "in_time": sum(count for latency, count in self.latencies if latency <= IN_TIME_MS),
            "mean_ms": sum(latency * count for latency, count in self.latencies) / answered,
            **{f"p{per_mille // 10}_ms": self.percentile(per_mille) for per_mille in (500, 950, 990)},
            "others": max(0.0, others / (self.to_s - self.from_s) / (os.cpu_count() or 1)),
            "outcomes": dict(self.outcomes.most_common()),
            "requests": dict(self.requests.most_common()),
            "cpu_us": {name: seconds * 1e6 / answered for name, seconds in cpu_seconds.items()},
        }


def cpu_seconds(pids: dict[str, int]) -> dict[str, float]:
    """Processor time of each process so far, user and system, all threads."""
    found = {}
    for name, pid in pids.items():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        found[name] = (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
    return found


def machine_seconds() -> float:
    """Processor time that this machine has spent on anything so far."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, _stolen = fields
    return (user + nice + system + interrupts + soft_interrupts) / TICKS_PER_SECOND
