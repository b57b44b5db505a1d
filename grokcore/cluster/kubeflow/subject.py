"""What a pipeline is asked to train, resolved before anything is sent: a wrong spec costs no pod."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from grokcore.cluster.kubeflow.package import PipelinePackage
from grokcore.errors import InputError
from grokcore.spec import load_spec, resolve, split_overrides
from grokcore.spec.experiment import ExperimentSpec, fingerprint
from grokcore.spec.loading import parse_seeds

_LONGEST_NAME = 40


@dataclass(frozen=True)
class Subject:
    """
    Attributes:
        name: of the experiment or sweep, for people.
        id: twelve hexadecimal digits of what it is: of the run's id, or of those of all points of a sweep.
    """

    name: str
    id: str

    def __str__(self) -> str:
        return f"{self.name[:_LONGEST_NAME].strip()} {self.id}"


def subject_of(
    package: PipelinePackage, parameters: Mapping[str, Any], notify: Callable[[str], None] = lambda line: None
) -> Subject | None:
    """What the parameters describe; None for a pipeline whose form has neither a preset nor a sweep.

    Resolved as the pipeline's first task does it, by names and inline texts alone: no file of this machine is there.

    Raises:
        InputError: in one line, what is wrong with the spec.
    """
    if "preset" in package.inputs:
        spec = resolve(load_spec(parameters["preset"], _changes(parameters), allow_files=False, notify=notify))
        if "seeds" in parameters:
            parse_seeds(parameters["seeds"], "seeds")
        return Subject(spec.name, spec.run_id[:12])
    if "sweep" in package.inputs:
        return _sweep(parameters, notify)
    return None


def _changes(parameters: Mapping[str, Any]) -> list[str]:
    seed = parameters.get("seed")
    return split_overrides(parameters.get("overrides", "")) + ([f"seed={seed}"] if seed else [])


def _sweep(parameters: Mapping[str, Any], notify: Callable[[str], None]) -> Subject:
    from grokcore.sweeps import loop_items

    only = parameters.get("only", parameters.get("architectures", []))
    if not all(isinstance(name, str) for name in only):
        raise InputError("the names of points to keep must be texts")
    seeds = parameters.get("seeds", "")
    items = loop_items(
        parameters["sweep"], split_overrides(parameters.get("overrides", "")), seeds=seeds, only=only, notify=notify
    )
    specs = [resolve(ExperimentSpec.model_validate_json(item["spec"])) for item in items]
    parts = [[spec.run_id, item["seeds"]] for spec, item in zip(specs, items, strict=True)]
    return Subject(items[0]["sweep"], fingerprint(parts)[:12])
