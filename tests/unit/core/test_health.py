"""The health check of the image asks the right address, in the right way, and says why it cannot."""

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from services.core.health import EXIT_UNHEALTHY, address_of, main
from services.core.settings import EXIT_CONFIGURATION

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@contextmanager
def server(status: int, credentials: grpc.ServerCredentials | None = None) -> Iterator[str]:
    running = grpc.server(ThreadPoolExecutor(1))
    servicer = health.HealthServicer()
    servicer.set("", status)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, running)
    anywhere = "127.0.0.1:0"
    port = running.add_secure_port(anywhere, credentials) if credentials else running.add_insecure_port(anywhere)
    running.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        running.stop(None).wait()


def certificate(folder: Path) -> tuple[Path, grpc.ServerCredentials]:
    """A certificate for venue.example in a file, and what a server needs to show it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a venue")])
    begins = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + dt.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("venue.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "venue.pem").write_bytes(pem)
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return folder / "venue.pem", grpc.ssl_server_credentials([(private, pem)])


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        pytest.param({"SERVICE": "risk", "VIGIL_GRPC": "0.0.0.0:50051"}, "127.0.0.1:50051", id="a machine"),
        pytest.param({"SERVICE": "risk", "VIGIL_GRPC": "10.0.0.7:50051"}, "10.0.0.7:50051", id="on one address"),
        pytest.param({"SERVICE": "gateway", "VIGIL_GATEWAY_GRPC": "[::]:7"}, "127.0.0.1:7", id="a gateway"),
        pytest.param({"SERVICE": "settlement.ledger", "VIGIL_LEDGER_GRPC": "x:1"}, "x:1", id="the ledger"),
        pytest.param({"VIGIL_GRPC": "x:1", "VIGIL_GATEWAY_GRPC": "y:1"}, "x:1", id="no service named"),
    ],
)
def test_the_address_is_the_services_own(environment: dict[str, str], address: str) -> None:
    assert address_of(environment) == address


@pytest.mark.parametrize(("status", "code"), [(SERVING, 0), (NOT_SERVING, EXIT_UNHEALTHY)])
def test_the_exit_code_says_whether_it_serves(status: int, code: int) -> None:
    with server(status) as address:
        assert main([address], {}) == code
        assert main([], {"SERVICE": "oracle", "VIGIL_ORACLE_GRPC": address}) == code


def test_nobody_there_is_unhealthy(capsys: pytest.CaptureFixture[str]) -> None:
    with server(SERVING) as address:
        pass
    assert main([address], {}) == EXIT_UNHEALTHY
    assert f"{address} does not serve" in capsys.readouterr().err


def test_a_service_that_speaks_tls_must_show_its_own_certificate(tmp_path: Path) -> None:
    file, credentials = certificate(tmp_path)
    (tmp_path / "other").mkdir()
    other, _ = certificate(tmp_path / "other")
    with server(SERVING, credentials) as address:
        environment = {"SERVICE": "gateway", "VIGIL_GATEWAY_GRPC": address}
        assert main([], environment | {"VIGIL_GATEWAY_CERTIFICATE": str(file)}) == 0
        assert main([], environment | {"VIGIL_GATEWAY_CERTIFICATE": str(other)}) == EXIT_UNHEALTHY
        assert main([], environment) == EXIT_UNHEALTHY


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        pytest.param([], {"SERVICE": "risk"}, "VIGIL_RISK_GRPC or VIGIL_GRPC", id="no address"),
        pytest.param(["nowhere"], {}, "host:port", id="no port"),
        pytest.param([], {"VIGIL_GRPC": "x:1", "VIGIL_CERTIFICATE": "/no/such"}, "/no/such", id="no certificate"),
    ],
)
def test_what_cannot_be_asked_is_said(
    arguments: list[str], environment: dict[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments, environment) == EXIT_CONFIGURATION
    assert said in capsys.readouterr().err
