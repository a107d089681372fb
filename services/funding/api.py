"""Queries about the funding machine; read-only, answered between two records."""

from services.core.machine_queries import command_results, host_of, status_of
from services.core.process import Hosts
from services.core.rpc import Context, Service
from services.funding.state import State
from vigil.v1 import queries_pb2, queries_pb2_grpc


class Servicer(queries_pb2_grpc.FundingQueriesServicer):
    """Answers for the partitions hosted here."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts

    async def GetCommandResults(  # noqa: N802 - grpc's name
        self, request: queries_pb2.CommandResultsQuery, context: Context
    ) -> queries_pb2.CommandResultsAnswer:
        """What became of admin commands about markets."""
        del context
        state: State = host_of(self.hosts, request.partition).query()
        return command_results(state.commands, state.now_ms, request)

    async def Status(  # noqa: N802
        self, request: queries_pb2.StatusQuery, context: Context
    ) -> queries_pb2.MachineStatus:
        """How far the machine is."""
        del context
        return status_of(self.hosts, request)


def services_of(hosts: Hosts) -> list[Service]:
    """What this machine serves."""
    name = queries_pb2.DESCRIPTOR.services_by_name["FundingQueries"].full_name
    return [Service(name, queries_pb2_grpc.add_FundingQueriesServicer_to_server, Servicer(hosts))]
