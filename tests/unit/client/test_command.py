"""The `vigil` command: keys, and errors in one line."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from services.client import SigningKey
from services.client.__main__ import app, join
from services.client.cli.keys import keys_app

NOWHERE = "127.0.0.1:1"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "key"


def vigil(*arguments: str, key_file: Path) -> tuple[int, str]:
    environment = {"VIGIL_CLIENT_KEY_FILE": str(key_file), "VIGIL_CLIENT_ADDRESS": NOWHERE}
    result = CliRunner().invoke(app, arguments, env=environment)
    return result.exit_code, result.output


def test_a_new_key_is_kept_for_its_owner_alone(key_file: Path) -> None:
    code, output = vigil("keys", "new", key_file=key_file)
    assert code == 0
    assert key_file.stat().st_mode & 0o777 == 0o600
    key = SigningKey(bytes.fromhex(key_file.read_text()))
    assert str(key.account) in output
    assert key.seed.hex() not in output
    assert vigil("keys", "show", key_file=key_file)[1].split(",")[0] == f"account {key.account}"


def test_a_key_is_never_overwritten(key_file: Path) -> None:
    vigil("keys", "new", key_file=key_file)
    before = key_file.read_bytes()
    code, output = vigil("keys", "new", key_file=key_file)
    assert (code, key_file.read_bytes()) == (1, before)
    assert "exists already" in output


BAD_KEYS = [
    ("ff", 0o600, "64 hexadecimal digits"),
    ("no key", 0o600, "64 hexadecimal"),
    ("00" * 32, 0o644, "chmod 600"),
]


@pytest.mark.parametrize(("content", "mode", "text"), BAD_KEYS)
def test_a_bad_key_file_is_refused(key_file: Path, content: str, mode: int, text: str) -> None:
    key_file.parent.mkdir()
    key_file.write_text(content)
    key_file.chmod(mode)
    code, output = vigil("account", key_file=key_file)
    assert (code, len(output.splitlines())) == (1, 1)
    assert text in output


def test_no_key_says_how_to_make_one(key_file: Path) -> None:
    assert vigil("account", key_file=key_file) == (1, f"vigil: no key at {key_file}; make one with: vigil keys new\n")


def test_an_unreachable_venue_is_one_line(key_file: Path) -> None:
    code, output = vigil("book", "BTC_USDC_PERP", key_file=key_file)
    assert (code, len(output.splitlines())) == (4, 1)
    assert "UNAVAILABLE" in output


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("order", "buy"),
        ("result", "0", "--timestamp", "1"),
        ("book", "X", "--depth", "0"),
        ("twap", "hold", "X", "1"),
    ],
)
def test_wrong_usage_is_exit_code_2(key_file: Path, arguments: tuple[str, ...]) -> None:
    assert vigil(*arguments, key_file=key_file)[0] == 2


MEANT_OTHERWISE = [
    ("leverage 101", "1 to 100"),
    ("leverage 2x", "1 to 100"),
    ("protect X", "--quantity, --delta or both"),
    ("protect X --interval off --delta 1", "--quantity, --delta or both"),
    ("protect X --reset --frozen 5s", "--reset stands alone"),
    ("protect X --quantity 1 --interval soon", "500ms"),
    ("twap buy X 1 --tolerance lots", "2% or 0.02"),
    ("twap buy X 1 --for 0m", "30s, 5m"),
    ("order sell X all", "such as 0.1"),
    ("order buy X 1 --stop 5 --auto-borrow", "not for an order that waits"),
    ("modes lend", "MODE=on or MODE=off"),
    ("modes sleep=on", "lend, redeem, borrow, repay, realise"),
    ("pool --picture x.svg", "name its asset"),
    ("interest --since yesterday", "500ms"),
    ("admin pool-state USDC shut", "open, repay-only, closed"),
]


@pytest.mark.parametrize(("line", "text"), MEANT_OTHERWISE)
def test_what_cannot_be_meant_says_what_is_accepted(key_file: Path, line: str, text: str) -> None:
    vigil("keys", "new", key_file=key_file)
    code, output = vigil(*line.split(), key_file=key_file)
    assert (code, text in output) == (2, True)


def test_two_times_in_force_exclude_each_other(key_file: Path) -> None:
    vigil("keys", "new", key_file=key_file)
    code, output = vigil("order", "buy", "X", "1", "--price", "1", "--ioc", "--post-only", key_file=key_file)
    assert code == 2
    assert "exclude each other" in output


def test_commands_of_other_packages_join() -> None:
    whole = typer.Typer()
    join(whole, [EntryPoint("other", "services.client.cli.keys:keys_app", "vigil.commands")])
    assert whole.registered_groups[0].typer_instance is keys_app
    assert CliRunner().invoke(whole, ["other", "--help"]).exit_code == 0
