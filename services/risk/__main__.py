"""The risk machine as a process: `python -m services.risk`; wiring only."""

from services.core.process import run_machine
from services.risk.api import services_of
from services.risk.machine import MACHINE

if __name__ == "__main__":
    run_machine(MACHINE, services_of)
