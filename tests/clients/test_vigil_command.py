"""The `vigil` command as people use it, against a running venue."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.client import Vigil
from services.client.keyfile import read_key, write_key
from services.core.rpc import RpcSettings
from services.gateway.gateway import Gateway
from services.local.development import write_admin_keys
from tests.clients.exchange import CALM, Exchange

ROOT = Path(__file__).resolve().parents[2]


# The command itself, once per line, in one process: starting Python for each would take most of the time.
SHELL = """
import sys
from services.client.__main__ import main
for line in sys.stdin:
    sys.argv = ["vigil", *line.split()]
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    print(chr(4), code, flush=True)
"""


class Terminal:
    """Runs `vigil` with a key of its own."""

    def __init__(self, address: str, key_file: Path) -> None:
        self.address = address
        settings = {"VIGIL_CLIENT_ADDRESS": address, "VIGIL_CLIENT_KEY_FILE": str(key_file), "COLUMNS": "200"}
        self.environment = os.environ | settings
        self.shell: asyncio.subprocess.Process | None = None

    async def run(self, *arguments: str, errors: int = asyncio.subprocess.PIPE) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, *arguments),
            env=self.environment,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start a command in a process of its own."""
        return await self.run("-m", "services.client", *arguments)

    async def __call__(self, line: str) -> tuple[int, str]:
        """Exit code and output of a command."""
        self.shell = self.shell or await self.run("-c", SHELL, errors=asyncio.subprocess.STDOUT)
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        self.shell.stdin.write(f"{line}\n".encode())
        async with asyncio.timeout(60):
            said = (await self.shell.stdout.readuntil(b"\x04")).decode().removesuffix("\x04")
            return int(await self.shell.stdout.readline()), said

    async def json(self, line: str) -> tuple[int, dict[str, Any]]:
        """Exit code and the one line of JSON that a command says."""
        code, output = await self(f"{line} --json")
        said: dict[str, Any] = json.loads(output.splitlines()[0])
        return code, said

    async def close(self) -> None:
        """End the shell."""
        if self.shell is not None:
            self.shell.kill()
            await self.shell.wait()


@pytest.fixture
async def terminal() -> AsyncIterator[Callable[[str, Path], Terminal]]:
    made: list[Terminal] = []

    def make(address: str, key_file: Path) -> Terminal:
        made.append(Terminal(address, key_file))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.fixture
def vigil(gateway: Gateway, tmp_path: Path, terminal: Callable[[str, Path], Terminal]) -> Terminal:
    return terminal(gateway.address, tmp_path / "key")


@pytest.mark.slow
async def test_a_first_session(vigil: Terminal) -> None:
    assert (await vigil("keys new"))[0] == 0
    assert await vigil("deposit 1000") == (0, "account: done\ndeposit of 1000 USDC: done\n")
    code, output = await vigil("order buy BTC_USDC_PERP 0.01 --price 7990 --client-id 7")
    assert (code, output.rstrip().endswith("filled 0, resting 0.01")) == (0, True)
    code, output = await vigil("account")
    assert code == 0
    assert all(text in output for text in ("1,000", "7,990", "BTC_USDC_PERP", "0.03995"))
    assert await vigil("cancel BTC_USDC_PERP --client-id 7") == (0, "cancel: done\n")
    code, output = await vigil("order buy BTC_USDC_PERP 10 --price 8000")
    assert (code, len(output.splitlines())) == (1, 1)
    assert "INSUFFICIENT_MARGIN" in output


