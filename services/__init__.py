"""Vigil: services over one ordered log; see services/README.md."""
