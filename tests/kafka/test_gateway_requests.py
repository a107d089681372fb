"""A request that comes again, wherever and whenever, acts once; what a killed gateway left open becomes known at another one."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Self

import grpc
import msgspec
import pytest
import pytest_asyncio

from services.client import Outcome, SigningKey, Unreachable, Vigil
from services.client.lending import (
    borrow_command,
    lend_command,
    modes_command,
    redeem_command,
    repay_command,
)
from services.client.submission import Pace, Result, SignedCommands, Ticket, send, sign_commands
from services.client.vigil import cancel_command, order_command
from services.client.waiting import (
    STOP,
    cancel_trigger_command,
    leverage_command,
    protection_command,
    reset_protection_command,
    trigger_command,
    twap_command,
)
from services.core.keys import SigningKey as Key
from services.core.topics import inbox
from tests.kafka.checker import Verdict, read_topic
from tests.kafka.judged import stopped_and_judged
from tests.kafka.processes import wait_until
from tests.kafka.trader import BUY, SELL, SYMBOL, Line
from tests.kafka.venue import SHARDS, Venue, running
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
CLOCK_MS = 500
"""A client knows the venue's time so well, on a busy machine."""
WINDOW_MS = 6_000
"""So short that NEVER comes soon, and so long that nothing is forgotten while a busy machine asks for hundreds."""
ONCE = Pace(timeout_s=10.0, retries=())
REFUSED_BY_MATCHING = ("ORDER_NOT_OPEN", "OUTSIDE_BAND", "LATE")
CUSTOMERS, FRAMES = 10, 30
IN_FLIGHT_MIN, ANSWERED_MIN = 100, 30
FLOWING_AT_ONCE = 3
"""Of a customer; the others find no gateway any more."""
COMMAND_TAGS = (*range(11, 16), *range(20, 27), *range(120, 126))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def venue(tmp_path_factory: pytest.TempPathFactory, kafka_tools: None) -> AsyncIterator[Venue]:
    del kafka_tools
    async with running(tmp_path_factory.mktemp("venue") / "two-gateways") as venue:
        yield venue


