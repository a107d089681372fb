"""The `vigil` command as people use it, against a running venue."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from services.client import Vigil
from services.client.keyfile import read_key, write_key
from services.gateway.gateway import Gateway

ROOT = Path(__file__).resolve().parents[2]


class Terminal:
    """Runs `vigil` with a key of its own."""

    def __init__(self, address: str, key_file: Path) -> None:
        self.address = address
        settings = {"VIGIL_CLIENT_ADDRESS": address, "VIGIL_CLIENT_KEY_FILE": str(key_file), "COLUMNS": "200"}
        self.environment = os.environ | settings

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.client", *arguments),
            env=self.environment,
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def __call__(self, line: str) -> tuple[int, str]:
        process = await self.start(*line.split())
        output, errors = await process.communicate()
        assert process.returncode is not None
        return process.returncode, (output + errors).decode()


@pytest.fixture
def vigil(gateway: Gateway, tmp_path: Path) -> Terminal:
    return Terminal(gateway.address, tmp_path / "key")


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


WATCHES = {
    "trades BTC_USDC_PERP": "0.001 @ 7,990",
    "account": "order_updated",
    "marks": "BTC_USDC_PERP=8000",
    "book BTC_USDC_PERP": "7,990",
}


@pytest.mark.slow
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


async def lines_until(process: asyncio.subprocess.Process, text: str) -> None:
    """Read what is shown until `text` is."""
    assert process.stdout is not None
    while text not in (await process.stdout.readline()).decode():
        pass