PUBLIC_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
DONE: list[tuple[str, dict[str, Any]]] = [
    ("transfer 100 --to 3", {"outcome": "done"}),
    ("order buy BTC_USDC_PERP 0.02 --price 7980 --post-only --expires-in 5m --client-id 1", {"resting": "0.02"}),
    ("order sell BTC_USDC_PERP 0.01 --price 7990 --slide --self-trade decrement --client-id 2", {"resting": "0.01"}),
    ("replace BTC_USDC_PERP 0.03 7985 --client-id 1", {"resting": "0.03", "filled": "0"}),
    ("quote ETH_USDC_PERP --bid 1:199:0.5 --ask 2:201:0.5", {"command": "2 quotes in ETH_USDC_PERP"}),
    ("schedule-cancel 1m", {"outcome": "done"}),
    ("schedule-cancel off", {"outcome": "done"}),
    (f"keys add {PUBLIC_KEY} --scopes read --expires-in 1d", {"outcome": "done"}),
    (f"keys revoke {PUBLIC_KEY}", {"outcome": "done"}),
    ("cancel-all BTC_USDC_PERP", {"outcome": "done"}),
    ("withdraw 5 somewhere", {"outcome": "done"}),
]
REFUSED: list[tuple[str, int, dict[str, Any]]] = [
    ("order sell BTC_USDC_PERP 0.01 --price 8000 --reduce-only", 1, {"reason": "REDUCE_ONLY_NOT_REDUCED"}),
    ("order buy BTC_USDC_PERP 0.5 --price 7990 --fok", 1, {"reason": "FILL_OR_KILL", "outcome": "refused"}),
    ("order buy BTC_USDC_PERP 0.01 --price 7990.05", 1, {"reason": "INVALID_PRICE"}),
    ("cancel BTC_USDC_PERP --client-id 99", 1, {"reason": "ORDER_NOT_OPEN"}),
    ("book NOPE", 1, {"outcome": "refused", "reason": "UNKNOWN_MARKET"}),
    ("result 77 --timestamp 9000000000000", 3, {"outcome": "unknown", "command_id": "77"}),
    ("time --address 127.0.0.1:1", 4, {"outcome": "unreachable"}),
]


@pytest.mark.slow
async def test_every_command_speaks_to_scripts(vigil: Terminal, tmp_path: Path) -> None:
    await vigil("keys new")
    async with Vigil(vigil.address, read_key(tmp_path / "key"), time_age_s=0) as lends_nothing:
        await lends_nothing.open_account()
        for subaccount in (0, 3):
            await lends_nothing.set_modes([], subaccount=subaccount)
    await vigil("deposit 100000")
    for line, said in DONE:
        assert (line, *await vigil.json(line)) == (line, 0, Anything(said))
    _, orders = await vigil.json("orders")
    assert [(one["client_id"], one["kind"], one["remaining"]) for one in orders["orders"]] == [
        (1, "quote", "0.5"),
        (2, "quote", "0.5"),
    ]
    _, account = await vigil.json("account")
    assert {(one["subaccount"], one["idle"]) for one in account["balances"]} == {(0, "99895"), (3, "100")}
    _, keys = await vigil.json("keys list")
    assert sorted((one["scopes"], one["expires_ms"] > 0, one["revoked"]) for one in keys["keys"]) == [
        (["read"], True, True),
        (["read", "trade", "withdraw"], False, False),
    ]
    _, shown = await vigil("keys list")
    assert [line.split("│")[-2].strip() for line in shown.splitlines() if "│" in line] in (
        ["active", "revoked"],
        ["revoked", "active"],
    )
    _, book = await vigil.json("book ETH_USDC_PERP")
    assert (book["bids"], book["asks"]) == ([["199", "0.5"]], [["201", "0.5"]])
    _, markets = await vigil.json("markets")
    assert {one["symbol"]: one["mark"]["index_price"] for one in markets["markets"]}["BTC_USDC_PERP"] == "8000"
    for line, code, said in REFUSED:
        assert (line, *await vigil.json(line)) == (line, code, Anything(said))


