"""The client library against a whole venue: streams and sessions, gateways that go, books and accounts kept in step, keys, admins."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from services.client import DefiniteReject, Outcome, SigningKey, Tls, Unreachable, Vigil
from services.client.admin import Admin
from services.client.commands import BUY, SELL, cancel_all_command, order_command, quote, replace_command
from services.client.mirror import AccountMirror
from services.client.submission import Pace
from services.client.views import AccountView, BookView
from services.client.waiting import (
    STOP,
    TAKE_PROFIT,
    TRAILING,
    leverage_command,
    trigger_command,
    twap_command,
)
from services.core.messages import Cancels
from services.core.rpc import RpcSettings
from services.core.rpc import Tls as ServerTls
from services.gateway.gateway import Gateway
from services.local.development import admin_key
from tests.clients.exchange import CALM, Exchange
from vigil.v1 import admin_pb2, common_pb2, feeds_pb2
from vigil.v1 import trading_pb2 as pb

SYMBOL = "BTC_USDC_PERP"
PACE = Pace(timeout_s=3, retries=(0.05, 0.1, 0.2), ask_every_s=0.05, ask_for_s=10, reconnect_s_max=0.2)
READ, TRADE = 1, 2
NewClient: TypeAlias = Callable[..., Vigil]
Item = TypeVar("Item")


async def funded(client: Vigil, *assets: tuple[str, str]) -> Vigil:
    """Open the account, and wait until what was paid in has come."""
    await client.open_account()
    for asset, amount in assets or (("USDC", "100000"),):
        await client.deposit(asset, amount)
    wanted = len(assets or ("USDC",))
    await until(client, lambda view: len(view.balances) == wanted)
    return client


async def until(client: Vigil, holds: Callable[[AccountView], bool]) -> AccountView:
    """Ask for the account until it is as it should be."""
    async with asyncio.timeout(20):
        while not holds(view := await client.account()):  # noqa: ASYNC110 - asks
            await asyncio.sleep(0.02)
    return view


@pytest.fixture
async def both(exchange: Exchange) -> AsyncIterator[tuple[Vigil, Gateway]]:
    """A client of two gateways, and the one that it reaches first."""
    first, second = await exchange.gateway(), await exchange.gateway()
    key = SigningKey(bytes([9] * 32))
    async with Vigil(f"ipv4:{first.address},{second.address}", key, pace=PACE) as client:
        await funded(client)
        yield client, first


async def test_every_kind_of_order_command_over_one_stream(new_client: NewClient) -> None:
    client = await funded(new_client(1))
    async with client.session() as stream:
        orders = [order_command(SYMBOL, BUY, size="0.01", price=7_700 + one, client_id=one + 1) for one in range(100)]
        frames = [client.submit(orders[start : start + 20]) for start in range(0, 100, 20)]
        results = [result for frame in await asyncio.gather(*frames) for result in frame]
        assert {one.outcome for one in results} == {Outcome.DONE}
        moved = await client.replace(SYMBOL, client_id=100, price="7790", size="0.02")
        assert moved.open_size == 2_000
        assert moved.order_id == results[99].order_id
        await client.mass_quote(SYMBOL, [quote(501, BUY, 7_900, "0.1"), quote(502, SELL, 8_100, "0.1")])
        await client.mass_quote(SYMBOL, [quote(501, BUY, 7_950, "0.2"), quote(502, SELL, 8_100, 0)])
        view = await client.account()
        quotes = {one.client_id: (one.price, one.remaining) for one in view.orders if one.kind == "quote"}
        assert quotes == {501: (Decimal(7_950), Decimal("0.2"))}
        await client.cancel_all(SYMBOL)
        assert (await until(client, lambda seen: not seen.orders)).positions == ()
        assert stream.losses == 0


async def test_what_a_session_guards_is_cancelled_when_it_ends(new_client: NewClient) -> None:
    client = await funded(new_client(1))
    async with client.session(lease_ms=2_000):
        await client.buy(SYMBOL, size="0.1", price="7900")
    await until(client, lambda view: not view.orders)
    async with client.session(lease_ms=2_000) as stream:
        await client.buy(SYMBOL, size="0.1", price="7900")
        await stream.guard(0)
    await client.buy(SYMBOL, size="0.1", price="7901")
    assert len((await client.account()).orders) == 2


async def test_a_stream_goes_on_at_another_gateway_and_each_order_acts_once(both: tuple[Vigil, Gateway]) -> None:
    client, first = both
    async with client.session() as stream:
        orders = [order_command(SYMBOL, BUY, size="0.01", price=7_700 + one, client_id=one + 1) for one in range(40)]
        sending = [asyncio.ensure_future(client.submit([one])) for one in orders]
        await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
        await first.server.server.stop(None)
        results = [result for frame in await asyncio.gather(*sending) for result in frame]
        later = await client.buy(SYMBOL, size="0.01", price="7650", client_id=99)
        assert stream.losses >= 1
    done = {7_700 + number for number, one in enumerate(results) if one.outcome is Outcome.DONE}
    assert Outcome.UNKNOWN not in {one.outcome for one in results}
    assert later.outcome is Outcome.DONE
    prices = [int(one.price) for one in (await client.account()).orders]
    assert sorted(prices) == sorted(done | {7_650})


def without_value(view: AccountView) -> AccountView:
    """What a mirror can know: no margins, and no value of positions."""
    nothing = Decimal(0)
    held = tuple(replace(one, unrealised_pnl=nothing) for one in view.positions)
    some = tuple(one for one in view.balances if one.idle or one.hold or one.unsettled)
    return replace(view, positions=held, balances=some, margins=(), at_ms=0, seq=0)


def random_commands(chance: random.Random, open_ids: list[int]) -> list[pb.Command]:
    """One or two commands of one of two accounts that trade with each other, on a perpetual and a spot market."""
    symbol = chance.choice((SYMBOL, "BTC_USDC"))
    side = chance.choice((BUY, SELL))
    price = 8_000 + chance.randrange(-8, 9)
    kind = chance.randrange(13)
    if kind >= 10:
        return [waiting_command(chance, symbol)]
    if kind < 6:
        return [order_command(symbol, side, size=f"0.0{chance.randrange(1, 10)}", price=price)]
    if kind == 6 and open_ids:
        return [replace_command(SYMBOL, order_id=chance.choice(open_ids), size="0.05", price=price)]
    if kind == 7:
        quotes = [
            quote(one, BUY if one % 2 else SELL, price - 3 if one % 2 else price + 3, "0.02") for one in (1, 2, 3)
        ]
        return [pb.Command(mass_quote=pb.MassQuote(symbol=symbol, quotes=quotes))]
    if kind == 8:
        return [cancel_all_command(symbol)]
    return [order_command(symbol, side, size="0.03"), order_command(symbol, side, size="0.02", price=price)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
async def test_a_mirror_comes_to_be_the_account_after_every_command(new_client: NewClient, seed: int) -> None:
    chance = random.Random(seed)
    clients = [await funded(new_client(one), ("USDC", "100000"), ("BTC", "5")) for one in (1, 2)]
    mirrors: list[AccountMirror] = []
    following = asyncio.create_task(keep(clients[0].follow_account(), lambda change: mirrors.append(change.mirror)))
    await reached(lambda: bool(mirrors))
    for _ in range(60):
        client = chance.choice(clients)
        open_ids = [one.order_id for one in (await client.account()).orders if one.symbol == SYMBOL]
        with contextlib.suppress(DefiniteReject):
            await client.submit(random_commands(chance, open_ids))
        await agree(clients[0], mirrors[-1])
    following.cancel()


def waiting_command(chance: random.Random, symbol: str) -> pb.Command:
    """Something about what waits, or about leverage."""
    far, near = ("7000", "9000"), ("7996", "8004")
    price = chance.choice(far if chance.randrange(3) else near)
    kind = STOP if price < "8000" else TAKE_PROFIT
    return chance.choice(
        [
            trigger_command(symbol, SELL, kind, size="0.01", trigger_price=price, group=chance.randrange(2)),
            trigger_command(symbol, BUY, TRAILING, size="0.01", trail="0.05"),
            twap_command(SYMBOL, BUY, size="0.1", duration_ms=300_000, interval_ms=60_000, tolerance="0.01"),
            cancel_all_command(symbol, what=int(Cancels.TRIGGERS)),
            leverage_command(chance.randrange(1, 20)),
        ]
    )


async def agree(client: Vigil, mirror: AccountMirror) -> None:
    """Wait until a mirror says what the venue says; the difference when it does not in time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(10):
            while without_value(await client.account()) != without_value(mirror.view()):  # noqa: ASYNC110 - asks
                await asyncio.sleep(0.01)
    assert without_value(await client.account()) == without_value(mirror.view())


