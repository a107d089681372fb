"""Whether the service on this machine serves: `python -m services.core.health [host:port]`, the health check of the image.

It asks the gRPC health service for "", which stands for all that a process serves. Without an address it takes the one that the
environment gives to the service named by SERVICE, as the process itself does, and its certificate where it speaks TLS.

Exit codes   0   it serves
             1   it does not, or does not answer
             2   the address or the certificate cannot be read
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.core.settings import EXIT_CONFIGURATION, PREFIX, SECTIONS, check_address

EXIT_UNHEALTHY = 1
SECONDS_MAX = 3.0
EVERYWHERE = ("0.0.0.0", "[::]")  # noqa: S104 - read, not bound
LOOPBACK = "127.0.0.1"


def address_of(environment: Mapping[str, str]) -> str:
    """Address where the service of this environment listens, seen from beside it; ValueError says what is accepted."""
    own = f"{section_of(environment)}_GRPC"
    name = own if own in environment else f"{PREFIX}GRPC"
    if name not in environment:
        raise ValueError(f"no address: name one as host:port, or set SERVICE and {own} or {name}")
    host, port = check_address(environment[name])
    return f"{LOOPBACK if host in EVERYWHERE else host}:{port}"


def section_of(environment: Mapping[str, str]) -> str:
    """What the names of the service's own settings begin with."""
    section = environment.get("SERVICE", "").rpartition(".")[2]
    return PREFIX + section.upper() if section in SECTIONS else PREFIX.rstrip("_")


def open_channel(address: str, environment: Mapping[str, str]) -> grpc.Channel:
    """Channel to the service, which must show the certificate that it was given; OSError or ValueError when there is none in the file."""
    file = environment.get(f"{section_of(environment)}_CERTIFICATE")
    if not file:
        return grpc.insecure_channel(address)
    chain = Path(file).read_bytes()
    names = x509.load_pem_x509_certificate(chain).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    name = str(next(iter(names)).value)
    return grpc.secure_channel(
        address,
        grpc.ssl_channel_credentials(root_certificates=chain),
        options=[("grpc.ssl_target_name_override", name)],
    )


def serves(channel: grpc.Channel) -> bool:
    """Ask once."""
    stub: Any = health_pb2_grpc.HealthStub(channel)
    try:
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=SECONDS_MAX)
    except grpc.RpcError:
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Return the exit code."""
    try:
        address = arguments[0] if arguments else address_of(environment)
        check_address(address)
        channel = open_channel(address, environment)
    except (ValueError, OSError, x509.ExtensionNotFound) as error:
        sys.stderr.write(f"health: {error}\n")
        return EXIT_CONFIGURATION
    with channel:
        if serves(channel):
            return 0
    sys.stderr.write(f"health: {address} does not serve\n")
    return EXIT_UNHEALTHY


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
