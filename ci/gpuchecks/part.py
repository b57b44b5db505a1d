"""The process of one part: python -m ci.gpuchecks.part MODULE:FUNCTION NAME OUT SECONDS CUDA [--rehearse]"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path

from ci.gpuchecks import results
from ci.gpuchecks.setting import AbsentError, PausedError, Setting

OWN = ("grokcore", "ci", "tests", "components")
"""Packages whose absence is a bug."""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("name")
    parser.add_argument("out", type=Path)
    parser.add_argument("seconds", type=float)
    parser.add_argument("cuda", choices=("optional", "needed", "only"))
    parser.add_argument("--rehearse", action="store_true")
    options = parser.parse_args()
    begun = time.monotonic()
    result = results.read(options.out, options.name)
    assert result is not None, "the runner begins it"  # noqa: S101
    device = "cpu" if options.rehearse else "cuda"
    setting = Setting(device, options.rehearse, options.out, options.seconds, result, begun)
    state, why = _answer(options.target, setting, options.cuda)
    result.end(state, why, time.monotonic() - begun)
    return state == "failed"


def _answer(target: str, setting: Setting, cuda: str) -> tuple[str, str]:
    """Call the function; return the state of the part, and why."""
    module, _, function = target.partition(":")
    try:
        if cuda != "optional" and not setting.rehearse:
            _need_cuda()
        getattr(import_module(module), function)(setting)
    except AbsentError as error:
        return "absent", str(error)
    except PausedError as error:
        return "paused", str(error)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in OWN:
            return "absent", f"{error.name} is not installed and no wheel of it was carried along"
        traceback.print_exc()
        return "failed", _one_line(error)
    except Exception as error:
        traceback.print_exc()
        if setting.seconds_left < 0:  # it was told to end, and ends by an error of its own
            return "overrun", f"stopped after {setting.seconds:.0f} s: {_one_line(error)}"
        return "failed", _one_line(error)
    if cuda == "optional" or not setting.rehearse:
        return "done", ""
    if cuda == "only":
        return "absent", "needs a CUDA GPU; the same code ran on the CPU at toy size"
    return "rehearsed", "on the CPU at toy size"


def _need_cuda() -> None:
    import torch

    if not torch.cuda.is_available():
        raise AbsentError("torch sees no CUDA GPU here")


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


if __name__ == "__main__":
    sys.exit(main())
