"""What each process of a group does in these tests: one training after another, so that they start only once.

`python members.py PLAN`, a file that holds {"out": ..., "trainings": {name: {"data": ..., "overrides": [...]}}}. Each
process writes its outcomes, and what it was told, to OUT/outcomes-RANK.json.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import grokcore
from grokcore.errors import GrokcoreError
from grokcore.spec import load_spec
from grokcore.spec.ranks import rank_of_environment
from grokcore.training import precision
from grokcore.training.distributed.group import Command, Group
from grokcore.training.signals import leave_group


def main(plan: dict[str, Any]) -> None:
    place, out = rank_of_environment(), Path(plan["out"])
    if plan.get("fp16_on_cpu"):
        _allow_fp16()
    if "lost_at" in plan:
        _end_leader_at(Command[plan["lost_at"]])
    outcomes: dict[str, Any] = {}
    for name, training in plan["trainings"].items():
        data = training["data"]
        remarks: list[str] = []
        precision.INITIAL_SCALE = training.get("loss_scale", 2.0**16)
        try:
            spec = load_spec("smoke", training["overrides"])
            result = grokcore.train_model(
                spec,
                data if isinstance(data, str) else data[place.rank],
                out / name,
                on_evaluation=lambda line, told=remarks: told.append("line"),
                notify=remarks.append,
            )
            outcomes[name] = {"step": result.step, "exit_reason": result.exit_reason}
        except GrokcoreError as error:
            outcomes[name] = {"error": type(error).__name__, "message": str(error), "said": error.reported}
        outcomes[name]["remarks"] = remarks
    (out / f"outcomes-{place.rank}.json").write_text(json.dumps(outcomes))


def _allow_fp16() -> None:
    """DeepSpeed and we refuse fp16 on the CPU, where it is slow; its arithmetic is there to be tested."""
    os.environ["DS_ACCELERATOR"] = "cpu"
    from deepspeed.accelerator import get_accelerator

    from grokcore.training import train

    type(get_accelerator()).is_fp16_supported = lambda self: True
    train.check_hardware = lambda spec: None


def _end_leader_at(last: Command) -> None:
    """Kill the process that sends this command, which the others then carry out without it."""
    send = Group.command

    def command(group: Group, command: Command, *arguments: Any) -> None:
        send(group, command, *arguments)
        if command is last and group.is_leader:
            os.kill(os.getpid(), signal.SIGKILL)

    Group.command = command  # type: ignore[method-assign]


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
    leave_group(0)
