"""The funding machine as a process: `python -m services.funding`; wiring only."""

from services.core.process import run_machine
from services.funding.api import services_of
from services.funding.machine import MACHINE
from services.funding.metrics import METRICS

if __name__ == "__main__":
    run_machine(MACHINE, services_of, METRICS)
