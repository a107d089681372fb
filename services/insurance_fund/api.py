"""Queries about the funds; read-only, answered between two records."""

from services.core.machine_queries import host_of, status_of
from services.core.process import Hosts
from services.core.rpc import Context, Service
from services.insurance_fund.state import State
from vigil.v1 import queries_pb2, queries_pb2_grpc


class Servicer(queries_pb2_grpc.InsuranceFundQueriesServicer):
    """Answers for the partition hosted here."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts

    async def GetFunds(  # noqa: N802 - grpc's name
        self, request: queries_pb2.FundsQuery, context: Context
    ) -> queries_pb2.Funds:
        """Balances of all funds, by group, then asset."""
        del context
        host = host_of(self.hosts, request.partition)
        state: State = host.query()
        funds = [state.funds[group][asset] for group in sorted(state.funds) for asset in sorted(state.funds[group])]
        lines = [queries_pb2.FundBalance(group=fund.group, asset=fund.asset, balance=fund.balance) for fund in funds]
        return queries_pb2.Funds(machine=host.engine.name, at_ms=state.now_ms, funds=lines)

    async def Status(  # noqa: N802
        self, request: queries_pb2.StatusQuery, context: Context
    ) -> queries_pb2.MachineStatus:
        """How far the machine is."""
        del context
        return status_of(self.hosts, request)


def services_of(hosts: Hosts) -> list[Service]:
    """What this machine serves."""
    name = queries_pb2.DESCRIPTOR.services_by_name["InsuranceFundQueries"].full_name
    return [Service(name, queries_pb2_grpc.add_InsuranceFundQueriesServicer_to_server, Servicer(hosts))]
