"""`python -m services.local`; wiring only."""

from services.local.commands import app

if __name__ == "__main__":
    app(prog_name="python -m services.local")
