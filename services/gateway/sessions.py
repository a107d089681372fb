"""Sessions that cancel on disconnect, as leases: renewed while the stream lives, ended with it; risk cancels the orders, not this.

A lease that nobody renews runs out by log time, so a gateway that dies needs to do nothing for it.
"""

import asyncio
import secrets

import msgspec

from services.core.fixed import AccountId, Milliseconds
from services.core.log import Log
from services.core.messages import LeaseRenewed, Record
from services.core.rpc import malformed
from services.gateway.submission import Submitter
from vigil.v1 import trading_pb2 as pb

LEASE_MIN_MS = 1_000
LEASE_MAX_MS = 60_000
RENEWALS = 3
"""Per lease, so that one that comes late ends nothing."""
SESSION_BITS = 62
encode = msgspec.msgpack.Encoder().encode


def lease_of(asked: pb.TradeSession) -> Milliseconds:
    """Return the lease asked for, 0 to end it; raises Refused for one that is too short or too long."""
    lease_ms = asked.lease_ms
    if lease_ms and not LEASE_MIN_MS <= lease_ms <= LEASE_MAX_MS:
        raise malformed(f"lease_ms {lease_ms}: 0, or {LEASE_MIN_MS} to {LEASE_MAX_MS} are accepted", LEASE_MAX_MS)
    return lease_ms


class Session:
    """One session of an account, from begin() on."""

    def __init__(self, sessions: "Sessions", account: AccountId, lease_ms: Milliseconds) -> None:
        self.sessions = sessions
        self.account = account
        self.number = secrets.randbits(SESSION_BITS)
        self.lease_ms = lease_ms
        self.tell()
        self.renewing = asyncio.create_task(self.run())

    async def run(self) -> None:
        """Renew for ever."""
        while True:
            await asyncio.sleep(self.lease_ms / 1_000 / RENEWALS)
            self.tell()

    def tell(self) -> None:
        """Renew once."""
        self.sessions.tell(self, self.sessions.home.now_ms() + self.lease_ms)

    def renew(self, lease_ms: Milliseconds) -> None:
        """Take another lease."""
        self.lease_ms = lease_ms
        self.tell()
        self.renewing.cancel()
        self.renewing = asyncio.create_task(self.run())

    def give_up(self) -> None:
        """End without cancelling anything."""
        self.renewing.cancel()
        self.sessions.tell(self, 0)

    def end(self) -> None:
        """End now: the orders are cancelled at once."""
        self.renewing.cancel()
        self.sessions.tell(self, self.sessions.home.now_ms() - 1)


class Sessions:
    """Begins sessions; what they say goes to risk's inbox before what may wait."""

    def __init__(self, home: Log, submitter: Submitter) -> None:
        self.home = home
        self.submitter = submitter

    def begin(self, account: AccountId, lease_ms: Milliseconds) -> Session:
        """Guard an account's orders from now on."""
        return Session(self, account, lease_ms)

    def tell(self, session: Session, expires_ms: Milliseconds) -> None:
        """Say until when a lease holds."""
        renewed = LeaseRenewed(session.account, session.number, expires_ms)
        owner = self.submitter.risk_of(session.account)
        self.submitter.appender.put(owner, session.account, [encode(Record(renewed))], urgent=True)
