"""The version of this package, and where its code lies."""

from pathlib import Path

__version__ = "0.1.0"

SOURCE_ROOT = Path(__file__).parents[1]
"""Folder that holds the package: what child processes import must be the code that started them."""
