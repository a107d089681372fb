"""The lending_pool machine as a process: `python -m services.lending_pool`; wiring only."""

from services.core.process import run_machine
from services.lending_pool.api import services_of
from services.lending_pool.machine import MACHINE
from services.lending_pool.metrics import METRICS

if __name__ == "__main__":
    run_machine(MACHINE, services_of, METRICS)
