"""The risk machine as a process: `python -m services.risk`; wiring only."""

from services.core.process import run_machine
from services.risk.api import services_of
from services.risk.machine import MACHINE
from services.risk.metrics import METRICS

if __name__ == "__main__":
    run_machine(MACHINE, services_of, METRICS)
