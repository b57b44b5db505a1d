"""`grokcore presets`, `grokcore spec` and `grokcore models`: describe presets, specs, file formats, architectures."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
import textwrap
from importlib import import_module
from typing import Any

import yaml

from grokcore.cli.specs import spec_of
from grokcore.errors import InputError
from grokcore.models.registry import ArchitectureInfo, catalog
from grokcore.spec import ExperimentSpec, devices_here, load_spec, preset_names, resolve, validate
from grokcore.spec.hardware import check_shares
from grokcore.spec.plugins import GROUPS, Refused, survey
from grokcore.terminal.output import print_line, print_text

_SCHEMAS = {
    "spec": "grokcore.spec:ExperimentSpec",
    "dataset": "grokcore.data:DatasetInfo",
    "manifest": "grokcore.runs:Manifest",
    "evaluation": "grokcore.runs.evaluation:Evaluation",
    "analysis": "grokcore.runs.analysis:AnalysisDocument",
    "sweep": "grokcore.sweeps:SweepSpec",
    "sweep-index": "grokcore.sweeps:SweepIndex",
    "speedups": "grokcore.evaluation.speedups:SpeedupReport",
    "claims": "grokcore.claims.result:Claims",
    "champion": "grokcore.champions:ChampionVersion",
    "retraining": "grokcore.champions:Decision",
}


def presets(options: argparse.Namespace) -> None:
    """List the presets with their descriptions, and what other packages offer for specs."""
    names = preset_names()
    indent = max(len(name) for name in names) + 2
    columns = max(40, shutil.get_terminal_size((120, 24)).columns)
    for name in names:
        text = textwrap.wrap(load_spec(name).description, columns - indent) or [""]
        print_line(f"{name:<{indent}}{text[0]}")
        for line in text[1:]:
            print_line(f"{'':<{indent}}{line}")
    for kind in GROUPS:
        for found in survey(kind):
            print_line(found.problem if isinstance(found, Refused) else f"{kind} `{found.name}` of {found.origin}")


def spec(options: argparse.Namespace) -> None:
    """Print the resolved spec as YAML with its ids as comments, the DeepSpeed configuration, or a JSON schema."""
    if options.schema:
        module, _, name = _SCHEMAS[options.schema].partition(":")
        print_text(json.dumps(getattr(import_module(module), name).model_json_schema(), indent=2))
        return
    if options.spec is None:
        raise InputError(f"give a SPEC or --schema; presets are: {', '.join(preset_names())}")
    requested = spec_of(options) if options.data is None else _spec_over_data(options)
    if options.deepspeed:
        _print_deepspeed(requested, options.processes)
        return
    if options.processes is not None:
        raise InputError("--processes goes with --deepspeed")
    resolved = resolve(requested)
    print_line(f"# run_id: {resolved.run_id}")
    print_line(f"# dataset_id: {resolved.dataset_id}")
    print_line(f"# evaluation_id: {resolved.evaluation_id}")
    yaml.safe_dump(resolved.model_dump(mode="json"), sys.stdout, sort_keys=False, allow_unicode=True)


def _print_deepspeed(spec: ExperimentSpec, processes: int | None) -> None:
    """Print the DeepSpeed configuration of a spec, for `processes` or the devices of this machine."""
    from grokcore.training.engines.deepspeed_config import deepspeed_config

    if processes is not None and processes < 1:
        raise InputError(f"--processes {processes} must be at least 1")
    training = resolve(spec, devices=2).training  # auto would take DeepSpeed from two devices on
    if training.engine != "deepspeed":
        raise InputError(
            f"training.engine={training.engine} gives DeepSpeed no configuration: use --set training.engine=deepspeed"
        )
    count = devices_here(spec) if processes is None else processes
    check_shares(training, count)
    print_text(json.dumps(deepspeed_config(training, processes=count), indent=2))


_COUNTS = ("entities", "attributes", "relations", "values")


def _spec_over_data(options: argparse.Namespace) -> ExperimentSpec:
    """Return the spec of the command line with its task replaced by that of a dataset."""
    from grokcore.data.dataset import open_dataset

    for override in options.overrides:
        if override.strip().startswith("task."):
            raise InputError(f"the task comes from the dataset at {options.data}: leave out --set {override}")
    info = open_dataset(options.data).info
    task = info.current_task()
    if task is None:
        raise InputError(
            f"the dataset at {options.data} was made by version {info.generator_version} of the generator, which this "
            f"grokcore does not have: generate it again"
        )
    base = spec_of(options)
    changes: dict[str, Any] = {"task": task.model_dump()}
    if task != base.task and base.description:
        counts = ", ".join(f"{getattr(task, name):,} {name}" for name in _COUNTS if hasattr(task, name))
        changes["description"] = f"{base.name}, on the dataset {info.id}{f' of {counts}' if counts else ''}"
    spec: ExperimentSpec = validate(ExperimentSpec, {**base.model_dump(), **changes})
    return spec


_HEADER = ("model.architecture", "name", "token mixer", "parameters/block", "state/block", "paper", "files load into")


def models(options: argparse.Namespace) -> None:
    """Print a table of architectures, sized by a spec or by their defaults."""
    fields = {} if options.spec is None else load_spec(options.spec).model.model_dump(mode="json")
    fields = {name: fields[name] for name in ("width", "heads", "layers", "mlp_width") if name in fields}
    try:
        entries = list(catalog(fields))
    except ValueError as error:
        raise InputError(f"{options.spec} does not fit every architecture: {_first_reason(error)}") from None
    if options.json:
        print_text(json.dumps([dataclasses.asdict(entry) for entry in entries], indent=2))
        return
    rows = [_HEADER, *(_cells(entry) for entry in entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    for row in rows:
        print_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print_text("\ndeviations from the papers and their published code")
    for entry in entries:
        for number, deviation in enumerate(entry.deviations):
            label = "" if number else entry.architecture
            print_text(
                textwrap.fill(f"{label:<18}{deviation}", 100, subsequent_indent=" " * 18, break_on_hyphens=False)
            )


def _cells(entry: ArchitectureInfo) -> tuple[str, ...]:
    return (
        entry.architecture,
        entry.title,
        entry.token_mixer,
        f"{entry.parameters_per_block:,}",
        f"{entry.state:,}{' a token' if entry.state_per_token else ''}",
        entry.source,
        entry.transformers_class or "grokcore alone",
    )


def _first_reason(error: ValueError) -> str:
    errors = getattr(error, "errors", None)
    return str(errors()[0]["msg"]) if errors else str(error)
