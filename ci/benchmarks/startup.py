"""Startup time of the command line."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any


def time_help(repeats: int = 10) -> dict[str, Any]:
    """Seconds of whole processes that print the help of `grokcore`."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-m", "grokcore", "--help"], stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - begin)
    return {"command": "python -m grokcore --help", "median": statistics.median(times), "all": times}
