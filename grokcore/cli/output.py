"""What commands print: whatever a file of somebody else's says, a terminal shows it and obeys none of it."""

from __future__ import annotations

import sys
from typing import TextIO

from grokcore.errors import printable, redacted


def print_line(line: object = "", *, stream: TextIO | None = None) -> None:
    """Print one line: line ends and what a terminal would obey are escaped, secrets in URLs left out."""
    print(printable(redacted(str(line))), file=stream or sys.stdout, flush=True)


def print_text(text: str) -> None:
    """Print a text of several lines that this command has laid out, what a terminal would obey is escaped."""
    for line in text.removesuffix("\n").split("\n"):
        print(printable(line), flush=True)
