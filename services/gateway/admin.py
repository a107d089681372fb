"""Frames of admins: who signed, what is asked, where it goes; whether it is allowed the machines decide.

One or two admin keys of Genesis sign the same bytes. What touches money needs two, which settlement checks by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc

from services.core import keys
from services.core import messages as m
from services.core.fixed import FRACTION_ONE, LIMIT, Milliseconds
from services.core.keys import PublicKey
from services.core.markets import Asset, Calendar, Market
from services.core.messages import CommandHeader
from services.core.pool import PoolState
from services.core.reasons import Reason
from services.core.rpc import Refused, malformed
from services.gateway.explain import Units
from services.gateway.fields import CommandRefused, amount_of, asset_of, market_of, time_of
from services.gateway.frames import check_signature, check_window, command_ids, read_canonical
from services.gateway.lending import pooled
from services.gateway.listed import listed
from services.gateway.read_models import Listings
from services.gateway.results import Owner, Submission
from services.gateway.submission import Submitter
from vigil.v1 import admin_pb2 as pb

ADMIN = 0
"""The account of the venue's admins."""
SIGNERS_MAX = 2
SETTLEMENT = Owner("settlement", 0)
STATES = {int(state): state.name for state in m.MarketState if state is not m.MarketState.DELISTED}
"""What may be asked for; DELISTED has a command of its own."""
POOL_STATES = {int(state): state.name for state in PoolState}
Way = tuple[Owner, m.Message]


@dataclass(frozen=True, slots=True)
class AdminFrame:
    """A frame that one or two admins signed, within its window."""

    signers: list[PublicKey]
    signed: m.AdminFrameSigned
    timestamp_ms: Milliseconds
    window_ms: int
    commands: list[pb.AdminCommand]
    ids: list[int]

    def header(self, index: int) -> CommandHeader:
        """Header of the command at `index`: the first signer asks, the second approves."""
        asks, *others = (signer.key_id for signer in self.signers)
        approver = others[0] if others else 0
        return CommandHeader(ADMIN, asks, self.ids[index], self.timestamp_ms, self.window_ms, approver)


