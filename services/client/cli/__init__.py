"""The `vigil` command: one module per family of commands; `app` has what they share. Nothing here knows how a command is sent."""
