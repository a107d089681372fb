"""The gateway as a process: `python -m services.gateway`; wiring only."""

from services.core.process import run_process
from services.core.settings import load_or_exit
from services.gateway.process import Environment, serve

if __name__ == "__main__":
    settings = load_or_exit(Environment)
    run_process(settings, "gateway", lambda: serve(settings))
