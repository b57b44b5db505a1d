"""Run a compiled pipeline in containers: `python -m tests.servers.kfp_containers PACKAGE ROOT ARGUMENTS_AS_JSON`.

Kubeflow Pipelines' own runner asks for containers that remove themselves, and asks for their exit code afterwards. One
that has gone by then counts as a success: a failed task looks like a good one, with podman every time, with docker now
and then. So its function that runs a container is replaced here by one that asks first and removes then.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from kfp import components, local
from kfp.local import docker_task_handler

from grokcore.local.__main__ import without_retries

HARDENED: dict[str, Any] = {
    "user": "54321:0",  # nobody that the image knows, in the group that OpenShift gives
    "read_only": True,
    "tmpfs": {"/tmp": "size=1g"},
    "network_mode": "none",
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "mem_limit": "3g",
}


def run_container(client: Any, image: str, command: list[str], volumes: dict[str, Any], **options: Any) -> int:
    """Run a container to its end, print what it says, and return its exit code; nothing is pulled."""
    container = client.containers.create(image=image, command=command, volumes=volumes, **options)
    try:
        container.start()
        for line in container.logs(stream=True, follow=True):
            print(line.decode(errors="replace"), end="", flush=True)
        return int(container.wait()["StatusCode"])
    finally:
        container.remove(force=True)


def main(package: str, root: str, arguments: str) -> int:
    docker_task_handler.run_docker_container = run_container
    os.umask(0)  # the runner makes directories here that the container's user writes
    Path(root).mkdir(parents=True, exist_ok=True)
    pipeline = components.load_component_from_text(without_retries(Path(package).read_text("utf-8")))
    local.init(local.DockerRunner(**HARDENED), pipeline_root=root)
    try:
        pipeline(**json.loads(arguments))
    except RuntimeError as error:  # how the runner says that a task failed
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