WAITING: list[tuple[str, dict[str, Any]]] = [
    ("order sell BTC_USDC_PERP 0.01 --stop 7900 --client-id 11 --oco 3", {"outcome": "done"}),
    ("order sell BTC_USDC_PERP 0.01 --take-profit 8100 --price 8095 --oco 3 --trigger-by last", {"outcome": "done"}),
    ("order sell BTC_USDC_PERP 0.01 --trail 2%", {"outcome": "done"}),
    ("order buy BTC_USDC_PERP 0.02 --price 7950 --bracket-tp 8100 --bracket-sl 7900:7890", {"resting": "0.02"}),
    ("order buy BTC_USDC_PERP 0.03 --price 7940 --display 0.01", {"resting": "0.03"}),
    ("twap buy ETH_USDC_PERP 5 --for 5m --every 1m --client-id 12", {"outcome": "done"}),
    ("protect ETH_USDC_PERP --quantity 10 --delta 5 --frozen 30s", {"outcome": "done"}),
    ("protect ETH_USDC_PERP --reset", {"outcome": "done"}),
    ("protect ETH_USDC_PERP --interval off", {"outcome": "done"}),
    ("leverage 10", {"outcome": "done"}),
    ("leverage", {"subaccount": 0, "leverage_max": 10}),
    ("leverage off", {"outcome": "done"}),
]


@pytest.mark.slow
async def test_what_waits_is_placed_shown_and_cancelled(vigil: Terminal) -> None:
    await vigil("keys new")
    await vigil("deposit 100000")
    for line, said in WAITING:
        assert (line, *await vigil.json(line)) == (line, 0, Anything(said))
    _, waiting = await vigil.json("triggers")
    assert [(one["kind"], one["trigger_price"], one["price"], one["group"]) for one in waiting["triggers"]] == [
        ("stop", "7900", None, 3),
        ("take_profit", "8100", "8095", 3),
        ("trailing", "7840", None, 0),
        ("twap", "0", None, 0),
    ]
    _, account = await vigil.json("account")
    assert [one["trigger_id"] for one in account["triggers"]] == [one["trigger_id"] for one in waiting["triggers"]]
    assert (await vigil.json("cancel-trigger ETH_USDC_PERP --client-id 12"))[0] == 0
    code, said = await vigil.json("cancel-trigger ETH_USDC_PERP --client-id 12")
    assert (code, said["reason"]) == (1, "TRIGGER_NOT_OPEN")
    assert (await vigil.json("cancel-all --triggers"))[0] == 0
    _, account = await vigil.json("account")
    assert (account["triggers"], len(account["orders"])) == ([], 2)


@pytest.mark.slow
async def test_margin_is_explained_and_sizes_are_bounded(vigil: Terminal, new_client: Callable[..., Vigil]) -> None:
    await vigil("keys new")
    await vigil("deposit 10000")
    await vigil("deposit 1 --asset BTC")
    maker = new_client(3)
    await maker.open_account()
    await maker.deposit("USDC", "100000")
    await maker.deposit("BTC", "5")
    await maker.sell("BTC_USDC_PERP", size="2", price="8000")
    await maker.buy("BTC_USD_IPERP", size="800", price="8000")
    await vigil("order buy BTC_USDC_PERP 2 --price 8000")
    await vigil("order sell BTC_USD_IPERP 800 --price 8000")
    await vigil("order buy ETH_USDC_PERP 2 --price 190")
    _, said = await vigil.json("margin")
    assert [(one["asset"], one["withdrawable"] > "0") for one in said["assets"]] == [("USDC", True), ("BTC", True)]
    assert {one["symbol"]: (one["size"], one["entry_price"]) for one in said["positions"]} == {
        "BTC_USDC_PERP": ("2", "8000"),
        "BTC_USD_IPERP": ("-800", "8000"),
    }
    assert total(said["assets"], "maintenance_value") == Decimal(said["equity"])
    assert total(said["assets"], "initial_value") == Decimal(said["equity_initial"])
    assert total([*said["positions"], *said["orders"]], "initial_margin") == Decimal(said["initial_margin"])
    assert total(said["positions"], "maintenance_margin") == Decimal(said["maintenance_margin"])
    _, shown = await vigil("margin")
    told = ("long 2", "short 800", "liquidated at", "weighted 97 % / 95 %", "binds")
    assert [text for text in told if text not in shown] == [], shown
    code, largest = await vigil.json("max-size buy BTC_USDC_PERP --price 8100")
    assert (code, largest["bound"], largest["price"]) == (0, "margin", "8100")
    size = Decimal(largest["size"])
    code, refused = await vigil.json(f"order buy BTC_USDC_PERP {size + Decimal('0.00001')} --price 8100")
    assert (code, refused["reason"]) == (1, "INSUFFICIENT_MARGIN")
    assert (await vigil.json(f"order buy BTC_USDC_PERP {size} --price 8100"))[1]["resting"] == str(size)
    _, worth = await vigil.json("collateral")
    assert {one["asset"]: one["price"] for one in worth["collateral"]}["BTC"] == "8000"


