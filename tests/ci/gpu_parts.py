"""Parts for tests of what runs parts, each in a process of its own as those of ci/gpu are, and what is read of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ci.gpuchecks import results
from ci.gpuchecks.catalog import Part
from ci.gpuchecks.setting import AbsentError, PausedError, Setting

ALIVE = 300.0
"""Seconds that tests give to everything that is not to be killed."""


def part(name: str, seconds: float | None = 60, cuda: Any = "needed") -> Part:
    return Part(name, f"What does {name} do?", f"tests.ci.gpu_parts:{name}", seconds, cuda)


def document(out: Path, name: str) -> dict[str, Any]:
    found = results.read(out, name)
    assert found is not None
    return found.document


def answer(setting: Setting) -> None:
    setting.add(device=setting.device, seconds=round(setting.seconds))


def find_a_problem(setting: Setting) -> None:
    setting.add(equal=False)
    setting.problem("they are not equal")


def raise_an_error(setting: Setting) -> None:
    setting.add(number=1)
    raise ValueError("two\nlines")


def lack_something(setting: Setting) -> None:
    raise AbsentError("deepspeed is not installed")


def import_what_is_absent(setting: Setting) -> None:
    import no_such_package  # noqa: F401


def die(setting: Setting) -> None:
    setting.add(number=1)
    os.kill(os.getpid(), signal.SIGKILL)


def hang(setting: Setting) -> None:
    """Ignore SIGTERM, with a child that does so too and writes down its process."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(setting.out, "child").write_text(str(child.pid))
    setting.add(number=1)
    time.sleep(600)


def count_up(setting: Setting) -> None:
    """Go on from call to call, as long runs do, and end at the second."""
    place = setting.out / "count"
    count = int(place.read_text()) + 1 if place.exists() else 1
    place.write_text(str(count))
    setting.add(count=count)
    if count < 2:
        raise PausedError("there is more")
