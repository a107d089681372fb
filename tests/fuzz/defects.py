"""Requests that are sound but for one thing: whose signature it is, of what, for what, for when, by a key that may not."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from services.core.keys import ADMIN_DOMAIN, FRAME_DOMAIN, QUERY_DOMAIN, SigningKey
from vigil.v1 import admin_pb2, common_pb2
from vigil.v1 import trading_pb2 as pb

WINDOW_MS = 5_000
MONTH_MS = 30 * 86_400_000


@dataclass(frozen=True)
class Keys:
    """Who there is: an owner, an attacker with an account of her own, and keys of the owner's account that may not (any more)."""

    owner: SigningKey
    attacker: SigningKey
    revoked: SigningKey
    expired: SigningKey
    reader: SigningKey
    admin: SigningKey


def order(chance: random.Random) -> pb.Command:
    """A sound order."""
    placed = pb.PlaceOrder(symbol="BTC_USDC_PERP", side=common_pb2.SIDE_BID, size="0.1", price="7900")
    return pb.Command(command_id=chance.getrandbits(64), place_order=placed)


def withdrawal(chance: random.Random) -> pb.Command:
    """A sound withdrawal."""
    taken = pb.Withdraw(asset="USDC", amount="1", address="somewhere")
    return pb.Command(command_id=chance.getrandbits(64), withdraw=taken)


def trigger(chance: random.Random) -> pb.Command:
    """A sound stop."""
    waits = pb.PlaceTrigger(
        symbol="BTC_USDC_PERP",
        kind=common_pb2.TRIGGER_KIND_STOP,
        side=common_pb2.SIDE_BID,
        time_in_force=common_pb2.TIME_IN_FORCE_IOC,
        trigger_price="8100",
        size="0.1",
    )
    return pb.Command(command_id=chance.getrandbits(64), place_trigger=waits)


def leverage(chance: random.Random) -> pb.Command:
    """A sound leverage."""
    return pb.Command(
        command_id=chance.getrandbits(64), set_leverage=pb.SetLeverage(leverage_max=chance.randint(1, 50))
    )


def redemption(chance: random.Random) -> pb.Command:
    """A sound redemption of all that is lent."""
    return pb.Command(command_id=chance.getrandbits(64), redeem=pb.Redeem(asset="USDC"))


def modes(chance: random.Random) -> pb.Command:
    """Sound modes."""
    return pb.Command(command_id=chance.getrandbits(64), set_modes=pb.SetModes(modes=chance.randint(0, 31)))


COMMANDS = (order, withdrawal, trigger, leverage, redemption, modes)


