"""The matching machine as a process: `python -m services.matching`; wiring only."""

from services.core.process import run_machine
from services.matching.api import services_of
from services.matching.machine import MACHINE
from services.matching.metrics import METRICS

if __name__ == "__main__":
    run_machine(MACHINE, services_of, METRICS)
