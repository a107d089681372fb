"""The insurance_fund machine as a process: `python -m services.insurance_fund`; wiring only."""

from services.core.process import run_machine
from services.insurance_fund.api import services_of
from services.insurance_fund.machine import MACHINE
from services.insurance_fund.metrics import METRICS

if __name__ == "__main__":
    run_machine(MACHINE, services_of, METRICS)
