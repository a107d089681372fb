"""The ledger as a process: `python -m services.settlement.ledger`; wiring only."""

from services.core.process import run_process
from services.core.settings import load_or_exit
from services.settlement.ledger.process import LedgerSettings, serve

if __name__ == "__main__":
    settings = load_or_exit(LedgerSettings)
    run_process(settings, "ledger", lambda: serve(settings))
