"""How a client reaches a gateway: plainly or with TLS; the channel connects when first used, and again after every loss."""

from dataclasses import dataclass
from pathlib import Path

import grpc

from services.client.errors import ClientError

RESPONSE_BYTES_MAX = 16 * 1024 * 1024
OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", RESPONSE_BYTES_MAX),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.use_local_subchannel_pool", 1),
)
SERVER_NAME = "grpc.ssl_target_name_override"


@dataclass(frozen=True, slots=True)
class Tls:
    """A gateway's certificate is checked against `authorities`, a PEM file, or None for those that grpc brings along."""

    authorities: Path | None = None
    server_name: str = ""
    """Name in its certificate, where that is not the address."""

    def credentials(self) -> grpc.ChannelCredentials:
        """What grpc needs; ClientError when the file cannot be read."""
        try:
            return grpc.ssl_channel_credentials(self.authorities.read_bytes() if self.authorities else None)
        except OSError as error:
            raise ClientError(f"{self.authorities} cannot be read: {error.strerror}") from None


def connect(address: str, tls: Tls | None = None) -> grpc.aio.Channel:
    """Channel to a gateway; in plain text only when there is no `tls`."""
    if tls is None:
        return grpc.aio.insecure_channel(address, options=OPTIONS)
    named = ((SERVER_NAME, tls.server_name),) if tls.server_name else ()
    return grpc.aio.secure_channel(address, tls.credentials(), options=(*OPTIONS, *named))
