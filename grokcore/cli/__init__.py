"""The command line."""

from grokcore.cli.main import main

__all__ = ["main"]