def total(lines: list[dict[str, Any]], column: str) -> Decimal:
    """Sum of a column."""
    return sum((Decimal(line[column]) for line in lines), Decimal(0))


@pytest.mark.slow
async def test_a_batch_is_one_frame_with_a_result_for_each_order(vigil: Terminal, tmp_path: Path) -> None:
    await vigil("keys new")
    await vigil("deposit 10000")
    file = tmp_path / "orders.jsonl"
    rungs = [
        {"side": "buy", "symbol": "BTC_USDC_PERP", "size": "0.01", "price": str(7_900 + rung)} for rung in range(48)
    ]
    stop = {"side": "sell", "symbol": "BTC_USDC_PERP", "size": "all", "stop": "7700"}
    too_large = {"side": "buy", "symbol": "BTC_USDC_PERP", "size": "101", "price": "8000"}
    file.write_text("\n".join(json.dumps(one) for one in [*rungs, stop, too_large]))
    code, output = await vigil(f"batch {file} --json")
    said = [json.loads(line) for line in output.splitlines()]
    assert (code, len({(one["timestamp_ms"], one["window_ms"]) for one in said})) == (1, 1)
    assert [one.get("resting") for one in said[:48]] == ["0.01"] * 48
    assert [one["reason"] for one in said[48:]] == ["NO_POSITION", "INVALID_SIZE"]
    assert (await vigil(f"batch {file}"))[1].splitlines()[0].startswith("buy 0.01 BTC_USDC_PERP at 7900: done, order ")


FUTURE: dict[str, Any] = {
    "id": 90_000,
    "symbol": "BTC_USDC_TEST",
    "kind": 4,
    "settlement_window_ms": "60000",
    "pulse_interval_ms": "0",
}