async def keep(items: AsyncIterator[Item], take: Callable[[Item], Any]) -> None:
    """Hand on whatever comes, until cancelled."""
    async for item in items:
        take(item)


async def reached(holds: Callable[[], bool]) -> None:
    """Let others work until something holds."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - asks
            await asyncio.sleep(0.01)


async def test_a_book_and_trades_go_on_over_the_loss_of_a_gateway(
    both: tuple[Vigil, Gateway], exchange: Exchange
) -> None:
    client, first = both
    views: list[BookView] = []
    trades: list[int] = []

    tasks = [
        asyncio.create_task(keep(client.follow_book(SYMBOL), views.append)),
        asyncio.create_task(keep(client.follow_trades(SYMBOL), lambda trade: trades.append(trade.trade_id))),
    ]
    taker = Vigil(exchange.gateways[1].address, SigningKey(bytes([8] * 32)), pace=PACE)
    await funded(taker)
    await reached(lambda: bool(views))
    for number in range(12):
        await taker.buy(SYMBOL, size="0.02", price=7_990 + number)
        await client.sell(SYMBOL, size="0.01", price=7_990 + number)
        if number == 5:
            await reached(lambda: bool(trades))
            await first.server.server.stop(None)
    book = await client.book(SYMBOL, 100)
    await reached(lambda: views[-1].update_id >= book.update_id and len(trades) >= 12)
    found = next(view for view in views if view.update_id == book.update_id)
    assert (found.bids, found.asks) == (book.bids, book.asks)
    assert [one - trades[0] for one in trades] == list(range(12))
    for task in tasks:
        task.cancel()
    await taker.close()


async def test_an_added_key_acts_within_its_scopes_until_it_is_revoked(gateway: Gateway, new_client: NewClient) -> None:
    owner = await funded(new_client(1))
    assert owner.key is not None
    trader, reader = SigningKey(bytes([21] * 32)), SigningKey(bytes([22] * 32))
    await owner.add_key(trader.public, READ | TRADE)
    await owner.add_key(reader.public, READ)
    async with (
        Vigil(gateway.address, trader, account=owner.key.account) as trades,
        Vigil(gateway.address, reader, account=owner.key.account) as reads,
    ):
        await allowed(lambda: trades.buy(SYMBOL, size="0.1", price="7900"))
        assert len((await reads.account()).orders) == 1
        with pytest.raises(DefiniteReject, match="UNAUTHORIZED"):
            await reads.buy(SYMBOL, size="0.1", price="7900")
        with pytest.raises(DefiniteReject, match="UNAUTHORIZED"):
            await trades.withdraw("USDC", 1, "somewhere")
        await owner.revoke_key(trader.key_id)
        with pytest.raises(DefiniteReject, match="KEY_REVOKED"):
            await trades.buy(SYMBOL, size="0.1", price="7900")
        listed = {one.key_id: (one.scopes, one.revoked) for one in await reads.keys()}
        assert listed == {
            owner.key.key_id: (("read", "trade", "withdraw"), False),
            trader.key_id: (("read", "trade"), True),
            reader.key_id: (("read",), False),
        }


async def allowed(work: Callable[[], Awaitable[Any]]) -> None:
    """Do something as soon as the gateway knows the key: its directory follows risk."""
    async with asyncio.timeout(10):
        while not await is_known(work):  # noqa: ASYNC110 - asks
            await asyncio.sleep(0.02)


async def is_known(work: Callable[[], Awaitable[Any]]) -> bool:
    """Do something; False when the key is not known yet."""
    try:
        await work()
    except DefiniteReject as refusal:
        if refusal.reason != "UNKNOWN_KEY":
            raise
        return False
    return True


async def test_money_moves_between_subaccounts_and_cancels_can_be_scheduled(new_client: NewClient) -> None:
    client = new_client(1)
    await client.open_account()
    for subaccount in (0, 7):
        await client.set_modes([], subaccount=subaccount)
    await funded(client)
    await client.transfer("USDC", "250.5", receiver=7)
    view = await until(client, lambda seen: len(seen.balances) == 2)
    assert [(one.subaccount, one.idle) for one in view.balances] == [(0, Decimal("99749.5")), (7, Decimal("250.5"))]
    await client.buy(SYMBOL, size="0.01", price="7900", subaccount=7)
    await client.schedule_cancel(await client.now_ms() + 1_500, subaccount=7)
    await until(client, lambda seen: not seen.orders)


async def test_admins_change_what_is_traded(exchange: Exchange) -> None:
    gateway = await exchange.gateway(replace(CALM, admin=RpcSettings()))
    assert gateway.admin_server is not None
    address = gateway.admin_server.address
    async with Vigil(gateway.address, SigningKey(bytes([3] * 32)), time_age_s=0) as client:
        await funded(client)
        one, two = admin_key(1), admin_key(2)
        halt = admin_pb2.SetMarketState(symbol=SYMBOL, state=common_pb2.MARKET_STATE_HALTED)
        tiers = admin_pb2.SetFeeSchedule(tiers=[feeds_pb2.FeeTier(tier=1, maker_share=0, taker_share=10**11)])
        async with Admin(address, [one], pace=PACE) as alone:
            asked = admin_pb2.AdminCommand(set_market_state=halt)
            (result,) = await alone.submit([asked])
            assert result.outcome is Outcome.DONE
            assert await alone.result(result.ticket, asked) == result
            (result,) = await alone.submit([admin_pb2.AdminCommand(set_fee_schedule=tiers)])
            assert (result.outcome, result.reason) == (Outcome.REFUSED, "SECOND_SIGNATURE_MISSING")
        async with Admin(address, [one, two], pace=PACE) as together:
            (result,) = await together.submit([admin_pb2.AdminCommand(set_fee_schedule=tiers)])
            assert result.outcome is Outcome.DONE
        async with asyncio.timeout(10):
            while (await client.refresh_listed()).market(SYMBOL).state != "halted":  # noqa: ASYNC110 - asks
                await asyncio.sleep(0.02)
        with pytest.raises(DefiniteReject, match="MARKET"):
            await client.buy(SYMBOL, size="0.1", price="7900")


def certificate(folder: Path) -> tuple[Path, Path]:
    """Chain and key of a server called `venue.test`, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "venue.test")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("venue.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(built.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return chain, secret


async def test_tls_speaks_only_to_who_shows_the_right_certificate(exchange: Exchange, tmp_path: Path) -> None:
    chain, secret = certificate(tmp_path)
    gateway = await exchange.gateway()
    secured = Gateway(
        exchange.home,
        gateway.queries,
        replace(CALM, rpc=RpcSettings(tls=ServerTls(chain.read_bytes(), secret.read_bytes()))),
    )
    await secured.start()
    pace = Pace(timeout_s=2, retries=())
    trusting, misled = Tls(chain, "venue.test"), Tls(chain, "another.test")
    key = SigningKey(bytes([5] * 32))
    async with Vigil(secured.address, key, tls=trusting, pace=pace) as client:
        await funded(client)
        async with client.session():
            assert (await client.buy(SYMBOL, size="0.1", price="7900")).outcome is Outcome.DONE
    for wrong in (misled, None):
        async with Vigil(secured.address, key, tls=wrong, pace=pace) as client:
            with pytest.raises(Unreachable):
                await client.now_ms()
    await secured.stop()
