"""Points as a process: `python -m services.analytics`; wiring only."""

from services.analytics.process import AnalyticsSettings, serve
from services.core.process import run_process
from services.core.settings import load_or_exit

if __name__ == "__main__":
    settings = load_or_exit(AnalyticsSettings)
    run_process(settings, "analytics", lambda: serve(settings))
