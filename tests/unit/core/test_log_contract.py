"""The contract of the log on the homes inside one process."""

from pathlib import Path

import pytest

from services.core.memory_log import MemoryLog
from services.core.sqlite_log import SqliteLog
from tests.log_contract import DurableLogContract, LogContract, Open


class TestMemoryLog(LogContract):
    @pytest.fixture
    def open_log(self) -> Open:
        log = MemoryLog()

        async def same() -> MemoryLog:
            return log

        return same


class TestSqliteLog(DurableLogContract):
    @pytest.fixture
    def open_log(self, tmp_path: Path) -> Open:
        async def opened() -> SqliteLog:
            return SqliteLog(tmp_path / "log.sqlite")

        return opened
