"""The contract of the log on a real broker, and what only a broker can do to it."""

import pytest

from services.core.kafka_log import KafkaLog
from tests.log_contract import DurableLogContract, Open


class TestKafkaLog(DurableLogContract):
    @pytest.fixture
    def open_log(self, kafka: str) -> Open:
        async def opened() -> KafkaLog:
            return KafkaLog(kafka)

        return opened