class Maker:
    """Makes one defect after another for a venue at its time."""

    def __init__(self, keys: Keys, venue: str, now_ms: Callable[[], int], chance: random.Random) -> None:
        self.keys = keys
        self.venue = venue
        self.now_ms = now_ms
        self.chance = chance

    def content(self, account: int, *, at_ms: int = 0, window_ms: int = 0) -> bytes:
        """A frame of orders, withdrawals, stops, leverages, redemptions and modes."""
        commands = [self.chance.choice(COMMANDS)(self.chance) for _ in range(self.chance.choice((1, 1, 3)))]
        at_ms = at_ms or self.now_ms()
        frame = pb.Frame(account=account, timestamp_ms=at_ms, window_ms=window_ms, commands=commands)
        return frame.SerializeToString(deterministic=True)

    def query(self, account: int, *, at_ms: int = 0) -> bytes:
        """A query of any subject."""
        subjects: list[dict[str, object]] = [
            {"account_state": pb.AccountState()},
            {"account_events": pb.AccountEvents()},
            {"own_keys": pb.OwnKeys()},
            {"margin": pb.MarginOf()},
            {"max_order_size": pb.MaxOrderSizeOf(symbol="BTC_USDC_PERP", side=common_pb2.SIDE_BID)},
            {"triggers": pb.TriggersOf()},
            {"withdrawable": pb.WithdrawableOf(asset="USDC")},
            {"interest": pb.InterestOf()},
            {"trade_session": pb.TradeSession(lease_ms=1_000)},
            {"command_result": pb.CommandOf(command_id=1, timestamp_ms=self.now_ms())},
        ]
        subject = self.chance.choice(subjects)
        window_ms = self.chance.randrange(1_000, 60_000)  # so that no two are the same
        at_ms = at_ms or self.now_ms()
        asked = pb.Query(account=account, timestamp_ms=at_ms, window_ms=window_ms, **subject)  # type: ignore[arg-type]
        return asked.SerializeToString(deterministic=True)

    def admin(self) -> bytes:
        """A frame that halts a market, shuts a pool, gives money away, and names an owner."""
        halt = admin_pb2.SetMarketState(symbol="BTC_USDC_PERP", state=common_pb2.MARKET_STATE_HALTED)
        give = admin_pb2.ContributeToFund(group="main", asset="USDC", amount="1")
        owner = admin_pb2.SetOwner(account=self.keys.owner.account, owner=1)
        shut = admin_pb2.SetPoolState(asset="USDC", state=common_pb2.POOL_STATE_CLOSED)
        commands = [
            admin_pb2.AdminCommand(command_id=self.chance.getrandbits(64), set_owner=owner),
            admin_pb2.AdminCommand(command_id=self.chance.getrandbits(64), set_market_state=halt),
            admin_pb2.AdminCommand(command_id=self.chance.getrandbits(64), set_pool_state=shut),
            admin_pb2.AdminCommand(command_id=self.chance.getrandbits(64), contribute_to_fund=give),
        ]
        frame = admin_pb2.AdminFrame(timestamp_ms=self.now_ms(), commands=commands)
        return frame.SerializeToString(deterministic=True)

    def signed_by(self, key: SigningKey, domain: str, content: bytes, venue: str = "") -> tuple[bytes, bytes]:
        """Key and signature."""
        return key.public, key.sign(domain, venue or self.venue, content)

    def parts(self, make: Callable[..., bytes], domain: str, other: str) -> tuple[bytes, bytes, bytes]:
        """(key, content, signature) with one defect."""
        keys, own = self.keys, self.keys.owner
        content = make(own.account)
        match self.chance.randrange(11):
            case 0:  # another account's
                return keys.attacker.public, content, keys.attacker.sign(domain, self.venue, content)
            case 1:  # another's signature under the owner's key
                return own.public, content, keys.attacker.sign(domain, self.venue, content)
            case 2:  # of another kind of request
                return own.public, content, own.sign(other, self.venue, content)
            case 3:  # of another venue
                return own.public, content, own.sign(domain, self.venue + "2", content)
            case 4:  # moved to other bytes
                return own.public, make(own.account), own.sign(domain, self.venue, content)
            case 5:  # long ago, or long to come
                late = make(own.account, at_ms=self.now_ms() + self.chance.choice((-1, 1)) * MONTH_MS)
                return own.public, late, own.sign(domain, self.venue, late)
            case 6 | 7:  # by a key that may act no more
                key = self.chance.choice((keys.revoked, keys.expired))
                return key.public, content, key.sign(domain, self.venue, content)
            case 8:  # not canonical
                padded = content + b"\x18\x00"
                return own.public, padded, own.sign(domain, self.venue, padded)
            case 9:  # no signature
                return own.public, content, self.chance.randbytes(self.chance.choice((0, 63, 64, 65)))
            case _:  # a key of no use
                weak = self.chance.choice((bytes(32), b"\x01" + bytes(31), b"\xff" * 32, b"", own.public[:31]))
                return weak, content, own.sign(domain, self.venue, content)

    def frame(self) -> pb.SignedFrame:
        """A signed frame with one defect; a key that may only read signs some."""
        if self.chance.random() < 0.1:
            content = self.content(self.keys.owner.account)
            key, signature = self.signed_by(self.keys.reader, FRAME_DOMAIN, content)
            return pb.SignedFrame(key=key, frame=content, signature=signature)
        key, content, signature = self.parts(self.content, FRAME_DOMAIN, QUERY_DOMAIN)
        return pb.SignedFrame(key=key, frame=content, signature=signature)

    def signed_query(self) -> pb.SignedQuery:
        """A signed query with one defect."""
        key, content, signature = self.parts(self.query, QUERY_DOMAIN, FRAME_DOMAIN)
        return pb.SignedQuery(key=key, query=content, signature=signature)

    def admin_frame(self) -> admin_pb2.AdminSignedFrame:
        """A frame of admins with one defect: a key that is none of theirs, one that signed twice, another kind of signature."""
        keys, content = self.keys, self.admin()
        sound = self.signed_by(keys.admin, ADMIN_DOMAIN, content)
        match self.chance.randrange(6):
            case 0:
                pairs = [self.signed_by(keys.owner, ADMIN_DOMAIN, content)]
            case 1:
                pairs = [sound, self.signed_by(keys.owner, ADMIN_DOMAIN, content)]
            case 2:
                pairs = [sound, sound]
            case 3:
                pairs = [self.signed_by(keys.admin, FRAME_DOMAIN, content)]
            case 4:
                pairs = [(sound[0], self.signed_by(keys.admin, ADMIN_DOMAIN, self.admin())[1])]
            case _:
                pairs = []
        signatures = [admin_pb2.AdminSignature(key=key, signature=signature) for key, signature in pairs]
        return admin_pb2.AdminSignedFrame(frame=content, signatures=signatures)
