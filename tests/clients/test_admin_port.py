"""Admin commands on their own port: who may sign, what two must sign, and that everybody sees what they did."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.client import SigningKey, Vigil
from services.core.keys import ADMIN_DOMAIN, QUERY_DOMAIN
from services.core.rpc import RpcSettings, Tls, open_channel
from services.gateway.gateway import Gateway
from services.local.development import admin_key
from tests.clients.exchange import CALM, Exchange
from vigil.v1 import admin_pb2, admin_pb2_grpc, common_pb2, feeds_pb2, market_data_pb2, market_data_pb2_grpc
from vigil.v1 import trading_pb2 as pb

SYMBOL = "BTC_USDC_PERP"
ONE, TWO = admin_key(1), admin_key(2)
DONE = common_pb2.COMMAND_OUTCOME_DONE


@pytest.fixture
async def gateway(exchange: Exchange) -> Gateway:
    return await exchange.gateway(replace(CALM, admin=RpcSettings()))


class Office:
    """The admins' port, and what everybody sees."""

    def __init__(self, gateway: Gateway) -> None:
        assert gateway.admin_server is not None
        self.gateway = gateway
        self.channel = open_channel(gateway.admin_server.address)
        self.admin: Any = admin_pb2_grpc.AdminStub(self.channel)
        self.public_channel = open_channel(gateway.address)
        self.public: Any = market_data_pb2_grpc.MarketDataStub(self.public_channel)

    async def submit(self, *keys: SigningKey, **request: Any) -> pb.CommandResult:
        command = admin_pb2.AdminCommand(**request)
        frame = admin_pb2.AdminFrame(timestamp_ms=self.gateway.home.now_ms(), commands=[command])
        content = frame.SerializeToString(deterministic=True)
        signatures = [
            admin_pb2.AdminSignature(key=key.public, signature=key.sign(ADMIN_DOMAIN, self.gateway.venue, content))
            for key in keys
        ]
        answer = await self.admin.Submit(admin_pb2.AdminSignedFrame(frame=content, signatures=signatures), timeout=5)
        return answer.results[0]  # type: ignore[no-any-return]

    async def result(self, key: SigningKey, command_id: int, at_ms: int) -> pb.CommandResultAnswer:
        named = pb.CommandOf(command_id=command_id, timestamp_ms=at_ms)
        query = pb.Query(timestamp_ms=self.gateway.home.now_ms(), command_result=named)
        content = query.SerializeToString(deterministic=True)
        signature = key.sign(QUERY_DOMAIN, self.gateway.venue, content)
        signed = pb.SignedQuery(key=key.public, query=content, signature=signature)
        return await self.admin.GetCommandResult(signed, timeout=5)  # type: ignore[no-any-return]

    async def listing(self) -> tuple[Any, int]:
        listed = await self.public.ListMarkets(market_data_pb2.ListMarketsQuery())
        market = next(market for market in listed.markets if market.symbol == SYMBOL)
        return market, next(line.state for line in listed.states if line.market == market.id)

    async def until(self, holds: Callable[[Any, int], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds(*await self.listing()):  # noqa: ASYNC110 - asks
                await asyncio.sleep(0.02)


@pytest.fixture
async def office(gateway: Gateway) -> AsyncIterator[Office]:
    office = Office(gateway)
    yield office
    await office.channel.close()
    await office.public_channel.close()


async def test_a_market_is_limited_and_everybody_sees_it(office: Office) -> None:
    _, state = await office.listing()
    assert state == common_pb2.MARKET_STATE_OPEN
    limited = admin_pb2.SetMarketState(symbol=SYMBOL, state=common_pb2.MARKET_STATE_CANCEL_ONLY)
    assert (await office.submit(ONE, set_market_state=limited)).outcome == DONE
    await office.until(lambda _market, state: state == common_pb2.MARKET_STATE_CANCEL_ONLY)


async def test_only_a_delisting_delists(office: Office) -> None:
    asked = admin_pb2.SetMarketState(symbol=SYMBOL, state=common_pb2.MARKET_STATE_DELISTED)
    refused = await office.submit(ONE, set_market_state=asked)
    assert (refused.reason_name, "AUCTION (4)" in refused.text) == ("MARKET_STATE", True)


async def test_a_change_says_when_it_may_take_effect_and_waits_for_it(office: Office) -> None:
    market, _ = await office.listing()
    market.taker_fee += 100_000_000
    too_early = admin_pb2.ChangeMarket(market=market, effective_ms=1)
    refused = await office.submit(ONE, change_market=too_early)
    assert (refused.reason_name, refused.recorded) == ("CHANGE_TOO_EARLY", True)
    change = admin_pb2.ChangeMarket(market=market, effective_ms=refused.limit + 1_000)
    assert (await office.submit(ONE, change_market=change)).outcome == DONE
    known, _ = await office.listing()
    assert known.taker_fee == market.taker_fee - 100_000_000


async def test_money_needs_two_different_admins(office: Office) -> None:
    gift = admin_pb2.ContributeToFund(group="main", asset="USDC", amount="1")
    alone = await office.submit(ONE, contribute_to_fund=gift)
    assert alone.reason_name == "SECOND_SIGNATURE_MISSING"
    assert (await office.submit(ONE, TWO, contribute_to_fund=gift)).outcome == DONE
    with pytest.raises(grpc.aio.AioRpcError, match="different keys"):
        await office.submit(ONE, ONE, contribute_to_fund=gift)


async def test_limits_and_owners_need_two_admins(office: Office) -> None:
    limits = admin_pb2.SetLimitTiers(tiers=[feeds_pb2.LimitTier(tier=1, position_share=10**11, orders_max=5)])
    owner = admin_pb2.SetOwner(account=ONE.account, owner=7)
    requests: list[dict[str, Any]] = [{"set_limit_tiers": limits}, {"set_owner": owner}]
    for request in requests:
        assert (await office.submit(ONE, **request)).reason_name == "SECOND_SIGNATURE_MISSING"
        assert (await office.submit(ONE, TWO, **request)).outcome == DONE
    limits.tiers[0].position_share = 10**12 + 1
    assert (await office.submit(ONE, TWO, set_limit_tiers=limits)).reason_name == "INVALID_AMOUNT"


async def test_a_calendar_lists_futures_that_everybody_sees(office: Office) -> None:
    listed = await office.public.ListMarkets(market_data_pb2.ListMarketsQuery())
    form = next(market for market in listed.markets if market.symbol == SYMBOL)
    form.id, form.symbol, form.kind = 100_000, "BTC_TEST", common_pb2.MARKET_KIND_LINEAR_FUTURE
    form.pulse_interval_ms = 0
    form.expiry_price, form.settlement_window_ms = common_pb2.SETTLEMENT_PRICE_INDEX_MEAN, 3_600_000
    calendar = common_pb2.Calendar(id=77, market=form, weeks=1, quarters=1, hour_ms=28_800_000, markets_max=100)
    result = await office.submit(ONE, list_calendar=admin_pb2.ListCalendar(calendar=calendar))
    assert result.outcome == DONE, result

    async def futures() -> list[Any]:
        now = await office.public.ListMarkets(market_data_pb2.ListMarketsQuery())
        return [market for market in now.markets if market.symbol.startswith("BTC_TEST_")]

    async with asyncio.timeout(10):
        while len(await futures()) < 2:  # noqa: ASYNC110 - asks
            await asyncio.sleep(0.02)
    for market in await futures():
        assert market.expires_ms > office.gateway.home.now_ms()
        assert market.symbol.endswith(f"{dt.datetime.fromtimestamp(market.expires_ms / 1_000, dt.UTC):%Y%m%d}")
    refused = await office.submit(ONE, list_calendar=admin_pb2.ListCalendar(calendar=common_pb2.Calendar(id=78)))
    assert (refused.outcome, refused.recorded) == (common_pb2.COMMAND_OUTCOME_REFUSED, True)


async def test_an_asset_says_what_it_is_worth(office: Office) -> None:
    terms = common_pb2.Collateral(
        index="BTC_USD",
        initial_weight=9 * 10**11,
        maintenance_weight=95 * 10**10,
        dispersion_max=10**11,
        sources_min=1,
        price_stale_ms=60_000,
    )
    asset = common_pb2.Asset(id=900, symbol="XBT", decimals=8, collateral=terms)
    assert (await office.submit(ONE, list_asset=admin_pb2.ListAsset(asset=asset))).outcome == DONE

    async def line() -> Any:
        answer = await office.public.GetCollateral(market_data_pb2.CollateralQuery())
        return next((one for one in answer.assets if one.symbol == "XBT"), None)

    async with asyncio.timeout(10):
        while (known := await line()) is None or not known.price:  # noqa: ASYNC110 - asks
            await asyncio.sleep(0.02)
    assert known.collateral == terms
    (bitcoin,) = (one for one in (await office.public.GetMarks(market_data_pb2.MarksQuery())).marks if one.market == 1)
    assert known.price == bitcoin.index_price * 10**8
    asset.id, asset.collateral.initial_weight = 901, 10**12
    refused = await office.submit(ONE, list_asset=admin_pb2.ListAsset(asset=asset))
    assert (refused.reason_name, refused.limit) == ("INVALID_LISTING", 4)


async def test_the_same_id_acts_once_and_its_result_is_known(office: Office) -> None:
    at_ms = office.gateway.home.now_ms()
    tiers = admin_pb2.SetFeeSchedule(tiers=[{"tier": 1, "maker_share": 5 * 10**11, "taker_share": 10**12}])  # type: ignore[list-item]
    first = await office.submit(ONE, TWO, command_id=77, set_fee_schedule=tiers)
    again = await office.submit(TWO, ONE, command_id=77, set_fee_schedule=tiers)
    assert (first.outcome, again.outcome) == (DONE, DONE)
    answer = await office.result(ONE, 77, at_ms)
    assert (answer.answer, answer.result.outcome) == (pb.COMMAND_ANSWER_RESULT, DONE)
    assert (await office.result(TWO, 78, at_ms)).answer == pb.COMMAND_ANSWER_PENDING


async def test_who_is_no_admin_is_told_so(office: Office, new_client: Callable[..., Vigil]) -> None:
    stranger = SigningKey(bytes([7] * 32))
    limited = admin_pb2.SetMarketState(symbol=SYMBOL, state=common_pb2.MARKET_STATE_HALTED)
    for keys in ([stranger], [ONE, stranger]):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await office.submit(*keys, set_market_state=limited)
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await office.result(stranger, 1, 1)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    with pytest.raises(grpc.aio.AioRpcError) as unserved:
        await admin_pb2_grpc.AdminStub(new_client(1).channel).GetTime(pb.TimeQuery())
    assert unserved.value.code() is grpc.StatusCode.UNIMPLEMENTED


def certificate() -> Tls:
    """A certificate of this host, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    return Tls(made.public_bytes(pem), private)


async def test_tls_is_spoken_to_who_trusts_the_certificate_and_to_nobody_else(exchange: Exchange) -> None:
    tls = certificate()
    gateway = await exchange.gateway(replace(CALM, rpc=RpcSettings(address="localhost:0", tls=tls)), marked=False)
    for roots, code in ((tls.certificate, grpc.StatusCode.OK), (None, grpc.StatusCode.UNAVAILABLE)):
        async with open_channel(gateway.address, roots=roots) as channel:
            stub: Any = market_data_pb2_grpc.MarketDataStub(channel)
            assert await stub.GetMarks(market_data_pb2.MarksQuery(), timeout=5).code() is code