class Customer:
    """An account with a client at each of two gateways."""

    def __init__(self, venue: Venue, seed: int) -> None:
        key = SigningKey(random.Random(seed).randbytes(32))
        self.key: Key = key
        self.guest: Key = SigningKey(random.Random(-seed - 1).randbytes(32))
        self.clients = [Vigil(venue.addresses[name], key, window_ms=WINDOW_MS) for name in venue.gateways]
        self.lines: list[Line] = []
        self.mark = 0

    async def __aenter__(self) -> Self:
        self.mark = int((await self.clients[0].marks())[0].mark_price)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        for client in self.clients:
            await client.close()

    async def enter(self) -> Self:
        """Open the account, with money, an order that rests below the market and a stop that waits there."""
        first = self.clients[0]
        commands = [pb.Command(open_account=pb.OpenAccount()), deposit("10000")]
        self.note(commands, await first.submit(commands))

        async def credited() -> bool:
            return bool((await first.account()).balances)

        await wait_until(credited, "the deposit is there")
        key = pb.Command(add_key=pb.AddKey(key=self.guest.public, scopes=1))
        resting = [self.order(client_id=1), self.stop(client_id=3), key]
        self.note(resting, await first.submit(resting))
        return self

    async def until_done(self, make: Callable[[], pb.Command]) -> None:
        """Ask again until it is done: a pool may have no cash to give before its next period."""

        async def done() -> bool:
            command = make()
            results = await self.clients[0].submit([command])
            self.note([command], results)
            return results[0].outcome is Outcome.DONE

        await wait_until(done, f"it is done: {make()}")

    def order(self, client_id: int = 0) -> pb.Command:
        """A small order that nobody trades with."""
        return order_command(SYMBOL, BUY, size="0.001", price=self.mark * 97 // 100, client_id=client_id)

    def stop(self, client_id: int = 0) -> pb.Command:
        """A stop that no price reaches."""
        price = self.mark * 80 // 100
        return trigger_command(SYMBOL, SELL, STOP, size="0.001", trigger_price=price, client_id=client_id)

    def smaller(self) -> pb.ReplaceOrder:
        """The resting order with half its size."""
        price = str(self.mark * 97 // 100)
        return pb.ReplaceOrder(symbol=SYMBOL, client_id=1, price=price, size="0.0005")

    def quotes(self) -> pb.MassQuote:
        """One quote."""
        quote = pb.Quote(client_id=2, side=BUY, price=str(self.mark * 97 // 100), size="0.001")
        return pb.MassQuote(symbol=SYMBOL, quotes=[quote])

    def other_key(self) -> pb.AddKey:
        """A key that may only read."""
        return pb.AddKey(key=SigningKey(self.guest.public).public, scopes=1)

    async def sign(self, command: pb.Command) -> SignedCommands:
        """A frame of one command, as of now."""
        first = self.clients[0]
        return sign_commands(self.key, await first.venue_name(), await first.now_ms(), WINDOW_MS, [command])

    def note(self, commands: Sequence[pb.Command], results: Iterable[Result]) -> None:
        """Write down what a frame came to."""
        lines = zip(commands, results, strict=True)
        self.lines += [Line(self.key.account, command.WhichOneof("request") or "", result) for command, result in lines]


def deposit(amount: str) -> pb.Command:
    return pb.Command(faucet_deposit=pb.FaucetDeposit(asset="USDC", amount=amount))


def twap() -> pb.Command:
    """Ten slices that nobody trades with."""
    return twap_command(SYMBOL, BUY, size="0.01", duration_ms=300_000, interval_ms=30_000, tolerance="0.01")


def withdrawal(amount: str) -> pb.Command:
    return pb.Command(withdraw=pb.Withdraw(asset="USDC", amount=amount, address="somewhere"))


MUTATING: dict[str, tuple[Callable[[Customer], pb.Command], str]] = {
    "open_account": (lambda _: pb.Command(open_account=pb.OpenAccount()), "AccountOpened"),
    "faucet_deposit": (lambda _: deposit("100"), "DepositCredited"),
    "withdraw": (lambda _: withdrawal("10"), "WithdrawalRequested"),
    "place_order": (lambda customer: customer.order(), "OrderAdmitted"),
    "cancel_order": (lambda _: cancel_command(SYMBOL, client_id=1), "CancelRequested"),
    "replace_order": (lambda customer: pb.Command(replace_order=customer.smaller()), ""),
    "cancel_all": (lambda _: pb.Command(cancel_all=pb.CancelAll(symbol=SYMBOL)), ""),
    "mass_quote": (lambda customer: pb.Command(mass_quote=customer.quotes()), ""),
    "schedule_cancel": (lambda _: pb.Command(schedule_cancel=pb.ScheduleCancel()), ""),
    "transfer": (lambda _: pb.Command(transfer=pb.Transfer(receiver=1, asset="USDC", amount="1")), ""),
    "place_trigger": (lambda customer: customer.stop(), "TriggerPlaced"),
    "place_twap": (lambda _: twap(), "TwapPlaced"),
    "cancel_trigger": (lambda _: cancel_trigger_command(SYMBOL, client_id=3), ""),
    "set_leverage": (lambda _: leverage_command(10), ""),
    "set_protection": (lambda _: protection_command(SYMBOL, interval_ms=1_000, quantity_max="1"), ""),
    "reset_protection": (lambda _: reset_protection_command(SYMBOL), ""),
    "add_key": (lambda customer: pb.Command(add_key=customer.other_key()), ""),
    "set_modes": (lambda _: modes_command(["redeem"]), ""),
    "lend": (lambda _: lend_command("USDC", 10), ""),
    "redeem": (lambda _: redeem_command("USDC", 10), ""),
    "borrow": (lambda _: borrow_command("USDC", 10), ""),
    "repay": (lambda _: repay_command("USDC", 10), ""),
    "revoke_key": (lambda customer: pb.Command(revoke_key=pb.RevokeKey(key_id=customer.guest.key_id)), ""),
}
"""Every command there is: how it is made, and what its effect is called where the judge counts it; results it counts of all."""
BY_WILL = [lambda: modes_command(["redeem"]), lambda: redeem_command("USDC")]
OWING = [*BY_WILL, lambda: borrow_command("USDC", 100)]
BEFORE: dict[str, list[Callable[[], pb.Command]]] = {
    "lend": BY_WILL,
    "redeem": [*BY_WILL, lambda: lend_command("USDC", 100)],
    "borrow": OWING,
    "repay": OWING,
}
"""What must be done before a command of a pool can be: idle money, lent money, a pool that lends, a debt."""
COUNTED = tuple(name for name, (_, effect) in MUTATING.items() if effect)


async def test_no_command_is_forgotten() -> None:
    assert set(MUTATING) == {field.name for field in pb.Command.DESCRIPTOR.oneofs_by_name["request"].fields}


async def again_at_one(customer: Customer, request: pb.SignedFrame) -> list[pb.FrameResult]:
    """The same bytes twice, one after the other, at one gateway."""
    first = customer.clients[0]
    return [await first.trading.Submit(request, timeout=10), await first.trading.Submit(request, timeout=10)]


async def again_at_another(customer: Customer, request: pb.SignedFrame) -> list[pb.FrameResult]:
    """The same bytes at one gateway and then at another."""
    return [await client.trading.Submit(request, timeout=10) for client in customer.clients]


async def at_once_at_both(customer: Customer, request: pb.SignedFrame) -> list[pb.FrameResult]:
    """The same bytes four times at the same time."""
    calls = [client.trading.Submit(request, timeout=10) for client in customer.clients * 2]
    return list(await asyncio.gather(*calls))


async def after_its_window(customer: Customer, request: pb.SignedFrame, ticket: Ticket) -> None:
    """Each gateway refuses the bytes when they are too old."""

    async def over() -> bool:
        return await customer.clients[0].now_ms() > ticket.timestamp_ms + WINDOW_MS + CLOCK_MS

    await wait_until(over, "the window is over")
    for client in customer.clients:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await client.trading.Submit(request, timeout=10)
        assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert ("vigil-reason-name", "OUTSIDE_WINDOW") in tuple(refused.value.trailing_metadata() or ())


WAYS = (again_at_one, again_at_another, at_once_at_both)


async def repeat(venue: Venue, name: str, number: int) -> tuple[Customer, str]:
    """Send one command in one of the ways; all answers must be the same result, and late ones none."""
    make, effect = MUTATING[name]
    async with Customer(venue, seed=1_000 * list(MUTATING).index(name) + number) as customer:
        if name != "open_account":
            await customer.enter()
        for prepare in BEFORE.get(name, []):
            await customer.until_done(prepare)
        command = make(customer)
        signed = await customer.sign(command)
        answers = await WAYS[number](customer, signed.request)
        assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1, (name, WAYS[number])
        (line,) = answers[0].results
        assert line.outcome == common_pb2.COMMAND_OUTCOME_DONE, (name, line)
        customer.note([command], [result_of(signed.tickets[0], line)])
        await after_its_window(customer, signed.request, signed.tickets[0])
        return customer, effect


def result_of(ticket: Ticket, line: pb.CommandResult) -> Result:
    """A result as the client library reads it."""
    return Result(ticket, Outcome.DONE, order_id=line.order_id, open_size=line.open_size, filled_size=line.filled_size)


async def append_again(venue: Venue) -> int:
    """Do as a gateway without any checks: append every command once more, long after its window; returns how many."""
    total = 0
    for service, partitions in {"risk": SHARDS, "settlement": 1}.items():
        for partition in range(partitions):
            records = await read_topic(venue.home, inbox(service), partition)
            old = [one.value for one in records if msgspec.msgpack.decode(one.value)[0][0] in COMMAND_TAGS]
            await (await venue.home.append(inbox(service), partition, old))
            total += len(old)
    return total


async def test_a_request_that_comes_again_has_one_effect(venue: Venue) -> None:
    await venue.start()
    combinations = [(name, number) for name in MUTATING for number in range(len(WAYS))]
    done = await asyncio.gather(*(repeat(venue, *one) for one in combinations))
    assert await append_again(venue) > len(combinations)
    verdict = await stopped_and_judged(venue, [line for customer, _ in done for line in customer.lines])
    for (name, number), (customer, effect) in zip(combinations, done, strict=True):
        judge_effects(verdict, customer)
        if effect:
            twice = name in ("faucet_deposit", "place_order", "place_trigger")
            assert verdict.effects[customer.key.account, effect] == 1 + twice, (name, WAYS[number])


def judge_effects(verdict: Verdict, customer: Customer) -> None:
    """As many effects as commands that were done, of each kind; what matching refused had passed risk before."""
    done = Counter(line.request for line in customer.lines if line.result.outcome is Outcome.DONE)
    refused = Counter(line.request for line in customer.lines if line.result.reason in REFUSED_BY_MATCHING)
    for name in COUNTED:
        effect = MUTATING[name][1]
        effects = verdict.effects[customer.key.account, effect]
        assert done[name] <= effects <= done[name] + refused[name], (name, effects, customer.lines)


async def submit_many(customer: Customer, answered: list[Result], at_once: int) -> list[tuple[pb.Command, Result]]:
    """Send many frames through the first gateway, so many at once, once each; what it does not answer stays UNKNOWN."""
    places = asyncio.Semaphore(at_once)
    chance = random.Random(customer.key.account)
    makers = [MUTATING[name][0] for name in COUNTED if name != "open_account"]

    async def one(command: pb.Command) -> tuple[pb.Command, Result]:
        async with places:
            signed = await customer.sign(command)
            (result,), _ = await send(customer.clients[0].trading.Submit, signed, ONCE)
        answered.extend([result] if result.outcome is not Outcome.UNKNOWN else [])
        return command, result

    return list(await asyncio.gather(*(one(chance.choice(makers)(customer)) for _ in range(FRAMES))))


async def resolve(customer: Customer, command: pb.Command, result: Result) -> str:
    """Ask the second gateway until it knows; returns what the answer was."""
    known = result
    if result.outcome is Outcome.UNKNOWN:
        found: list[Result] = []

        async def is_known() -> bool:
            with contextlib.suppress(Unreachable):  # a busy venue may say: ask again
                answer = await customer.clients[1].result(result.ticket)
                found.extend([answer] if answer is not None else [])
            return bool(found)

        await wait_until(is_known, f"the outcome of {result.ticket}")
        known = found[0]
    customer.note([command], [known])
    if result.outcome is not Outcome.UNKNOWN:
        return "answered"
    assert known.outcome is not Outcome.UNKNOWN, f"{known} came too late to know"
    return "NEVER" if known.text.startswith("it did not reach") else "RESULT"


async def appended(venue: Venue) -> int:
    """Records of the inboxes that take commands."""
    return sum([await venue.home.end(inbox("risk"), shard) for shard in range(SHARDS)]) + await venue.home.end(
        inbox("settlement"), 0
    )


async def kill_after_appends(venue: Venue, _answered: list[Result]) -> None:
    """While the machines hang, so that nobody can be answered, wait for appends; then kill, and let the machines go on."""
    before = await appended(venue)

    async def landed() -> bool:
        return await appended(venue) >= before + 2 * IN_FLIGHT_MIN

    await wait_until(landed, "commands have landed")
    await venue.services["gateway-1"].kill()
    for name in ("risk", "settlement"):
        venue.services[name].resume()


async def kill_after_answers(venue: Venue, answered: list[Result]) -> None:
    """Kill when some answers are out, and the others are somewhere on their way."""

    async def some() -> bool:
        return len(answered) >= ANSWERED_MIN

    await wait_until(some, "answers come")
    await venue.services["gateway-1"].kill()


async def killing_round(venue: Venue, customers: list[Customer], *, machines_hang: bool) -> Counter[str]:
    """Many commands in flight, a killed gateway, and what became of each."""
    answered: list[Result] = []
    await venue.services["gateway-1"].wait_until_healthy()
    await asyncio.gather(*(customer.clients[0].clock.read() for customer in customers))
    if machines_hang:
        for name in ("risk", "settlement"):
            venue.services[name].pause()
    at_once = FRAMES if machines_hang else FLOWING_AT_ONCE
    killing = kill_after_appends if machines_hang else kill_after_answers
    submitting = asyncio.gather(*(submit_many(one, answered, at_once) for one in customers))
    await killing(venue, answered)
    sent = await submitting
    questions = [resolve(one, *line) for one, lines in zip(customers, sent, strict=True) for line in lines]
    return Counter(await asyncio.gather(*questions))


async def test_what_a_killed_gateway_left_open_becomes_known(venue: Venue) -> None:
    await venue.start()
    async with contextlib.AsyncExitStack() as stack:
        customers = [await stack.enter_async_context(Customer(venue, seed)) for seed in range(CUSTOMERS)]
        await asyncio.gather(*(customer.enter() for customer in customers))
        hanging = await killing_round(venue, customers, machines_hang=True)
        flowing = await killing_round(venue, customers, machines_hang=False)
        print(f"machines hung: {dict(hanging)}; machines ran: {dict(flowing)}")
        assert hanging["RESULT"] + hanging["NEVER"] >= IN_FLIGHT_MIN
        assert hanging["RESULT"]
        assert hanging["NEVER"] + flowing["NEVER"]
        verdict = await stopped_and_judged(venue, [line for customer in customers for line in customer.lines])
        for customer in customers:
            judge_effects(verdict, customer)
