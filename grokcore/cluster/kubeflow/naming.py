"""Names of Kubeflow runs: a repeated request gets the same name, so that it is recognized and not started twice.

The subject (the experiment or sweep) is resolved locally before anything is sent: a wrong spec costs no pod.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from grokcore.cluster.kubeflow.package import PipelinePackage
from grokcore.errors import InputError
from grokcore.spec import load_spec, resolve, split_overrides
from grokcore.spec.experiment import ExperimentSpec, fingerprint
from grokcore.spec.loading import parse_seeds
from grokcore.version import SOURCE_ROOT, __version__

COMMIT_VARIABLES = ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT")
"""Variables in which GitHub, GitLab and Jenkins pass the commit."""


def run_name(package: PipelinePackage, subject: str, parameters: Mapping[str, Any], commit: str) -> str:
    """Compose `PIPELINE SUBJECT COMMIT REQUEST`: `grokking-experiment demo 1c5d20cd03f3 0d39bfb1 5fd2a1c0`.

    Args:
        subject: name and id of the experiment or sweep; may be empty.
        parameters: all parameters of the run.
        commit: of the code that submits.

    REQUEST is a digest of the package and all parameters. It includes budgets, stores and run keys, which the subject's
    id leaves out: a raised budget is a new run, not the one that has ended.
    """
    request = fingerprint({"package": package.digest, "parameters": dict(parameters)})[:8]
    return " ".join(filter(None, (package.name, subject, commit[:8], request)))


def commit_of_code() -> str:
    """Commit of the checkout that grokcore is imported from, else of the CI job, else `v` and grokcore's version."""
    root = SOURCE_ROOT
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "rev-parse", "HEAD"]
        try:
            return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            pass
    named = (os.environ.get(variable) for variable in COMMIT_VARIABLES)
    return next(filter(None, named), f"v{__version__}")


_LONGEST_NAME = 40


@dataclass(frozen=True)
class Subject:
    """The experiment or sweep that a pipeline run trains.

    Attributes:
        name: of the experiment or sweep.
        id: twelve hexadecimal digits: of the run id, or of a digest over all points of a sweep.
    """

    name: str
    id: str

    def __str__(self) -> str:
        return f"{self.name[:_LONGEST_NAME].strip()} {self.id}"


def subject_of(
    package: PipelinePackage, parameters: Mapping[str, Any], notify: Callable[[str], None] = lambda line: None
) -> Subject | None:
    """Resolve the experiment or sweep; None for a pipeline that has neither parameter.

    Names and inline texts are resolved as in the pipeline's first task, which has no access to local files.

    Raises:
        InputError: the spec is invalid.
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
        raise InputError("names of points to keep must be strings")
    seeds = parameters.get("seeds", "")
    items = loop_items(
        parameters["sweep"], split_overrides(parameters.get("overrides", "")), seeds=seeds, only=only, notify=notify
    )
    specs = [resolve(ExperimentSpec.model_validate_json(item["spec"])) for item in items]
    parts = [[spec.run_id, item["seeds"]] for spec, item in zip(specs, items, strict=True)]
    return Subject(items[0]["sweep"], fingerprint(parts)[:12])
