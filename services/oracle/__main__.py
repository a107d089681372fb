"""The oracle as a process: `python -m services.oracle`; wiring only."""

from services.core.process import run_process
from services.core.settings import load_or_exit
from services.oracle.process import serve
from services.oracle.settings import OracleSettings

if __name__ == "__main__":
    settings = load_or_exit(OracleSettings)
    run_process(settings, "oracle", lambda: serve(settings))
