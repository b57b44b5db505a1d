"""Run a compiled pipeline with Kubeflow Pipelines' local runner: `python -m grokcore.local < REQUEST`.

REQUEST is JSON: `pipeline` (path of a compiled package), `arguments`, `pipeline_root`. This process is a child of
`grokcore.local.pipeline` and leads a process group of its own, so that one signal reaches the task as well.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from grokcore.errors import EXIT_STOPPED
from grokcore.stage import STOP_VARIABLE


def main() -> int:
    request = json.load(sys.stdin)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    threading.Thread(target=_stop_with_parent, args=(os.getppid(),), daemon=True).start()

    from kfp import components, local

    warnings.filterwarnings("ignore", message=".*(no effect in the current local runner|non-Python base image).*")
    pipeline = components.load_component_from_text(without_retries(Path(request["pipeline"]).read_text("utf-8")))
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=request["pipeline_root"])
    try:
        pipeline(**request["arguments"])
    except RuntimeError as error:  # raised when a task fails; the task has printed why
        print(error, file=sys.stderr)
        return EXIT_STOPPED if os.environ.get(STOP_VARIABLE) else 1
    return 0


def without_retries(package: str) -> str:
    """Remove retry policies from a compiled package.

    Retries are for evicted pods of a cluster. Locally they would only delay the error; the user repeats the command.
    """
    documents: list[Any] = list(yaml.safe_load_all(package))
    for component in (documents[0]["root"], *documents[0]["components"].values()):  # the body of a loop is a component
        for task in component.get("dag", {}).get("tasks", {}).values():
            task.pop("retryPolicy", None)
    return yaml.safe_dump_all(documents, sort_keys=False)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    """Let the running task, which got the same signal, save and exit; later stages refuse to start."""
    os.environ[STOP_VARIABLE] = "1"


def _stop_with_parent(parent: int) -> None:
    """Stop the whole process group when the parent dies."""
    while os.getppid() == parent:
        time.sleep(1)
    if not os.environ.get(STOP_VARIABLE):  # a second signal would kill the trainer before it has saved
        os.killpg(0, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
