"""LedgerQueries over gRPC: requests in, answers out."""

import grpc

from services.core.messages import Book
from services.core.reasons import Reason
from services.core.rpc import Context, Refused, Service, malformed
from services.settlement.ledger.queries import STATEMENT_MAX, NoSuchEntry, Queries
from vigil.v1 import ledger_pb2 as pb
from vigil.v1 import ledger_pb2_grpc as rpc

STATEMENT_DEFAULT = 100
INTEGER_MAX = 2**63 - 1


class Servicer(rpc.LedgerQueriesServicer):
    """Answers from a ledger file."""

    def __init__(self, queries: Queries) -> None:
        self.queries = queries

    async def GetTrialBalance(self, request: pb.TrialBalanceQuery, context: Context) -> pb.TrialBalance:  # noqa: N802
        """Sums per machine, asset and book."""
        del context
        try:
            found = self.queries.trial_balance(small(request.entry, "entry"))
        except NoSuchEntry as error:
            raise Refused(grpc.StatusCode.OUT_OF_RANGE, str(error), Reason.MALFORMED) from error
        lines = [
            pb.TrialLine(machine=line.machine, asset=line.asset, book=book_of(line.book), amount=line.amount)
            for line in found.lines
        ]
        return pb.TrialBalance(entry=found.entry, balanced=not found.unbalanced(), lines=lines)

    async def GetBalances(self, request: pb.BalancesQuery, context: Context) -> pb.LedgerBalances:  # noqa: N802
        """Amounts of an owner."""
        del context
        balances = [
            pb.LedgerBalance(book=book_of(one.book), market=one.market, asset=one.asset, amount=one.amount)
            for one in self.queries.balances(small(request.owner, "owner"))
        ]
        return pb.LedgerBalances(balances=balances)

    async def GetStatement(self, request: pb.StatementQuery, context: Context) -> pb.Statement:  # noqa: N802
        """Lines of a subaccount."""
        del context
        if request.limit > STATEMENT_MAX:
            raise malformed(f"limit {request.limit}: at most {STATEMENT_MAX} lines are accepted")
        after = small(request.after_entry, "after_entry")
        found = self.queries.statement(small(request.owner, "owner"), after, request.limit or STATEMENT_DEFAULT)
        return pb.Statement(lines=[pb.StatementLine(**line._asdict() | {"book": book_of(line.book)}) for line in found])

    async def GetOpenInterest(self, request: pb.OpenInterestQuery, context: Context) -> pb.OpenInterest:  # noqa: N802
        """Sum of long positions."""
        del context
        return pb.OpenInterest(market=request.market, size=self.queries.open_interest(request.market))

    async def GetPositions(self, request: pb.PositionsQuery, context: Context) -> pb.LedgerPositions:  # noqa: N802
        """How far every stream was read."""
        del request, context
        positions = [
            pb.LedgerPosition(topic=topic, partition=partition, offset=offset, seq=seq)
            for topic, partition, offset, seq in self.queries.positions()
        ]
        return pb.LedgerPositions(entries=self.queries.last_entry(), positions=positions)


def small(number: int, field: str) -> int:
    """Refuse what SQL cannot hold; raises Refused."""
    if number > INTEGER_MAX:
        raise malformed(f"{field}: at most {INTEGER_MAX} is accepted")
    return number


def book_of(book: Book) -> "pb.LedgerBook.ValueType":
    """Book in the words of the schema, which has the same names."""
    return pb.LedgerBook.Value(f"LEDGER_BOOK_{book.name}")


def services_of(queries: Queries) -> list[Service]:
    """Return the ledger's services."""
    name = pb.DESCRIPTOR.services_by_name["LedgerQueries"].full_name
    return [Service(name, rpc.add_LedgerQueriesServicer_to_server, Servicer(queries))]
