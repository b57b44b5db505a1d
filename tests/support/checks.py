"""Look at what many tests look at: journals, refusals, and conditions that come true after a while."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from grokcore.errors import InputError
from grokcore.runs import JOURNAL, read_journal
from grokcore.storage import Store

PATIENCE = 200.0
"""Seconds, far more than anything takes on a machine that does something else as well; tests end after 300."""


def without_clock(run: Path | Store) -> list[dict[str, Any]]:
    """Return a run's journal without its wall-clock values, in which even equal runs differ."""
    if isinstance(run, Store):
        return strip_clock(json.loads(line) for line in run.read(JOURNAL).splitlines())
    return strip_clock(read_journal(run / JOURNAL))


def strip_clock(lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a journal's lines without their wall-clock values."""
    return [{name: value for name, value in line.items() if name != "clock"} for line in lines]


def refusal(call: Callable[..., object], *arguments: Any, **options: Any) -> str:
    """Return the one line in which a call refuses its input."""
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    line = str(caught.value)
    assert "\n" not in line
    return line


def wait_until(
    condition: Callable[[], object], process: subprocess.Popen[Any] | None = None, seconds: float = PATIENCE
) -> None:
    """Wait until a condition is true; fail after `seconds`, or as soon as the process has ended without it."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not true after {seconds:.0f} seconds"
        if process is not None and process.poll() is not None and not condition():
            pytest.fail(f"ended with {process.returncode}: {process.communicate()}")
        time.sleep(0.05)
