"""The ledger answers over gRPC and on the command line what its books say."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from typer.testing import CliRunner

from services.core.rpc import RpcServer, RpcSettings, open_channel
from services.settlement.ledger.api import services_of
from services.settlement.ledger.commands import statement_app, trial_balance_app
from services.settlement.ledger.queries import queries_of
from services.settlement.ledger.reader import read_all
from services.settlement.ledger.store import Store
from tests.unit.settlement.test_ledger import ALICE, HISTORY, USDC, stream_of
from vigil.v1 import ledger_pb2 as pb
from vigil.v1 import ledger_pb2_grpc as rpc


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = Store(tmp_path / "ledger.sqlite")
    await read_all([await stream_of(HISTORY, made)])
    yield made
    made.close()


@pytest.fixture
async def ledger(store: Store) -> AsyncIterator["rpc.LedgerQueriesAsyncStub"]:
    server = RpcServer(RpcSettings(), services_of(queries_of(store)))
    await server.start()
    channel = open_channel(server.address)
    yield rpc.LedgerQueriesStub(channel)
    await channel.close()
    await server.stop(0)


async def test_queries(ledger: "rpc.LedgerQueriesAsyncStub") -> None:
    trial = await ledger.GetTrialBalance(pb.TrialBalanceQuery())
    assert (trial.entry, trial.balanced) == (3, True)
    assert sum(line.amount for line in trial.lines if line.asset == USDC) == 0
    balances = await ledger.GetBalances(pb.BalancesQuery(owner=ALICE))
    assert [(one.book, one.asset, one.amount) for one in balances.balances] == [
        (pb.LEDGER_BOOK_IDLE, USDC, 198),
        (pb.LEDGER_BOOK_POSITION, -1, 3),
        (pb.LEDGER_BOOK_POSITION, USDC, -60),
    ]
    statement = await ledger.GetStatement(pb.StatementQuery(owner=ALICE, after_entry=2))
    assert [(line.entry, line.kind, line.amount) for line in statement.lines] == [(3, "deposit", 100)]
    assert (await ledger.GetOpenInterest(pb.OpenInterestQuery(market=1))).size == 3
    positions = await ledger.GetPositions(pb.PositionsQuery())
    assert (positions.entries, positions.positions[0].offset, positions.positions[0].seq) == (3, 3, 3)


HOSTILE = [
    ("entry to come", "GetTrialBalance", pb.TrialBalanceQuery(entry=4), grpc.StatusCode.OUT_OF_RANGE),
    ("entry too large", "GetTrialBalance", pb.TrialBalanceQuery(entry=2**64 - 1), grpc.StatusCode.INVALID_ARGUMENT),
    ("owner too large", "GetBalances", pb.BalancesQuery(owner=2**63), grpc.StatusCode.INVALID_ARGUMENT),
    ("too many lines", "GetStatement", pb.StatementQuery(owner=1, limit=1001), grpc.StatusCode.INVALID_ARGUMENT),
    ("after too large", "GetStatement", pb.StatementQuery(after_entry=2**64 - 1), grpc.StatusCode.INVALID_ARGUMENT),
]


@pytest.mark.parametrize(("method", "query", "status"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
async def test_hostile_queries_are_refused(
    ledger: "rpc.LedgerQueriesAsyncStub", method: str, query: object, status: grpc.StatusCode
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await getattr(ledger, method)(query)
    assert refused.value.code() == status


async def test_an_unknown_owner_and_market_have_nothing(ledger: "rpc.LedgerQueriesAsyncStub") -> None:
    assert not (await ledger.GetBalances(pb.BalancesQuery(owner=2**63 - 1))).balances
    assert (await ledger.GetOpenInterest(pb.OpenInterestQuery(market=2**32 - 1))).size == 0


async def test_commands(store: Store, tmp_path: Path) -> None:
    file = ["--ledger", str(tmp_path / "ledger.sqlite")]
    shown = CliRunner().invoke(trial_balance_app, file)
    assert shown.exit_code == 0
    assert shown.output.splitlines()[-1] == f"{file[1]}: balanced after entry 3"
    lines = CliRunner().invoke(statement_app, [str(ALICE), *file, "--limit", "1"])
    assert lines.exit_code == 0
    assert "deposit" in lines.output
    store.database.execute("UPDATE balances SET amount = 0 WHERE owner = ?", (ALICE,))
    broken = CliRunner().invoke(trial_balance_app, file)
    assert broken.exit_code == 1
    assert "do not balance" in broken.output
    assert CliRunner().invoke(trial_balance_app, [*file, "--entry", "9"]).exit_code == 1
    assert CliRunner().invoke(trial_balance_app, ["--ledger", str(tmp_path / "none")]).exit_code == 1
