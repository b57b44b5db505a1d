"""The manifest of a run: what it is, and the conditions under which it is trained."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from grokcore.data.supervision import input_length, longest_row
from grokcore.evaluation.remarks import remarks_before
from grokcore.models import built_spec, execution_choices, file_format, match_description, parameter_count
from grokcore.models.composition import Composition
from grokcore.models.sizes import mean_passes
from grokcore.runs.manifest import Conditions, DatasetReference, Manifest, ModelFacts, SourceFacts
from grokcore.spec import ExperimentSpec
from grokcore.spec.base import identity_of
from grokcore.spec.code import plugins_of
from grokcore.storage.local import home_relative
from grokcore.training.costs import device_remarks
from grokcore.training.trainer import Trainer
from grokcore.version import SOURCE_ROOT, __version__

_PACKAGES = ("torch", "transformers", "numpy", "safetensors", "pydantic", "mamba-ssm", "fla-core", "deepspeed")


def manifest_of(trainer: Trainer, data_uri: str, source: SourceFacts | None = None) -> Manifest:
    """Return the manifest at the start of a run.

    Args:
        source: the model that it starts from, if any.
    """
    spec, info, device = trainer.spec, trainer.dataset.info, trainer.device
    processes = trainer.state.group.world_size
    size = parameter_count(
        spec.model, vocabulary_size=info.vocabulary_size, sequence_length=longest_row(info.sequence_length)
    )
    return Manifest(
        run_id=spec.run_id,
        name=spec.name,
        dataset=DatasetReference(id=spec.dataset_id, uri=home_relative(data_uri)),
        versions=_versions(),
        hardware={
            "device": device.type,
            "processor": _processor(),
            "instructions": torch.backends.cpu.get_cpu_capability(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
            "processes": processes,
        },
        git=_git(),
        choices=_choices(spec),
        execution=_execution(trainer, processes),
        model=ModelFacts(
            parameters=size.total,
            parameters_without_embeddings=size.without_embeddings,
            flops_per_step=trainer.flops.total,
            flops_of_model=trainer.flops.of_model,
            flops_of_method=trainer.flops.of_method,
            vocabulary_size=info.vocabulary_size,
            sequence_length=input_length(info.sequence_length, spec.training.loss_on),
            files=file_format(spec.model),
        ),
        plugins=plugins_of(spec),
        uses_held_out=spec.training.uses_held_out or (source is not None and source.uses_held_out),
        seeds={"data": spec.task.seed, "init": spec.init_seed, "order": spec.order_seed},
        source=source,
        remarks=[*remarks_before(spec, info.splits), *device_remarks(spec, info, processes)],
        started=utc_now(),
    )


def _execution(trainer: Trainer, processes: int) -> dict[str, str]:
    """Return how the run is computed here, as far as that can change the last bits of a result."""
    spec, match = trainer.spec, match_description(trainer.spec.model)
    execution = {"prefix_sharing": trainer.examples.prefix_sharing}
    execution |= execution_choices(spec.model, trainer.device.type)
    if spec.training.engine == "deepspeed":
        execution |= {"processes": str(processes), "zero_stage": str(spec.training.zero_stage)}
    if match is not None:
        execution["match"] = match
    if trainer.graphs is not None and trainer.graphs.status is not None:
        execution["cuda_graph"] = trainer.graphs.status
    return execution


def _choices(spec: ExperimentSpec) -> dict[str, Any]:
    """Return everything that could confound a comparison of two runs, under one flat name each."""
    built, composition = built_spec(spec.model), Composition.of(spec.model)
    choices = {**identity_of(spec.model), **identity_of(spec.training)}
    choices |= {"seed": spec.seed, "blocks": built.layers, **composition.describe()}
    if composition.written():
        choices["passes"] = mean_passes(built, built.layers)
    if built.width != spec.model.width:
        choices["built_width"] = built.width
    return choices | {f"task.{name}": value for name, value in identity_of(spec.task).items()}


_IRRELEVANT = frozenset({"versions.python", "versions.pydantic", "versions.safetensors", "hardware.cores"})
"""Conditions that do not compute any number of a run."""
_WITHOUT_EFFECT = frozenset({"execution.match", "execution.cuda_graph", "execution.kernel_obstacle"})
"""Repetitions of the spec or of another condition; and CUDA graphs, which compute the same bits."""


def changed_conditions(before: Conditions, now: Conditions) -> list[str]:
    """List changed conditions that can change the last bits of a result, as `NAME: BEFORE, now NOW`.

    Conditions that an older version of grokcore did not record are left out.
    """
    old, new = _flat(before), _flat(now)
    names = [name for name in old if name in new and name not in _IRRELEVANT | _WITHOUT_EFFECT]
    return [f"{name}: {old[name]}, now {new[name]}" for name in names if old[name] != new[name]]


def _flat(conditions: Conditions) -> dict[str, Any]:
    sections: dict[str, Mapping[str, Any]] = {
        "versions": conditions.versions,
        "hardware": conditions.hardware,
        "execution": conditions.execution,
        "code": conditions.git or {},
    }
    return {f"{section}.{name}": value for section, values in sections.items() for name, value in values.items()}


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _versions() -> dict[str, str]:
    versions = {"grokcore": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _git() -> dict[str, str | bool] | None:
    """Return the commit of the checkout that grokcore runs from; None for an installed package or without git."""
    root = SOURCE_ROOT
    if not (root / ".git").exists():
        return None
    try:
        commit, status = (
            subprocess.run(
                ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=10
            ).stdout.strip()
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "dirty": bool(status)}
