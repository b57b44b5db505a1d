"""Run parts one after another, each in a process of its own that is killed at the end of its budget."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ci.gpuchecks import results
from ci.gpuchecks.catalog import REHEARSAL_SECONDS, Part
from ci.gpuchecks.results import PartResult

ROOT = Path(__file__).parents[2]
GRACE = 10.0
"""Seconds between the end of a part's budget, at which runs save and end, and the end of its process."""
LEAST = 5.0
"""Seconds below which a part is not begun."""


def run_parts(
    parts: Sequence[Part],
    out: Path,
    *,
    deadline: float,
    rehearse: bool = False,
    environment: Mapping[str, str] = os.environ,
    after_each: Callable[[], None] = lambda: None,
    grace: float = GRACE,
) -> list[PartResult]:
    """Run each part that no earlier call has settled.

    Args:
        out: where results and logs go.
        deadline: by time.monotonic(), when everything has ended.
        rehearse: on the CPU, at toy size.
        after_each: called after each part, and also where this process is interrupted.

    Returns:
        The results of the parts that were begun, now or earlier.
    """
    found = []
    for part in parts:
        earlier = results.read(out, part.name)
        if earlier is not None and earlier.is_settled:
            print(f"{part.name}: {earlier.document['state']} earlier; delete {earlier.path} to repeat it", flush=True)
            found.append(earlier)
            continue
        left = deadline - time.monotonic() - grace
        if left < LEAST:
            print(f"{part.name}: no time is left for it", flush=True)
            continue
        budget = REHEARSAL_SECONDS if rehearse else part.seconds
        limit = left if budget is None else min(budget, left)
        print(f"{part.name}: {part.question} (at most {limit:.0f} s)", flush=True)
        try:
            result = _run(part, out, limit, rehearse=rehearse, environment=environment, grace=grace)
        finally:
            after_each()
        print(_line(result), flush=True)
        found.append(result)
    return found


def _run(
    part: Part, out: Path, limit: float, *, rehearse: bool, environment: Mapping[str, str], grace: float
) -> PartResult:
    device = "cpu" if rehearse else "cuda"
    fresh = PartResult.begin(out, part.name, part.question, device=device, budget=limit)
    command = [sys.executable, "-m", "ci.gpuchecks.part", part.target, part.name, str(out), f"{limit:.1f}", part.cuda]
    command += ["--rehearse"] * rehearse
    log = out / "logs" / f"{part.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that what a part has started can be ended with it
        )
        try:
            overrun = not _ended(process, limit)
            if overrun:
                process.terminate()
                _ended(process, grace)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    result = results.read(out, part.name) or fresh
    if result.document["state"] == "running":
        seconds = time.monotonic() - begun
        if overrun:
            result.end("overrun", f"killed after {limit:.0f} s; the rows are what it had found by then", seconds)
        else:
            result.end("failed", f"its process ended with {process.returncode}; see {log}", seconds)
    return result


def _ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _line(result: PartResult) -> str:
    found = result.document
    why = f": {found['why']}" if found["why"] else ""
    lines = [f"{found['part']}: {found['state']} in {found['seconds'] or 0:.0f} s, {len(found['rows'])} rows{why}"]
    return "\n".join([*lines, *(f"  PROBLEM {line}" for line in found["problems"])])
