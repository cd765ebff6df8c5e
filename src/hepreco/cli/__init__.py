"""The command line: ``hepreco run | plot | plugins | generate | train | new-plugin``."""

from hepreco.cli.main import main

__all__ = ["main"]
