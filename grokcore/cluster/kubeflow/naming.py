"""Names of runs: what a run is of, so that the same request is recognised and not started twice."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from typing import Any

from grokcore.cluster.kubeflow.package import PipelinePackage
from grokcore.spec.experiment import fingerprint
from grokcore.version import SOURCE_ROOT, __version__

COMMIT_VARIABLES = ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT")
"""Where GitHub, GitLab and Jenkins say which commit they work on."""


def run_name(package: PipelinePackage, subject: str, parameters: Mapping[str, Any], commit: str) -> str:
    """`PIPELINE SUBJECT COMMIT REQUEST`, for example `grokking-experiment demo 1c5d20cd03f3 0d39bfb1 5fd2a1c0`.

    Args:
        subject: what is trained, for people, and its id; may be empty.
        parameters: all that the run is given.
        commit: of the code that asks.

    The request's digest stands for the package and for all parameters, budgets, places and run keys included, which
    the subject's id leaves out: whoever raises a budget wants another run and not the one that has ended.
    """
    request = fingerprint({"package": package.digest, "parameters": dict(parameters)})[:8]
    return " ".join(filter(None, (package.name, subject, commit[:8], request)))


def commit_of_code() -> str:
    """The commit of the checkout that grokcore is imported from, else the CI's, else `v` and grokcore's version."""
    root = SOURCE_ROOT
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "rev-parse", "HEAD"]
        try:
            return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            pass
    named = (os.environ.get(variable) for variable in COMMIT_VARIABLES)
    return next(filter(None, named), f"v{__version__}")