@pytest.mark.slow
async def test_operators_change_markets_and_fees(
    exchange: Exchange, tmp_path: Path, terminal: Callable[[str, Path], Terminal]
) -> None:
    gateway = await exchange.gateway(replace(CALM, admin=RpcSettings()))
    assert gateway.admin_server is not None
    one, two = write_admin_keys(tmp_path)
    vigil = terminal(gateway.address, one)
    desk = f"admin --admin-address {gateway.admin_server.address} --key-file {one}"
    code, shown = await vigil(f"{desk} show BTC_USDC_PERP")
    assert (code, json.loads(shown)["symbol"]) == (0, "BTC_USDC_PERP")
    (tmp_path / "market.json").write_text(shown)
    assert await vigil(f"{desk} list-market {tmp_path / 'market.json'}") == (0, "list BTC_USDC_PERP: done\n")
    assert await vigil(f"{desk} state BTC_USDC_PERP post-only") == (0, "BTC_USDC_PERP post-only: done\n")
    assert await vigil(f"{desk} change BTC_USDC_PERP orders_max=150 --in 2h") == (0, "change BTC_USDC_PERP: done\n")
    code, said = await vigil(f"{desk} fees 1:0.5:0.8")
    assert (code, "SECOND_SIGNATURE_MISSING" in said) == (1, True)
    assert await vigil(f"{desk} --key-file {two} fees 1:0.5:0.8") == (0, "fee schedule: done\n")
    assert await vigil(f"{desk} --key-file {two} limits 1:0.25:50 2:1:0") == (0, "limits of tiers: done\n")
    assert await vigil(f"{desk} --key-file {two} owner 77 5") == (0, "owner of 77: done\n")
    calendar = {"id": 9, "market": json.loads(shown) | FUTURE, "weeks": 1, "hour_ms": "0", "markets_max": 10}
    (tmp_path / "calendar.json").write_text(json.dumps(calendar))
    listed = await vigil(f"{desk} list-calendar {tmp_path / 'calendar.json'}")
    assert listed == (0, "calendar of BTC_USDC_TEST: done\n")
    async with Vigil(gateway.address) as client, asyncio.timeout(10):
        while not (await client.refresh_listed()).knows([FUTURE["id"]]):  # noqa: ASYNC110 - asks
            await asyncio.sleep(0.02)
        (future,) = (
            one for one in (await client.listed_with([FUTURE["id"]])).by_symbol if one.startswith(FUTURE["symbol"])
        )
        assert (await client.listed()).market(future).expires_ms > await client.now_ms()
    code, said = await vigil(f"{desk} change BTC_USDC_PERP limit_steps=[1.5]")
    assert (code, "a JSON list of integers" in said) == (2, True)
    assert (await vigil(f"{desk} limits 1:2:3"))[0] == 2
    assert (await vigil(f"{desk} change BTC_USDC_PERP nonsense=1"))[0] == 2
    assert (await vigil(f"{desk} fees 1:2:3"))[0] == 2


WATCHES = {
    "trades BTC_USDC_PERP": "0.001 @ 7,990",
    "account": "order_updated",
    "marks": "index=8,000",
    "ticker BTC_USDC_PERP": "@ 7,990",
    "book BTC_USDC_PERP": "7,990",
}


@pytest.fixture
def at_a_terminal() -> Iterator[None]:
    """Commands hear Ctrl-C as at a terminal: what a shell started in the background ignores it, and so does all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.usefixtures("at_a_terminal")
async def test_watching_shows_what_happens_until_interrupted(
    vigil: Terminal, new_client: Callable[..., Vigil], tmp_path: Path
) -> None:
    write_key(tmp_path / "key")
    buyer, seller = Vigil(vigil.address, read_key(tmp_path / "key"), time_age_s=0), new_client(3)
    for client in (buyer, seller):
        await client.open_account()
        await client.deposit("USDC", "100000")
    watching = {what: await vigil.start("watch", *what.split()) for what in WATCHES}
    try:
        seen = {what: asyncio.ensure_future(lines_until(watching[what], text)) for what, text in WATCHES.items()}
        async with asyncio.timeout(60):
            while not all(one.done() for one in seen.values()):
                await buyer.buy("BTC_USDC_PERP", size="0.001", price="7990")
                await seller.sell("BTC_USDC_PERP", size="0.001", price="7990")
        await asyncio.gather(*seen.values())
        for process in watching.values():
            process.send_signal(signal.SIGINT)
        for what, process in watching.items():
            _, errors = await asyncio.wait_for(process.communicate(), 30)
            assert (what, process.returncode, errors) == (what, 0, b"")
    finally:
        await buyer.close()
        for process in watching.values():
            if process.returncode is None:
                process.kill()
                await process.communicate()


class Anything(dict[str, Any]):
    """Equal to every dictionary that holds at least its own entries."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and all(other.get(key) == wanted for key, wanted in self.items())

    __hash__ = None


async def lines_until(process: asyncio.subprocess.Process, text: str) -> None:
    """Read what is shown until `text` is."""
    assert process.stdout is not None
    async for line in process.stdout:
        if text in line.decode():
            return
    raise AssertionError(f"{text!r} was never shown")
