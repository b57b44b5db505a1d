"""Print text with control characters escaped, so that no file can command a terminal."""

from __future__ import annotations

import sys
from typing import TextIO

from grokcore.errors import printable, redacted


def print_line(line: object = "", *, stream: TextIO | None = None) -> None:
    """Print one line, with line ends and control characters escaped and secrets in URLs redacted."""
    print(printable(redacted(str(line))), file=stream or sys.stdout, flush=True)


def print_text(text: str) -> None:
    """Print text of several lines, with control characters escaped."""
    for line in text.removesuffix("\n").split("\n"):
        print(printable(line), flush=True)
