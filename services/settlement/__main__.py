"""The settlement machine as a process: `python -m services.settlement`; wiring only."""

from services.core.process import run_machine
from services.settlement.api import services_of
from services.settlement.machine import MACHINE
from services.settlement.metrics import METRICS

if __name__ == "__main__":
    run_machine(MACHINE, services_of, METRICS)
