"""`init-venue`: founds a venue in a log and lists what its file says, beside machines that run elsewhere."""

from pathlib import Path

from services.core.log import Log, LogError
from services.core.process import EXIT_UNREACHABLE, CannotStart
from services.core.settings import EXIT_CONFIGURATION
from services.core.sqlite_log import SqliteLog
from services.local.venue import BadVenue, found, list_assets, list_markets, read_venue


async def init_venue(
    kafka: str, log_file: Path | None, markets: Path, risk_partitions: int, replicas: int, wait_seconds: int
) -> None:
    """Found and list; raises CannotStart."""
    try:
        venue = read_venue(markets, {"risk": risk_partitions})
        home = open_log(kafka, log_file, replicas)
    except (BadVenue, LogError) as error:
        raise CannotStart(str(error), EXIT_CONFIGURATION) from error
    try:
        await found(home, venue)
        await list_assets(home, venue)
        if wait_seconds:
            await list_markets(home, venue, wait_seconds * 1_000)
    except BadVenue as error:
        raise CannotStart(str(error), EXIT_CONFIGURATION) from error
    except LogError as error:
        raise CannotStart(str(error), EXIT_UNREACHABLE) from error
    finally:
        await home.close()


def open_log(kafka: str, log_file: Path | None, replicas: int) -> Log:
    """Open the log named; raises BadVenue unless it is exactly one, LogError."""
    if bool(kafka) == (log_file is not None):
        raise BadVenue("name exactly one of --kafka (or VIGIL_KAFKA) and --log-file")
    if log_file is not None:
        return SqliteLog(log_file)
    from services.core.kafka_log import KafkaLog, KafkaSettings  # noqa: PLC0415 - an extra

    return KafkaLog(kafka, KafkaSettings(replicas=replicas))
