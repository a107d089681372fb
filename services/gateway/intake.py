"""Clients' frames, command by command: what this gateway does not pass on, and why; the rest goes to its machine.

A shield, for the machines decide all of it again: rates, scopes, shape, and whether a machine on the way is too far behind.
"""

from collections.abc import Sequence
from typing import TypeAlias

from google.protobuf.message import DecodeError

from services.core import messages as m
from services.core.reasons import Reason
from services.core.rpc import Refused
from services.gateway.admission import Worth, cost_of, worth_of
from services.gateway.directory import missing_scope
from services.gateway.explain import units_of
from services.gateway.fields import CommandRefused
from services.gateway.frames import VerifiedFrame
from services.gateway.lag import LagWatch
from services.gateway.limits import GatewaySettings, RateLimit
from services.gateway.read_models import Listings
from services.gateway.results import Owner, Submission
from services.gateway.submission import Submitter
from services.gateway.translate import translate
from vigil.v1 import trading_pb2 as pb

SETTLEMENT = Owner("settlement", 0)
Kinds: TypeAlias = Sequence[str | None]
Shut: TypeAlias = dict[Worth, Refused]
"""What is refused at the moment, by worth."""


class Intake:
    """Takes frames in."""

    def __init__(self, submitter: Submitter, listings: Listings, lag: LagWatch, settings: GatewaySettings) -> None:
        self.submitter = submitter
        self.listings = listings
        self.lag = lag
        self.orders = RateLimit(settings.commands_per_s, settings.accounts_tracked)
        self.cancels = RateLimit(2 * settings.commands_per_s, settings.accounts_tracked)

    def take(self, frame: VerifiedFrame, deadline: float) -> Submission:
        """Pass on what may go; the submission is done when all of that is answered.

        Raises   Refused when rate or load let nothing of it pass
        """
        commands = frame.commands
        kinds = [command.WhichOneof("request") for command in commands]
        worths = [worth_of(kind, command) for kind, command in zip(kinds, commands, strict=True)]
        risk = self.submitter.risk_of(frame.account)
        shut = self.shut(frame, kinds, worths, risk)
        window = (frame.timestamp_ms, frame.window_ms)
        submission = self.submitter.begin(
            frame.account, frame.ids, window, deadline, kinds, lambda index: units_of(commands[index], self.listings)
        )
        passed: dict[Owner, list[m.Message]] = {}
        clear: dict[tuple[int, Worth], None] = {}
        for index, kind in enumerate(kinds):
            worth = worths[index]
            try:
                if worth in shut:
                    raise shut[worth]
                message = self.message(frame, index, kind)
                if worth <= Worth.CHANGE:
                    self.check_way(message, risk, worth, clear)
            except (CommandRefused, Refused) as no:
                submission.refuse(index, no.reason, no.limit, no.text)
                continue
            owner = SETTLEMENT if kind == "faucet_deposit" else risk
            self.submitter.results.expect(submission, index, owner)
            passed.setdefault(owner, []).append(message)
        self.submitter.send(submission, frame.signed(), passed, urgent=min(worths) >= Worth.REST)
        return submission

    def check_load(self, content: bytes) -> None:
        """Under load, refuse a frame of nothing but new orders before its signature costs time; raises Refused."""
        if not self.submitter.admission.is_pressed():
            return
        try:
            frame = pb.Frame.FromString(content)
        except DecodeError:
            return
        no = self.submitter.admission.refusal(self.submitter.risk_of(frame.account), Worth.NEW)
        if (
            no is not None
            and frame.commands
            and all(worth_of(one.WhichOneof("request"), one) is Worth.NEW for one in frame.commands)
        ):
            self.submitter.admission.shed[Worth.NEW] += len(frame.commands)
            raise no

    def message(self, frame: VerifiedFrame, index: int, kind: str | None) -> m.Message:
        """Build a command's message; raises CommandRefused."""
        command = frame.commands[index]
        missing = missing_scope(kind, command, frame.key, frame.scopes)
        if missing is not None:
            text = f"the key may not {missing.name.lower()}; sign with a key that has this scope"
            raise CommandRefused(Reason.UNAUTHORIZED, 0, text)
        return translate(command, frame.header(index), frame.key.key, self.listings)

    def check_way(self, message: m.Message, risk: Owner, worth: Worth, clear: dict[tuple[int, Worth], None]) -> None:
        """Refuse an order when a machine on its way is behind, a replace when it is far behind; raises CommandRefused.

        `clear` is what was looked at already.
        """
        number: int = message.market  # type: ignore[attr-defined]
        if (number, worth) not in clear:
            way = (risk, ("matching", self.listings.markets[number].matching_partition))
            self.lag.check(*way, patience=1 + worth)
            clear[number, worth] = None

    def shut(self, frame: VerifiedFrame, kinds: Kinds, worths: Sequence[Worth], risk: Owner) -> Shut:
        """What load or rate refuse of a frame; raises Refused when that is all of it."""
        costs = dict.fromkeys(worths, 0)
        for kind, command, worth in zip(kinds, frame.commands, worths, strict=True):
            costs[worth] += cost_of(kind, command)
        shut = {worth: no for worth in costs if (no := self.submitter.admission.refusal(risk, worth)) is not None}
        for worth in shut:
            self.submitter.admission.shed[worth] += costs[worth]
        for rate, is_cancel in ((self.orders, False), (self.cancels, True)):
            open_ = [worth for worth in costs if (worth is Worth.CANCEL) == is_cancel and worth not in shut]
            no = rate.refusal(frame.account, sum(costs[worth] for worth in open_))
            if no is not None:
                shut |= dict.fromkeys(open_, no)
        if len(shut) == len(costs):
            raise shut[min(shut)]
        return shut
