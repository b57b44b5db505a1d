"""Resources that a TrainJob asks for, validated from the text fields of a form, and the job's name."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grokcore.errors import InputError
from grokcore.spec import ExperimentSpec
from grokcore.spec.hardware import check_shares

RUNTIME = "grokcore-deepspeed"
"""The TrainingRuntime of manifests/components/trainjob."""

QUEUE_VARIABLE = "GROKCORE_QUEUE"
"""Environment variable with the default LocalQueue of the namespace."""

_QUANTITY = re.compile(r"\d+(\.\d+)?(m|[kMGTPE]i?)?")
_RESOURCE = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(/[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_MOST_NODES = 999
"""Keeps pod names within their limit."""


@dataclass(frozen=True)
class JobRequest:
    """Nodes of a TrainJob, their resources and placement.

    Attributes:
        nodes: number of pods that train together.
        gpus: accelerators per node, with one process each; 0 for one process on the CPU.
        queue: LocalQueue of Kueue; empty for none.
        image: container image; empty for the runtime's.
    """

    nodes: int = 1
    gpu_type: str = "nvidia.com/gpu"
    gpus: int = 0
    cpu: str = "4"
    memory: str = "16Gi"
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, Any]] = ()
    queue: str = ""
    runtime: str = RUNTIME
    image: str = ""

    @classmethod
    def of_form(
        cls,
        *,
        nodes: str,
        gpu_type: str,
        gpu_count: str,
        cpu_limit: str,
        memory_limit: str,
        node_selector: Any,
        tolerations: Any,
        queue: str,
        runtime: str,
        image: str,
    ) -> JobRequest:
        """Parse the fields of a form; an empty queue means the namespace's default, if set.

        Raises:
            InputError: the invalid field and what is allowed.
        """
        queue = queue or os.environ.get(QUEUE_VARIABLE, "")
        return cls(
            nodes=_count("nodes", nodes, least=1, most=_MOST_NODES),
            gpu_type=_matching("gpu_type", gpu_type, _RESOURCE, "the name of a resource, such as nvidia.com/gpu"),
            gpus=_count("gpu_count", gpu_count, least=0, most=64),
            cpu=_matching("cpu_limit", cpu_limit, _QUANTITY, "a quantity, such as 4 or 500m"),
            memory=_matching("memory_limit", memory_limit, _QUANTITY, "a quantity, such as 16Gi"),
            node_selector=_labels(node_selector),
            tolerations=_tolerations(tolerations),
            queue=_matching("queue", queue, _NAME, "the name of a LocalQueue") if queue else "",
            runtime=_matching("runtime", runtime or RUNTIME, _NAME, "the name of a TrainingRuntime"),
            image=image,
        )

    @property
    def processes_per_node(self) -> int:
        return max(1, self.gpus)

    def check(self, spec: ExperimentSpec) -> None:
        """Refuse a spec that cannot be trained on these nodes, before the job is created.

        Raises:
            InputError: what does not fit and what would.
        """
        training, together = spec.training, self.nodes * self.processes_per_node
        if training.engine == "deepspeed":
            check_shares(training, together)
        elif together > 1:
            raise InputError(
                f"training.engine={training.engine} trains on one device, but nodes={self.nodes} with "
                f"gpu_count={self.gpus} have {together}: override training.engine=deepspeed, or request one"
            )
        if not self.gpus and (training.precision == "fp16" or training.device == "cuda"):
            raise InputError(
                f"training.precision={training.precision} and training.device={training.device} need a GPU, but "
                f"gpu_count=0: request GPUs, or override training.precision=bf16 training.device=auto"
            )

    @property
    def resources(self) -> dict[str, str]:
        """Resources per node."""
        return {"cpu": self.cpu, "memory": self.memory} | ({self.gpu_type: str(self.gpus)} if self.gpus else {})

    def __str__(self) -> str:
        """What it asks the scheduler for, in a line."""
        nodes = "1 node" if self.nodes == 1 else f"{self.nodes} nodes, each"
        resources = ", ".join(f"{name} {amount}" for name, amount in self.resources.items())
        selector = f", node_selector {dict(self.node_selector)}" if self.node_selector else ""
        return f"{nodes} with {resources}{selector}, tolerations {[dict(one) for one in self.tolerations]}"


def _count(name: str, text: str, *, least: int, most: int) -> int:
    if not re.fullmatch(r"\d{1,4}", text.strip()) or not least <= (number := int(text)) <= most:
        raise InputError(f"{name}={text!r} must be a whole number from {least} to {most}")
    return number


def _matching(name: str, text: str, pattern: re.Pattern[str], wanted: str) -> str:
    if not pattern.fullmatch(text):
        raise InputError(f"{name}={text!r} must be {wanted}")
    return text


def _labels(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for pair in value.items() for text in pair):
        raise InputError(f"node_selector={value!r} must map labels to values, for example {{'gpu': 'h100'}}")
    return dict(value)


def _tolerations(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(one, Mapping) for one in value):
        raise InputError(f"tolerations={value!r} must be a list of Kubernetes tolerations, each with key and operator")
    tolerations = [dict(one) for one in value]
    for toleration in tolerations:
        seconds = toleration.get("tolerationSeconds")
        if isinstance(seconds, float):  # Kubeflow passes integers in lists as floats
            toleration["tolerationSeconds"] = int(seconds)
    return tolerations


LONGEST = 46
"""Maximum characters: leaves room for the suffix `-node-0-999-xxxxx` of pod names in a DNS label (63)."""


def job_name(run_id: str, run_uri: str) -> str:
    """Name a run's TrainJob `grokcore-{run_id}-{digest of run_uri}`, a DNS label that begins with a letter.

    The name is deterministic, so that a restarted launcher finds the job. The URI includes the run's key, and
    distinguishes stores.
    """
    return f"grokcore-{run_id[:16]}-{hashlib.sha256(run_uri.encode()).hexdigest()[:12]}"
