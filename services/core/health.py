"""Whether the service on this machine serves: `python -m services.core.health [host:port]`, the health check of the image.

It asks the gRPC health service for "", which stands for all that a process serves. Without an address it takes the one that the
environment gives to the service named by SERVICE, as the process itself does.

Exit codes   0   it serves
             1   it does not, or does not answer
             2   the address cannot be read
"""

import os
import sys
from collections.abc import Mapping
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.core.settings import EXIT_CONFIGURATION, PREFIX, SECTIONS, check_address

EXIT_UNHEALTHY = 1
SECONDS_MAX = 3.0
EVERYWHERE = ("0.0.0.0", "[::]", "")  # noqa: S104 - read, not bound
LOOPBACK = "127.0.0.1"


def address_of(environment: Mapping[str, str]) -> str:
    """Address where the service of this environment listens, seen from beside it; ValueError says what is accepted."""
    section = environment.get("SERVICE", "").rpartition(".")[2]
    own = f"{PREFIX}{section.upper()}_GRPC"
    name = own if section in SECTIONS and own in environment else f"{PREFIX}GRPC"
    if name not in environment:
        raise ValueError(f"no address: name one as host:port, or set SERVICE and {own} or {name}")
    host, port = check_address(environment[name])
    return f"{LOOPBACK if host in EVERYWHERE else host}:{port}"


def serves(address: str) -> bool:
    """Ask once."""
    with grpc.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=SECONDS_MAX)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Return the exit code."""
    try:
        address = address_of(environment if not arguments else {f"{PREFIX}GRPC": arguments[0]})
    except ValueError as error:
        sys.stderr.write(f"health: {error}\n")
        return EXIT_CONFIGURATION
    if serves(address):
        return 0
    sys.stderr.write(f"health: {address} does not serve\n")
    return EXIT_UNHEALTHY


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