class AdminDesk:
    """Takes frames of admins."""

    def __init__(self, genesis: m.Genesis, submitter: Submitter, listings: Listings) -> None:
        self.genesis = genesis
        self.submitter = submitter
        self.listings = listings

    def check(self, account: int, key: PublicKey, now_ms: Milliseconds) -> int:
        """Scopes of an admin's key, as a directory says it; raises Refused."""
        del now_ms
        if account != ADMIN or key.key_id not in self.genesis.admin_keys:
            text = f"admins ask for account {ADMIN}, and this key is none of the venue's admins"
            raise Refused(grpc.StatusCode.PERMISSION_DENIED, text, Reason.UNAUTHORIZED)
        return m.SCOPES_ALL

    def read(self, signed: pb.AdminSignedFrame, now_ms: Milliseconds) -> AdminFrame:
        """Verify and read a frame; raises Refused."""
        covered = keys.signed_bytes(keys.ADMIN_DOMAIN, self.genesis.venue, signed.frame)
        signers = [check_signature(one.key, one.signature, covered) for one in signed.signatures]
        if len({signer.key_id for signer in signers}) != len(signers) or not 0 < len(signers) <= SIGNERS_MAX:
            raise malformed(
                f"{len(signers)} signatures: 1 or {SIGNERS_MAX} of different keys are accepted", SIGNERS_MAX
            )
        for signer in signers:
            self.check(ADMIN, signer, now_ms)
        frame = read_canonical(signed.frame, pb.AdminFrame, "frame")
        window_ms = check_window(frame.timestamp_ms, frame.window_ms, now_ms)
        ids = command_ids([command.command_id for command in frame.commands], covered)
        kept = m.AdminFrameSigned(
            [one.key for one in signed.signatures], signed.frame, [one.signature for one in signed.signatures]
        )
        return AdminFrame(signers, kept, frame.timestamp_ms, window_ms, list(frame.commands), ids)

    def take(self, frame: AdminFrame, deadline: float) -> Submission:
        """Pass commands on; the submission is done when all of them are answered."""
        window = (frame.timestamp_ms, frame.window_ms)
        kinds = [command.WhichOneof("request") for command in frame.commands]
        submission = self.submitter.begin(ADMIN, frame.ids, window, deadline, kinds, lambda _index: Units())
        passed: dict[Owner, list[m.Message]] = {}
        for index, command in enumerate(frame.commands):
            try:
                owner, message = self.translate(command, frame.header(index))
            except CommandRefused as no:
                submission.refuse(index, no.reason, no.limit, no.text)
                continue
            self.submitter.results.expect(submission, index, owner)
            passed.setdefault(owner, []).append(message)
        self.submitter.send(submission, frame.signed, passed, urgent=True)
        return submission

    def translate(self, command: pb.AdminCommand, header: CommandHeader) -> Way:
        """Build a command's message and say who decides it; raises CommandRefused."""
        kind = command.WhichOneof("request")
        if kind is None:
            raise CommandRefused(Reason.MALFORMED, 0, "the command holds no request that this release knows")
        build: Callable[[Any, CommandHeader], Way] = getattr(self, kind)
        return build(getattr(command, kind), header)

    def funding_of(self, partition: int) -> Owner:
        """Funding machine of a market; raises CommandRefused for one that is not there."""
        last = self.genesis.partitions["funding"] - 1
        if partition > last:
            text = f"funding_partition {partition}: 0 to {last} are accepted"
            raise CommandRefused(Reason.INVALID_LISTING, last, text)
        return Owner("funding", partition)

    def list_asset(self, listing: pb.ListAsset, header: CommandHeader) -> Way:
        """Build ListAsset."""
        return SETTLEMENT, m.ListAsset(header, listed(listing.asset, Asset))

    def list_market(self, listing: pb.ListMarket, header: CommandHeader) -> Way:
        """Build ListMarket."""
        market = listed(listing.market, Market)
        return self.funding_of(market.funding_partition), m.ListMarket(header, market)

    def change_market(self, change: pb.ChangeMarket, header: CommandHeader) -> Way:
        """Build ChangeMarket."""
        market = listed(change.market, Market)
        return self.funding_of(market.funding_partition), m.ChangeMarket(header, market, time_of(change.effective_ms))

    def set_market_state(self, asked: pb.SetMarketState, header: CommandHeader) -> Way:
        """Build SetMarketState."""
        market = market_of(asked.symbol, self.listings)
        if asked.state not in STATES:
            named = ", ".join(f"{name} ({state})" for state, name in STATES.items())
            raise CommandRefused(Reason.MARKET_STATE, 0, f"state {asked.state} is none of {named}")
        message = m.SetMarketState(header, market.id, int(asked.state), time_of(asked.until_ms))
        return self.funding_of(market.funding_partition), message

    def delist_market(self, asked: pb.DelistMarket, header: CommandHeader) -> Way:
        """Build DelistMarket."""
        market = market_of(asked.symbol, self.listings)
        message = m.DelistMarket(header, market.id, time_of(asked.effective_ms))
        return self.funding_of(market.funding_partition), message

    def set_fee_schedule(self, asked: pb.SetFeeSchedule, header: CommandHeader) -> Way:
        """Build SetFeeSchedule."""
        tiers = [(tier.tier, tier.maker_share, tier.taker_share) for tier in asked.tiers]
        if any(not 0 <= share <= FRACTION_ONE for tier in tiers for share in tier[1:]):
            text = f"shares are parts of {FRACTION_ONE}: 0 to {FRACTION_ONE} are accepted"
            raise CommandRefused(Reason.INVALID_AMOUNT, FRACTION_ONE, text)
        return SETTLEMENT, m.SetFeeSchedule(header, tiers)

    def set_account_tier(self, asked: pb.SetAccountTier, header: CommandHeader) -> Way:
        """Build SetAccountTier."""
        if asked.account >= LIMIT:
            raise CommandRefused(Reason.UNKNOWN_ACCOUNT)
        return SETTLEMENT, m.SetAccountTier(header, asked.account, asked.tier)

    def list_calendar(self, listing: pb.ListCalendar, header: CommandHeader) -> Way:
        """Build ListCalendar."""
        calendar = listed(listing.calendar, Calendar)
        return self.funding_of(calendar.market.funding_partition), m.ListCalendar(header, calendar)

    def set_limit_tiers(self, asked: pb.SetLimitTiers, header: CommandHeader) -> Way:
        """Build SetLimitTiers."""
        tiers = [(tier.tier, tier.position_share, tier.orders_max) for tier in asked.tiers]
        if any(not 0 <= share <= FRACTION_ONE for _tier, share, _orders in tiers):
            text = f"position_share is a part of {FRACTION_ONE}: 0 to {FRACTION_ONE} are accepted"
            raise CommandRefused(Reason.INVALID_AMOUNT, FRACTION_ONE, text)
        return SETTLEMENT, m.SetLimitTiers(header, tiers)

    def set_owner(self, asked: pb.SetOwner, header: CommandHeader) -> Way:
        """Build SetOwner."""
        if asked.account >= LIMIT or asked.owner >= LIMIT:
            raise CommandRefused(Reason.UNKNOWN_ACCOUNT)
        return SETTLEMENT, m.SetOwner(header, asked.account, asked.owner)

    def set_pool_state(self, asked: pb.SetPoolState, header: CommandHeader) -> Way:
        """Build SetPoolState."""
        if asked.state not in POOL_STATES:
            named = ", ".join(f"{name} ({state})" for state, name in POOL_STATES.items())
            raise CommandRefused(Reason.POOL_STATE, 0, f"state {asked.state} is none of {named}")
        return SETTLEMENT, m.SetPoolState(header, pooled(asked.asset, self.listings).id, int(asked.state))

    def contribute_to_fund(self, asked: pb.ContributeToFund, header: CommandHeader) -> Way:
        """Build ContributeToFund."""
        asset = asset_of(asked.asset, self.listings)
        message = m.ContributeToFund(header, asked.group, asset.id, amount_of(asked.amount, asset))
        return SETTLEMENT, message
